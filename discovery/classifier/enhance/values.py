"""What every step of image processing takes and gives: (h, w) float32 grey values in [0, 1]."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Grey: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

MIN_SIDE: Final = 8  # below this no filter has a neighbourhood; decoded pictures have 16 or more


def check_grey(grey: NDArray[Any], *, name: str = "grey") -> Grey:
    """Return the picture as it came once it is fit for every step.

    Raises
    ------
    ValueError
        It is not (h, w) float32 in [0, 1], has a side of less than 8 pixels, or holds NaN.
    """
    if grey.ndim != 2 or min(grey.shape) < MIN_SIDE:
        raise ValueError(f"{name} is {grey.shape}, expected (h, w) of {MIN_SIDE} pixels or more")
    if grey.dtype != np.float32:
        raise ValueError(f"{name} is {grey.dtype}, expected float32 in [0, 1]")
    low, high = float(grey.min()), float(grey.max())
    # NaN fails both comparisons, so that it is refused here too.
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{name} holds {low:g} to {high:g}, expected values in [0, 1]")
    return grey


def hold_grey(values: NDArray[Any]) -> Grey:
    """Clip what a filter gave to [0, 1] and hold it as contiguous float32."""
    return np.ascontiguousarray(np.clip(values, 0, 1), dtype=np.float32)
