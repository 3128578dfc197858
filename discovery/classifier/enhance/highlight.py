"""Make the defect stand out: what differs from the golden picture, or from its surroundings.

found = highlight_defect(grey, reference=golden)
found.response  # (h, w): how far each pixel is from what was expected
found.mask      # (h, w): where that is far beyond the rest of the picture
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import scipy.ndimage
from skimage import morphology

from discovery.classifier.enhance.background import estimate_background
from discovery.classifier.enhance.reference import leave_range, subtract_reference
from discovery.classifier.enhance.values import Grey, Mask, check_grey, hold_grey
from embeddings.errors import OptionError

HighlightMethod = Literal[
    "auto", "reference", "lines", "background", "top-hat", "difference-of-gaussians"
]
_DEVIATIONS: Final = 6.0  # of the response; white noise of 256 x 256 passes by a pixel or two
_FLOOR: Final = 0.02  # a contrast of five grey levels of 255: less is quantisation
_MIN_AREA: Final = 6  # pixels; smaller components are noise
_CALM: Final = 1.0  # Gaussian in pixels over which a response is averaged
_LINE_SHARE: Final = 0.5  # of the variance, explained by the profile across straight lines
_ROUGHNESS: Final = 2  # pixels by which a line's edge may wander
_TAIL: Final = 90  # percentile that stands in for the deviation where most of a response is 0
_TAIL_DEVIATIONS: Final = 1.645  # that percentile of |x| of a standard normal x
_HAT: Final = 12  # the top-hat's window is this part of the shorter side
_FINE, _COARSE = 1.5, 6.0  # Gaussians in pixels: defects of some 4 to 15 pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Highlight:
    """What stands out of a picture.

    Attributes
    ----------
    response : (h, w) float32 array
        Distance in grey from what was expected, in [0, 1].
    mask : (h, w) bool array
        The defect's pixels; empty where nothing stands out.
    method : str
        The method that was taken.
    """

    response: Grey
    mask: Mask
    method: HighlightMethod

    def __post_init__(self) -> None:
        if self.response.shape != self.mask.shape or self.mask.dtype != np.bool_:
            raise ValueError(f"response {self.response.shape} and mask {self.mask.shape} differ")


def highlight_defect(
    grey: Grey, *, reference: Grey | None = None, method: HighlightMethod = "auto"
) -> Highlight:
    """Find what differs from the golden picture or from its surroundings.

    Parameters
    ----------
    grey : (h, w) float32 array
        Values in [0, 1].
    reference : (h, w) float32 array, optional
        The golden (defect-free) picture of the same place, about aligned.
    method : {"auto", "reference", "lines", "background", "top-hat", "difference-of-gaussians"}
        ``reference`` aligns the golden picture, matches its brightness and subtracts it;
        ``lines`` compares straight lines that run along an axis with their own median, and
        forgives edges that wander by 2 pixels; ``background`` subtracts a smooth surface;
        ``top-hat`` takes what is narrower than a twelfth of the picture, bright or dark;
        ``difference-of-gaussians`` what is some 4 to 15 pixels wide. ``auto`` is the golden
        picture where there is one, else lines where half of the variance is a profile across
        them, else the background.

    Returns
    -------
    Highlight
        The mask holds what lies 6 robust standard deviations (1.4826 median absolute
        deviations) above the median response and 0.02 in grey, in components of 6 pixels or
        more; where more than half of the response is 0, the deviation is read off its 90th
        percentile. It is empty on a constant picture, and where most of the picture differs.

    Raises
    ------
    OptionError
        The method is not known, or needs a reference that is missing.
    ValueError
        See `check_grey`; the reference is of another size.
    """
    check_grey(grey)
    if method not in get_args(HighlightMethod):
        raise OptionError(
            f"{method!r} highlights nothing: take {', '.join(get_args(HighlightMethod))}"
        )
    if method == "auto":
        method = _choose_method(grey, reference)
    if method == "reference":
        if reference is None:
            raise OptionError("the method reference needs a golden picture: give one, or take auto")
        response = subtract_reference(grey, reference)
    elif method == "lines":
        response = _subtract_lines(grey)
    else:
        response = hold_grey(np.abs(_subtract_surroundings(grey, method)))
    return Highlight(response=response, mask=mask_response(response), method=method)


def mask_response(response: Grey) -> Mask:
    """Keep what lies far above the rest of the response, in components large enough to be seen."""
    middle = float(np.median(response))
    spread = 1.4826 * float(np.median(np.abs(response - middle)))
    if middle == 0:
        # Golden pictures and lines forgive most pixels: the median says nothing of the others.
        spread = float(np.percentile(response, _TAIL)) / _TAIL_DEVIATIONS
    above = response > middle + max(_DEVIATIONS * spread, _FLOOR)
    mask: Mask = morphology.remove_small_objects(above, max_size=_MIN_AREA - 1, connectivity=2)
    return mask


def _choose_method(grey: Grey, reference: Grey | None) -> HighlightMethod:
    if reference is not None:
        return "reference"
    flat = grey - estimate_background(grey, "plane")
    variance = float(flat.var())
    explained = max(float(flat.mean(axis=axis).var()) for axis in (0, 1))
    return "lines" if variance > 0 and explained > _LINE_SHARE * variance else "background"


def _subtract_surroundings(grey: Grey, method: HighlightMethod) -> Grey:
    """Return the (h, w) signed difference from what the surroundings lead one to expect."""
    difference: Grey
    if method == "top-hat":
        side = max(3, min(grey.shape) // _HAT) | 1
        calm = _calm(grey)
        white = scipy.ndimage.white_tophat(calm, size=side, mode="nearest")
        difference = np.maximum(white, scipy.ndimage.black_tophat(calm, size=side, mode="nearest"))
    elif method == "difference-of-gaussians":
        fine = scipy.ndimage.gaussian_filter(grey, _FINE, mode="nearest")
        difference = fine - scipy.ndimage.gaussian_filter(grey, _COARSE, mode="nearest")
    else:
        # A surface that is fitted without the defect, which may be large.
        difference = _calm(grey - estimate_background(grey, "polynomial"))
    return difference


def _subtract_lines(grey: Grey) -> Grey:
    """Compare each line with its own median along the axis that the lines run along."""
    shading = estimate_background(grey, "polynomial")
    flat = grey - shading
    along = 0 if flat.mean(axis=0).var() > flat.mean(axis=1).var() else 1
    expected: Grey = shading + np.median(flat, axis=along, keepdims=True)
    return leave_range(grey, expected, reach=_ROUGHNESS)


def _calm(values: Grey) -> Grey:
    calm: Grey = scipy.ndimage.gaussian_filter(values, _CALM, mode="nearest")
    return calm
