"""Uneven brightness: estimate the slow background of a picture and take it away.

    flat = flatten_background(grey, "polynomial")

All backgrounds are estimated on a copy of some 64 pixels a side: they are smooth, and a rolling
ball at full size takes seconds.
"""

from typing import Any, Final, Literal, get_args

import numpy as np
import scipy.ndimage
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from skimage import restoration, transform

from discovery.classifier.enhance.values import Grey, check_grey, hold_grey
from embeddings.errors import OptionError

BackgroundMethod = Literal["plane", "polynomial", "rolling-ball", "gaussian", "median"]
_COARSE: Final = 64  # pixels of the shorter side, about, on which a background is estimated
_DEGREES: Final = {"plane": 1, "polynomial": 2}  # shading is a tilt and a bowl
_ROUNDS: Final = 10  # of trimming; a surface of two levels settles on one of them in some six
_TRIM: Final = 3.0  # robust standard deviations beyond which a point is no background
_REACH: Final = 6  # the window is this part of the shorter side, or the ball's radius


def flatten_background(grey: Grey, method: BackgroundMethod) -> Grey:
    """Take the slow background away; the mean brightness stays.

    Parameters
    ----------
    grey : (h, w) float32 array
        Values in [0, 1].
    method : {"plane", "polynomial", "rolling-ball", "gaussian", "median"}
        See `estimate_background`.

    Returns
    -------
    (h, w) float32 array
        Values in [0, 1]; what leaves the range is clipped.

    Raises
    ------
    OptionError
        The method is not known.
    ValueError
        See `check_grey`.
    """
    background = estimate_background(grey, method)
    return hold_grey(grey - (background - background.mean()))


def estimate_background(grey: Grey, method: BackgroundMethod) -> Grey:
    """Estimate the slow background of a picture.

    Parameters
    ----------
    grey : (h, w) float32 array
        Values in [0, 1].
    method : {"plane", "polynomial", "rolling-ball", "gaussian", "median"}
        ``plane`` and ``polynomial`` (of second degree) are least-squares surfaces, fitted again
        without what lies far from them, so that a defect does not bend them; ``rolling-ball``
        (Sternberg, 1983) runs below the picture and suits bright defects; ``gaussian`` and
        ``median`` are smoothed with a window of a sixth of the shorter side, the median being
        blind to defects smaller than half of it.

    Returns
    -------
    (h, w) float32 array
        Values in [0, 1].

    Raises
    ------
    OptionError
        The method is not known.
    ValueError
        See `check_grey`.
    """
    check_grey(grey)
    if method not in get_args(BackgroundMethod):
        raise OptionError(
            f"{method!r} is no background: take {', '.join(get_args(BackgroundMethod))}"
        )
    step = max(1, min(grey.shape) // _COARSE)
    coarse = _shrink(grey, step)  # (about h / step, about w / step)
    if method in _DEGREES:
        smooth = _fit_surface(coarse, _DEGREES[method])
    else:
        smooth = _smooth(coarse, method, reach=max(2, min(coarse.shape) // _REACH))
    return hold_grey(_enlarge(smooth, grey.shape))


def _shrink(grey: Grey, step: int) -> NDArray[np.float64]:
    """Average blocks of step x step pixels; a block that sticks out repeats the border."""
    rest = [(0, -side % step) for side in grey.shape]
    whole = np.pad(grey.astype(np.float64), rest, mode="edge")
    shrunk: NDArray[np.float64] = transform.downscale_local_mean(whole, (step, step))
    return shrunk


def _enlarge(smooth: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[Any]:
    if smooth.shape == shape:
        return smooth
    enlarged: NDArray[Any] = transform.resize(smooth, shape, order=1, mode="edge")
    return enlarged


def _smooth(coarse: NDArray[np.float64], method: str, *, reach: int) -> NDArray[np.float64]:
    smooth: NDArray[np.float64]
    if method == "gaussian":
        smooth = scipy.ndimage.gaussian_filter(coarse, reach, mode="nearest")
    elif method == "median":
        smooth = scipy.ndimage.median_filter(coarse, size=2 * reach + 1, mode="nearest")
    else:
        # The ball is as round in grey as in pixels: 255 grey levels are its natural unit.
        smooth = restoration.rolling_ball(255 * coarse, radius=reach) / 255
    return smooth


def _fit_surface(coarse: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Fit a polynomial in x and y by least squares, again without what lies far from it."""
    rows, columns = coarse.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]  # (rows, columns) each
    basis = polynomial.polyvander2d(x.ravel(), y.ravel(), [degree, degree])  # (n, terms)
    order = np.add.outer(np.arange(degree + 1), np.arange(degree + 1)).ravel()
    basis = basis[:, order <= degree]  # x y, but not x^2 y^2
    z = coarse.ravel()
    kept = np.ones(z.size, dtype=bool)
    surface = np.zeros_like(z)
    for _ in range(_ROUNDS):
        surface = basis @ np.linalg.lstsq(basis[kept], z[kept], rcond=None)[0]
        far = np.abs(z - surface)
        spread = 1.4826 * float(np.median(far[kept]))
        again = far <= max(_TRIM * spread, 1e-6)
        if np.array_equal(again, kept) or np.count_nonzero(again) < basis.shape[1] * 4:
            break
        kept = again
    return surface.reshape(coarse.shape)
