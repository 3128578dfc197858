"""Distances of unit rows to others, and of images to their neighbours in the graph.

Distances between rows come block by block: memory is bounded however many there are. How far an
image's neighbours are, and how far that is for its cluster, is an outlier score for clusterers that
have none: a distance in the graph, not the doubt between two clusters, in which an image may lie
amid many others.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from discovery.records import NOISE, Neighbours
from embeddings.large_values import Values

Floats = NDArray[np.float64]

# A group reaches as far as this share of its own images are from their nearest sibling.
REACH_QUANTILE = 0.95
# Two float32 rows that are equal lie up to so far apart: sqrt(2 - 2x), x rounded at 1e-6.
ROUNDING = 2e-3
_BLOCK_VALUES = 1 << 22  # distances in memory at a time: 32 MB of float64


def measure_distances(
    rows: Values,
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
    rows: Values,
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


def measure_mean_distances(neighbours: Neighbours) -> Floats:
    """Return the mean distance of each image to its neighbours, (n,)."""
    if not neighbours.distances.size:
        return np.zeros(len(neighbours))
    return np.asarray(neighbours.distances.mean(axis=1), dtype=np.float64)


def find_cluster_medians(
    values: Floats, labels: NDArray[np.int32], of: NDArray[np.int32]
) -> Floats:
    """Return the median of the (n,) values in the clusters `of`, (m,); of all images for -1."""
    order = np.argsort(labels, kind="stable")
    k = int(labels.max(initial=NOISE)) + 1
    starts = np.searchsorted(labels[order], np.arange(k))
    parts = np.split(values[order], starts)[1:]  # the first part is the noise
    # At the last place, and so at -1, all images.
    medians = [float(np.median(part)) for part in [*parts, values] if len(part)]
    return np.array(medians or [0.0])[of]


def measure_excess(distances: Floats, labels: NDArray[np.int32]) -> Floats:
    """Return how much farther than usual in its cluster an image's neighbours are, (n,) in [0, 1).

    0 where they are nearer, 0.5 at twice the distance; noise is held against all images.
    """
    usual = find_cluster_medians(distances, labels, labels)
    far = distances > usual
    excess: Floats = np.where(far, 1 - usual / np.where(far, distances, 1.0), 0.0)
    return excess


def score_outliers(neighbours: Neighbours, labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return `measure_excess` of the mean distance to an image's neighbours, (n,)."""
    return measure_excess(measure_mean_distances(neighbours), labels).astype(np.float32)
