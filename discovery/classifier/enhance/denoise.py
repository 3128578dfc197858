"""Take noise out of a picture and keep its edges: five filters with one knob.

    calm = denoise_picture(grey, "nonlocal-means", strength=1.5)

The knob is relative to the noise of the picture, so that one setting serves all microscopes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

import scipy.ndimage
from numpy.typing import NDArray
from skimage import restoration

from discovery.classifier.enhance.noise import estimate_noise
from discovery.classifier.enhance.values import Grey, check_grey, hold_grey
from embeddings.errors import OptionError

DenoiseMethod = Literal["nonlocal-means", "bilateral", "median", "total-variation", "wavelet"]


def denoise_picture(
    grey: Grey, method: DenoiseMethod, *, strength: float = 1.0, sigma: float | None = None
) -> Grey:
    """Take the noise out of a picture.

    Parameters
    ----------
    grey : (h, w) float32 array
        Values in [0, 1].
    method : {"nonlocal-means", "bilateral", "median", "total-variation", "wavelet"}
        ``nonlocal-means`` averages patches that look alike and suits repeated patterns;
        ``bilateral`` averages neighbours of like grey; ``median`` takes out single hot pixels;
        ``total-variation`` prefers flat areas with sharp borders; ``wavelet`` shrinks wavelet
        coefficients (BayesShrink).
    strength : float
        1 suits the noise at hand, more smooths more.
    sigma : float, optional
        The noise as a share of the grey range; estimated where not given. A picture without
        noise comes back as it is.

    Returns
    -------
    (h, w) float32 array
        Values in [0, 1].

    Raises
    ------
    OptionError
        The method is not known, or strength or sigma make no sense.
    ValueError
        See `check_grey`.
    """
    check_grey(grey)
    if method not in get_args(DenoiseMethod):
        raise OptionError(f"{method!r} denoises nothing: take {', '.join(_FILTERS)}")
    if not 0 < strength <= 100 or (sigma is not None and not 0 <= sigma <= 1):
        raise OptionError(
            f"strength {strength:g} with noise {sigma}: strength is above 0 up to 100 and noise "
            "a share of the grey range from 0 to 1"
        )
    noise = estimate_noise(grey) if sigma is None else sigma
    return hold_grey(_FILTERS[method](grey, noise, strength)) if noise > 0 else grey.copy()


def _average_patches(grey: Grey, noise: float, strength: float) -> NDArray[Any]:
    # Buades et al., A Non-Local Algorithm for Image Denoising, CVPR 2005; h of 0.8 sigma is what
    # Darbon et al. (ISBI 2008), whose fast form this is, take for 5 x 5 patches.
    filtered: NDArray[Any] = restoration.denoise_nl_means(
        grey, patch_size=5, patch_distance=6, h=0.8 * strength * noise, sigma=noise, fast_mode=True
    )
    return filtered


def _average_alike(grey: Grey, noise: float, strength: float) -> NDArray[Any]:
    # Zhang and Gunturk, Multiresolution Bilateral Filtering (TIP 2008): the grey range is best at
    # 2 to 3 sigma, the reach at 1.5 to 2.1 pixels whatever the noise.
    filtered: NDArray[Any] = restoration.denoise_bilateral(
        grey, win_size=7, sigma_color=2.5 * strength * noise, sigma_spatial=1.8, mode="edge"
    )
    return filtered


def _take_medians(grey: Grey, _noise: float, strength: float) -> NDArray[Any]:
    # The only knob of a median is its window: 3 pixels at a strength of 1, 5 at 2.
    side = 2 * max(1, round(strength)) + 1
    filtered: NDArray[Any] = scipy.ndimage.median_filter(grey, size=side, mode="nearest")
    return filtered


def _flatten_areas(grey: Grey, noise: float, strength: float) -> NDArray[Any]:
    # Chambolle, An Algorithm for Total Variation Minimization (JMIV 2004). Under noise of 0.1 a
    # weight of 1.2 sigma left half the error of 1 sigma on a spot; 2 sigma ate into fine lines.
    filtered: NDArray[Any] = restoration.denoise_tv_chambolle(grey, weight=1.2 * strength * noise)
    return filtered


def _shrink_wavelets(grey: Grey, noise: float, strength: float) -> NDArray[Any]:
    # Chang et al., Adaptive Wavelet Thresholding (TIP 2000): BayesShrink.
    filtered: NDArray[Any] = restoration.denoise_wavelet(
        grey, sigma=strength * noise, wavelet="db2", method="BayesShrink", mode="soft"
    )
    return filtered


_FILTERS: Final[Mapping[str, Callable[[Grey, float, float], NDArray[Any]]]] = {
    "nonlocal-means": _average_patches,
    "bilateral": _average_alike,
    "median": _take_medians,
    "total-variation": _flatten_areas,
    "wavelet": _shrink_wavelets,
}
