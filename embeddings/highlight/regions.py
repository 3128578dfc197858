"""The regions that stand out of a picture, in robust standard deviations of what is left.

seen = highlight(grey)
seen.regions[0]      # the one that stands out most; none: nothing stands out
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from embeddings.highlight.background import Rest, remove_background
from embeddings.highlight.folding import Values, fold_median, fold_quantiles, spread_of

LARGEST: Final = 384  # pixels of the longest side that a picture is looked at with
LEAST_SIDE: Final = 8  # pixels: below, there is no background
_SCALES: Final = (1.0, 2.0, 4.0, 8.0)  # pixels: a point, and a faint stain
_SEED: Final = 6.5  # deviations that something stands out by; noise of 512 x 512 reaches 5
_SEED_LAYOUT: Final = 8.0  # in a layout, whose edges are rougher than normal noise
_GROWN: Final = 3.5  # deviations down to which it is followed
_TAIL, _TAIL_DEVIATIONS = 0.9, 1.645  # a quantile of |x|, and where a normal x has it
_HEAVY: Final = 1.5  # times the deviation that tails may widen it: no more is told from a defect
_LEAST: Final = 0.5  # of the whole picture's deviation, at every place of a layout
_LEVEL: Final = 0.5 / 255  # deviation of a picture without noise: half a grey level
_JOIN: Final = 0.015  # of the shorter side: fragments so near to each other are one
_FEWEST: Final = 6  # pixels of a region
_RIM: Final = 0.05  # of the shorter side: what lies wholly in it is cut off, and not told
_MOST: Final = 20.0  # deviations that count
_STRONG: Final = 12.0  # deviations that the main region of a clear picture reaches
_ALONE: Final = 0.7  # of the weight of all regions, in the main one of a clear picture
_SMALL: Final = 0.1  # of the picture: all regions of a clear one
_EIGHT: Final = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandOut:
    """One region that stands out.

    Attributes
    ----------
    label : int
        Its number in `Highlight.labels`.
    top, left, bottom, right : int
        Its box in pixels, the last two beyond it.
    area : int
        Pixels.
    weight : float
        Sum of the deviations over its pixels: area times contrast.
    peak : float
        The largest deviation.
    """

    label: int
    top: int
    left: int
    bottom: int
    right: int
    area: int
    weight: float
    peak: float

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of its box."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Highlight:
    """A picture without its background, and what stands out of it.

    Attributes
    ----------
    rest : Rest
    spread : float
        Robust standard deviation of the rest, half a grey level of 255 at least.
    deviations : (h, w) float32
        How far each pixel stands out, signed, at the scale at which it does so most.
    labels : (h, w) int32
        The number of the region a pixel belongs to; 0 for none.
    regions : tuple of StandOut
        By falling weight.
    """

    rest: Rest
    spread: float
    deviations: Values
    labels: NDArray[np.int32]
    regions: tuple[StandOut, ...]

    @property
    def is_clear(self) -> bool:
        """Whether one strong region stands out by far, and is small beside its background."""
        if not self.regions:
            return False
        weight = sum(one.weight for one in self.regions)
        area = sum(one.area for one in self.regions)
        main = self.regions[0]
        is_alone = main.weight > _ALONE * weight
        return main.peak > _STRONG and is_alone and area < _SMALL * self.labels.size


def highlight(grey: Values) -> Highlight:
    """Take the background off a picture, and find what stands out.

    Parameters
    ----------
    grey : (h, w) float32 in [0, 1], sides of 8 pixels or more
    """
    rest = remove_background(grey)
    deviations = _measure_deviations(rest)
    seed = _SEED if rest.kind == "smooth" else _SEED_LAYOUT
    labels, regions = _find_regions(deviations, seed)
    return Highlight(
        rest=rest,
        spread=max(spread_of(rest.values), _LEVEL),
        deviations=deviations,
        labels=labels,
        regions=regions,
    )


def highlight_picture(image: Values) -> Highlight | None:
    """Find what stands out of a picture as it is shown; None of a sliver, which has no background.

    Parameters
    ----------
    image : (c, h, w) float32 in [0, 1]
        Its longest side `LARGEST` at most.
    """
    grey = np.ascontiguousarray(image.mean(axis=0))
    return highlight(grey) if min(grey.shape) >= LEAST_SIDE else None


def _measure_deviations(rest: Rest) -> Values:
    """Return the signed deviations at the scale at which they are largest, (h, w)."""
    most = np.zeros_like(rest.values)
    for scale in _SCALES:
        calm = scipy.ndimage.gaussian_filter(rest.values, scale, truncate=3, mode="reflect")
        # White noise of the least deviation comes out so large.
        least = _LEVEL / (2 * np.sqrt(np.pi) * scale)
        one = _standardise(calm, rest, least)
        most = np.where(np.abs(one) > np.abs(most), one, most)
    return most


def _standardise(calm: Values, rest: Rest, least: float) -> Values:
    """Divide by the robust deviation at each place of the layout: rough edges are not defects."""
    far = calm - fold_median(calm, rest.places, rest.count)[rest.places]
    whole = spread_of(far)
    size = np.minimum(np.abs(far), max(12 * whole, least))
    half, tail = fold_quantiles(size, rest.places, rest.count, quantiles=(0.5, _TAIL))
    spread = 1.4826 * half
    spread = np.maximum(spread, np.minimum(tail / _TAIL_DEVIATIONS, _HEAVY * spread))
    spread = np.maximum(spread, max(_LEAST * whole, least))
    found: Values = (far / spread[rest.places]).astype(np.float32)
    return found


def _find_regions(
    deviations: Values, seed: float
) -> tuple[NDArray[np.int32], tuple[StandOut, ...]]:
    size = np.abs(deviations)
    labels, count = scipy.ndimage.label(size > _GROWN, _EIGHT)
    # Hysteresis: what grows out of a seed (Canny, 1986).
    kept = np.zeros(count + 1, dtype=bool)
    kept[np.unique(labels[size > seed])] = True
    kept[0] = False
    mask = kept[labels]
    shorter = min(deviations.shape)
    reach = max(2, round(_JOIN * shorter))
    near = scipy.ndimage.distance_transform_edt(~mask) <= reach if mask.any() else mask
    joined = (scipy.ndimage.label(near, _EIGHT)[0] * mask).astype(np.int32)
    weights = np.minimum(size, _MOST)
    rim = max(2.0, _RIM * shorter)
    found = []
    for label, box in enumerate(scipy.ndimage.find_objects(joined), start=1):
        if box is None:
            continue
        own = joined[box] == label
        area = int(np.count_nonzero(own))
        one = StandOut(
            label=label,
            top=box[0].start,
            left=box[1].start,
            bottom=box[0].stop,
            right=box[1].stop,
            area=area,
            weight=float(weights[box][own].sum()),
            peak=float(size[box][own].max()),
        )
        if area >= _FEWEST and not _is_cut_off(one, deviations.shape, rim):
            found.append(one)
    found.sort(key=lambda one: (-one.weight, one.label))
    return joined, tuple(found)


def _is_cut_off(one: StandOut, shape: tuple[int, ...], rim: float) -> bool:
    return (
        one.bottom <= rim
        or one.right <= rim
        or one.top >= shape[0] - rim
        or one.left >= shape[1] - rim
    )
