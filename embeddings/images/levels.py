"""Grey levels: levelling of height pictures (AFM), and the window that is shown as black to white.

There is one window a kind of picture, fixed from the first pictures of that kind and kept, so that
the intensities of later pictures stay comparable with theirs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images.picture import Picture, has_few_levels
from embeddings.records import Level

_ROUNDS = 5  # of trimming; the plane moves by less than a thousandth of the noise after three
_TRIM = 3.0  # times the robust standard deviation (1.4826 median absolute deviations)

_SAMPLE = 2_000_000  # pixels looked at in all: percentiles of 0.1 % still rest on 2,000 of them
_TAIL = 0.1  # percent cut at each end: dead and hot pixels
_HEADROOM = 0.1  # of the width, each side: a defect may be darker or brighter than what came first


def level_picture(picture: Picture, how: Level) -> Picture:
    """Remove a plane, or the median of each scan line, from a picture of heights.

    Parameters
    ----------
    picture : Picture
        Grey; heights in any unit.
    how : {"none", "plane", "line"}
        ``plane`` is the least-squares plane of what is not a feature (points further than 3
        robust standard deviations are left out and the plane is fitted again), so that a tall
        particle does not tilt its surroundings. ``line`` takes each row's median away.

    Returns
    -------
    Picture
        float32, of a kind of its own (``float32-plane``): levelled heights and raw ones never
        share a grey-level window.

    Raises
    ------
    ImageError
        The picture has colours.
    """
    if how == "none":
        return picture
    if picture.channels != 1:
        raise ImageError("a colour picture cannot be levelled: heights have one channel")
    heights = picture.pixels.astype(np.float64)  # (H, W)
    if how == "plane":
        levelled = heights - _fit_plane(heights)
    else:
        levelled = heights - np.median(heights, axis=1, keepdims=True)
    return replace(picture, pixels=levelled.astype(np.float32), kind=f"{picture.kind}-{how}")


def fix_window(pictures: Sequence[Picture]) -> tuple[float, float]:
    """Choose the window of one kind of picture.

    8-bit pictures keep 0 to 255. Others get the 0.1 % and 99.9 % percentiles of a bounded sample
    of pixels, the same number from each picture, with a tenth of that width to spare on each
    side. A map of at most 8 levels (a wafer map) keeps its lowest and highest: there the rarest
    level is the defect.

    Parameters
    ----------
    pictures : sequence of Picture
        All of one kind.

    Returns
    -------
    tuple of float
        low < high, in the pictures' grey levels.

    Raises
    ------
    ImageError
        No picture was given.
    """
    kinds = {picture.kind for picture in pictures}
    if not kinds:
        raise ImageError("no picture to choose the grey-level window from")
    if len(kinds) > 1:
        raise ValueError(f"pictures of several kinds: {sorted(kinds)}")
    if kinds == {"uint8"}:
        return 0.0, 255.0
    share = max(1, _SAMPLE // len(pictures))
    # Levels in float64: a float32 step is coarse beside a small range on a large offset.
    levels = np.concatenate([_sample(picture, share) for picture in pictures]).astype(np.float64)
    if has_few_levels(levels):
        low, high = float(levels.min()), float(levels.max())
    else:
        low, high = (float(v) for v in np.percentile(levels, (_TAIL, 100 - _TAIL)))
        low, high = low - _HEADROOM * (high - low), high + _HEADROOM * (high - low)
    if low < high:
        return low, high
    # One level only: it becomes mid-grey, in a window wider than a float32 step.
    half = max(abs(low) * 1e-3, 1e-30) if pictures[0].pixels.dtype == np.float32 else 0.5
    return low - half, high + half


def _fit_plane(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit z = a x + b y + c by least squares, again without what lies far from it."""
    rows, columns = heights.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]  # (H, W) each
    basis = np.stack([x.ravel(), y.ravel(), np.ones(heights.size)], axis=1)  # (H * W, 3)
    z = heights.ravel()
    kept = np.ones(z.size, dtype=bool)
    plane = np.zeros_like(z)
    for _ in range(_ROUNDS):
        # Normal equations: three unknowns on a centred grid are well conditioned.
        inside = basis[kept]
        plane = basis @ np.linalg.lstsq(inside.T @ inside, inside.T @ z[kept], rcond=None)[0]
        far = np.abs(z - plane)
        spread = 1.4826 * float(np.median(far[kept]))
        again = far <= _TRIM * spread
        if spread == 0 or np.array_equal(again, kept):
            break
        kept = again
    return plane.reshape(heights.shape)


def _sample(picture: Picture, share: int) -> np.ndarray:
    """Take about `share` pixels, evenly spaced, by a stride that is not a divisor of the width."""
    flat = picture.pixels.reshape(-1)
    stride = max(1, flat.size // share)
    if stride > 1:
        stride |= 1  # odd, so that a width of a power of two is not sampled in one column
    return flat[::stride]
