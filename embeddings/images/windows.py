"""The grey-level window of a kind of picture: which levels are shown as black and as white.

One window a kind, fixed from the first pictures of that kind and kept, so that the intensities
of later pictures stay comparable with theirs.
"""

from collections.abc import Sequence

import numpy as np

from embeddings.errors import ImageError
from embeddings.images.picture import Picture, has_few_levels

_SAMPLE = 2_000_000  # pixels looked at in all: percentiles of 0.1 % still rest on 2,000 of them
_TAIL = 0.1  # percent cut at each end: dead and hot pixels
_HEADROOM = 0.1  # of the width, each side: a defect may be darker or brighter than what came first


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


def _sample(picture: Picture, share: int) -> np.ndarray:
    """Take about `share` pixels, evenly spaced, by a stride that is not a divisor of the width."""
    flat = picture.pixels.reshape(-1)
    stride = max(1, flat.size // share)
    if stride > 1:
        stride |= 1  # odd, so that a width of a power of two is not sampled in one column
    return flat[::stride]
