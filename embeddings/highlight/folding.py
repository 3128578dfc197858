"""Statistics of the pixels that share a place in a pattern: folded, what repeats is one cell.

    middle = fold_median(values, places, count)   # (count,): of each place, over the whole picture

Quantiles are read off a histogram of each place: a tenth of the time that sorting takes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.highlight.loops import (
    LEVELS,
    Places,
    Values,
    add_up,
    count_levels,
    read_quantiles,
)

__all__ = [
    "Places",
    "Values",
    "find_median",
    "fold_median",
    "fold_quantiles",
    "share_explained",
    "spread_of",
]

_HALF_NORMAL = 0.6744898  # median of |x| of a standard normal x
_SAMPLE = 40_000  # pixels that say how far a picture spreads


def spread_of(values: Values) -> float:
    """Return the robust standard deviation: the median distance from the median, scaled."""
    sample = values.ravel()[:: max(1, values.size // _SAMPLE)]
    return float(find_median(np.abs(sample - find_median(sample)))) / _HALF_NORMAL


def find_median(sample: Values) -> np.float32:
    """Return the median of (n,) values: numpy's, without its search for what is no number."""
    half = len(sample) // 2
    parted = np.partition(sample, half)
    if len(sample) % 2:
        return np.float32(parted[half])
    return np.float32((parted[:half].max() + parted[half]) / np.float32(2))


def fold_quantiles(
    values: Values, places: Places, count: int, *, quantiles: Sequence[float]
) -> NDArray[np.float32]:
    """Return quantiles of the values at each place, (len(quantiles), count).

    Parameters
    ----------
    values : (h, w) float32
    places : (h, w) int32
        From 0 to count - 1.
    quantiles : sequence of float
        In [0, 1].

    Returns
    -------
    (q, count) float32
        A place without a pixel has what its neighbours lead one to expect.
    """
    low, high = float(values.min()), float(values.max())
    scale = (LEVELS - 1e-3) / max(high - low, 1e-30)
    below = count_levels(values, places, count, low=low, scale=scale)
    found = np.stack([read_quantiles(below, one, low=low, scale=scale) for one in quantiles])
    empty, rows = below[:, -1] == 0, np.arange(count)
    if empty.any() and not empty.all():
        for row in found:
            row[empty] = np.interp(rows[empty], rows[~empty], row[~empty])
    return found


def fold_median(values: Values, places: Places, count: int) -> NDArray[np.float32]:
    """Return the median at each place, (count,): blind to what is there in less than half of it."""
    middle: NDArray[np.float32] = fold_quantiles(values, places, count, quantiles=(0.5,))[0]
    return middle


def share_explained(values: Values, places: Places, count: int) -> float:
    """Return which share of the variance the means of the places explain, less chance's part."""
    n, sums = add_up(values, places, count)
    total = float(np.square(values, dtype=np.float64).sum())
    if total <= 0:
        return 0.0
    used = np.count_nonzero(n)
    return float((sums * sums / np.maximum(n, 1)).sum()) / total - 3 * used / values.size
