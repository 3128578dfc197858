"""Which points lie inside a lasso: a polygon drawn on the map becomes images."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_BANDS = 50_000  # of equal height, which points are sorted into


def inside(polygon: ArrayLike, positions: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points lie inside a polygon.

    A line that crosses itself encloses what it goes around, twice or once: the rule of the
    non-zero winding number. (By the even-odd rule the overlap of a lasso's end with its beginning
    would fall out.)

    Parameters
    ----------
    polygon : (v, 2) numbers
        Corners in the order drawn; the last is joined to the first.
    positions : (n, 2) numbers
        A point that is no number lies nowhere.

    Returns
    -------
    (n,) bool
        Of points on the line itself, those on the left and lower sides are inside.

    Raises
    ------
    ValueError
        The arrays are not of two columns, or a corner is not finite.
    """
    corners, points = np.asarray(polygon, np.float64), np.asarray(positions, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"positions have shape {points.shape}, expected (n, 2)")
    if corners.size and (corners.ndim != 2 or corners.shape[1] != 2):
        raise ValueError(f"a polygon has shape {corners.shape}, expected (v, 2)")
    if not np.isfinite(corners).all():
        raise ValueError("a corner of the polygon is not a finite number")
    found = np.zeros(len(points), bool)
    if len(corners) >= 3 and np.ptp(corners[:, 1]) > 0:  # a flat one encloses nothing
        near = np.flatnonzero(_in_box(corners, points))
        found[near] = _wind(corners, points[near]) != 0
    return found


def _in_box(corners: Floats, points: Floats) -> NDArray[np.bool_]:
    low, high = corners.min(axis=0), corners.max(axis=0)
    inside_box: NDArray[np.bool_] = ((points >= low) & (points <= high)).all(axis=1)
    return inside_box


def _wind(corners: Floats, points: Floats) -> NDArray[np.int16]:
    """Return how often the polygon goes around each point, (n,): edges to its right are counted.

    An edge touches only the points between its ends' heights. In the order of their heights they
    are a slice, so that the work hardly grows with the corners of a line drawn by hand.
    """
    starts, ends = corners, np.roll(corners, -1, axis=0)
    bottom, span = corners[:, 1].min(), np.ptp(corners[:, 1])

    def find_band(heights: Floats) -> NDArray[np.uint16]:
        return np.asarray((heights - bottom) / span * _BANDS, dtype=np.uint16)

    bands = find_band(points[:, 1])
    order = np.argsort(bands, kind="stable")  # of 16 bits: a radix sort
    firsts = np.concatenate([[0], np.cumsum(np.bincount(bands, minlength=_BANDS + 1))])
    lowest = firsts[find_band(np.minimum(starts[:, 1], ends[:, 1]))]
    highest = firsts[find_band(np.maximum(starts[:, 1], ends[:, 1])) + 1]
    x, y = points[order, 0], points[order, 1]
    turns = np.zeros(len(points), np.int16)
    for (x0, y0), (x1, y1), low, high in zip(
        starts, ends, lowest.tolist(), highest.tolist(), strict=True
    ):
        if y0 == y1:
            continue
        here = y[low:high]
        # Half open: a corner between two edges belongs to one of them.
        beside = (here >= min(y0, y1)) & (here < max(y0, y1))
        beside &= x[low:high] < x0 + (here - y0) * ((x1 - x0) / (y1 - y0))
        if y1 > y0:
            turns[low:high] += beside
        else:
            turns[low:high] -= beside
    unsorted = np.empty_like(turns)
    unsorted[order] = turns
    return unsorted
