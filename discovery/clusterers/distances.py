"""Distances of unit rows to others, block by block: memory is bounded however many there are."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK_VALUES = 1 << 22  # distances in memory at a time: 32 MB of float64


def measure_distances(
    rows: NDArray[np.float32],
    others: NDArray[np.float32],
    *,
    withheld: NDArray[np.intp] | None = None,
) -> Iterator[tuple[slice, Floats]]:
    """Yield (b, n) L2 distances of unit rows (m, p) to others (n, p), block by block.

    Parameters
    ----------
    withheld : (m,) intp, optional
        The other that each row is itself: infinitely far.
    """
    step = max(1, _BLOCK_VALUES // max(len(others), 1))
    for first in range(0, len(rows), step):
        block = slice(first, min(first + step, len(rows)))
        squared = 2 - 2 * (rows[block] @ others.T).astype(np.float64)
        distances = np.sqrt(np.maximum(squared, 0))
        if withheld is not None:
            distances[np.arange(len(distances)), withheld[block]] = np.inf
        yield block, distances


def measure_nearest(
    rows: NDArray[np.float32],
    others: NDArray[np.float32],
    *,
    withheld: NDArray[np.intp] | None = None,
) -> Floats:
    """Return the distance of each row to the nearest other, (m,); infinite where there is none.

    Parameters as in `measure_distances`.
    """
    nearest = np.full(len(rows), np.inf)
    for block, distances in measure_distances(rows, others, withheld=withheld):
        nearest[block] = distances.min(axis=1, initial=np.inf)
    return nearest
