"""Statistics of the pixels that share a place in a pattern: folded, what repeats is one cell.

    middle = fold_median(values, places, count)   # (count,): of each place, over the whole picture

Quantiles are read off a histogram of each place: a tenth of the time that sorting takes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Places = NDArray[np.int32]

_LEVELS = 256  # of a histogram; between two of them a quantile is interpolated
_HALF_NORMAL = 0.6744898  # median of |x| of a standard normal x
_SAMPLE = 40_000  # pixels that say how far a picture spreads


def spread_of(values: Values) -> float:
    """Return the robust standard deviation: the median distance from the median, scaled."""
    sample = values.ravel()[:: max(1, values.size // _SAMPLE)]
    middle = np.median(sample)
    return float(np.median(np.abs(sample - middle))) / _HALF_NORMAL


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
    scale = (_LEVELS - 1e-3) / max(high - low, 1e-30)
    level = ((values - np.float32(low)) * np.float32(scale)).astype(np.int32)
    cells = np.bincount((places * _LEVELS + level).ravel(), minlength=count * _LEVELS)
    below = np.cumsum(cells.reshape(count, _LEVELS), axis=1)  # (count, levels)
    total = below[:, -1]
    found = np.empty((len(quantiles), count), np.float32)
    rows = np.arange(count)
    for number, quantile in enumerate(quantiles):
        wanted = quantile * total
        at = np.minimum((below < wanted[:, None]).sum(axis=1), _LEVELS - 1)
        before = np.where(at > 0, below[rows, np.maximum(at - 1, 0)], 0)
        inside = np.maximum(below[rows, at] - before, 1)
        found[number] = low + (at + np.clip((wanted - before) / inside, 0, 1)) / scale
    empty = total == 0
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
    n = np.bincount(places.ravel(), minlength=count)
    sums = np.bincount(places.ravel(), values.ravel(), minlength=count)
    total = float(np.square(values, dtype=np.float64).sum())
    if total <= 0:
        return 0.0
    used = np.count_nonzero(n)
    return float((sums * sums / np.maximum(n, 1)).sum()) / total - 3 * used / values.size
