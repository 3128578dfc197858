"""Level a height picture (AFM): take out the sample's tilt, or each scan line's offset."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images.picture import Picture
from embeddings.records import Level

_ROUNDS = 5  # of trimming; the plane moves by less than a thousandth of the noise after three
_TRIM = 3.0  # times the robust standard deviation (1.4826 median absolute deviations)


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
