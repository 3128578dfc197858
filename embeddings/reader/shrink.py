"""A picture made small, in native grey levels, to be compared with others pixel by pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from embeddings.images import average_channels

PREVIEW_SIDE = 160  # pixels of the longest: grain of the size of a pixel or two survives in most
_NOISE_SIDE = 256  # pixels of the middle that the noise is measured in


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preview:
    """A shrunk picture in native grey levels.

    Attributes
    ----------
    values : (h, w) float32
    width, height : int
        Of the picture before it was shrunk, in pixels.
    noise_level : float
        How far the middle pixel stands off the two beside it, as a share of the grey levels'
        range: 0 for wafer maps and binarised boards, however they were compressed.
    """

    values: NDArray[np.float32]
    width: int
    height: int
    noise_level: float


def make_preview(pixels: NDArray[np.generic], *, side: int = PREVIEW_SIDE) -> Preview:
    """Shrink an (H, W) or (H, W, 3) array to a longest side in pixels, never enlarging it."""
    grey = np.asarray(pixels, dtype=np.float32)
    if grey.ndim == 3:
        grey = average_channels(grey)
    height, width = grey.shape
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Preview(
        values=resize_values(grey, size),
        width=width,
        height=height,
        noise_level=_measure_noise(grey),
    )


def resize_values(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize an (h, w) array to (width, height), antialiased when shrinking."""
    if values.shape[::-1] == size:
        return values
    resized = PillowImage.fromarray(values).resize(size, PillowImage.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def _measure_noise(grey: NDArray[np.float32]) -> float:
    """Return the median distance of a pixel to the median of three in its row, over the range."""
    height, width = grey.shape
    top, left = max(0, (height - _NOISE_SIDE) // 2), max(0, (width - _NOISE_SIDE) // 2)
    part = grey[top : top + _NOISE_SIDE, left : left + _NOISE_SIDE]
    before, here, after = part[:, :-2], part[:, 1:-1], part[:, 2:]
    middle = np.maximum(np.minimum(before, after), np.minimum(np.maximum(before, after), here))
    low, high = np.percentile(part, (0.5, 99.5))
    return float(np.median(np.abs(here - middle))) / float(high - low) if high > low else 0.0
