"""Pixels in native grey levels become a file that a browser shows: windowed, bounded, encoded."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.images import Window

MOST_SHOWN = 16_000_000  # pixels sent at once: what a browser still draws, and 50 MB as colours
_LOSSLESS = 4_200_000  # pixels: a review camera's 2048 x 2048 is sent to the last grey level
_FEW_LEVELS = 8  # a map of categories: JPEG would invent levels between two of them
_STRIP = 1_000_000  # pixels that are windowed at a time: wide numbers take eight bytes each
_QUALITY = 92


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """An encoded picture.

    Attributes
    ----------
    data : bytes
    media_type : str
    shrunk : int
        How many pixels of the image one of these stands for, along a side.
    """

    data: bytes
    media_type: str
    shrunk: int = 1


def draw_pixels(pixels: NDArray[Any], window: Window, *, most: int = MOST_SHOWN) -> Drawn:
    """Draw (h, w) or (h, w, 3) pixels with a window's low level as black and its high as white.

    Parameters
    ----------
    pixels : array of uint8, uint16 or float32
    window : tuple of float
    most : int
        Pixels; a larger picture is shrunk by a whole factor first.
    """
    small, factor = shrink_pixels(pixels, most)
    shown = apply_window(small, window)
    return encode_picture(shown, shrunk=factor)


def encode_picture(shown: NDArray[np.uint8], *, shrunk: int = 1) -> Drawn:
    """Encode (h, w) or (h, w, 3) bytes: without loss where that is not too much to send."""
    # Level 1: grain does not shrink any further, whatever the effort.
    return _encode(shown, lossless=_LOSSLESS, effort=1, quality=_QUALITY, shrunk=shrunk)


def encode_thumbnail(shown: NDArray[np.uint8], *, quality: int = 85) -> Drawn:
    """Encode a small picture: a photograph in a few kB, a map of categories as it is."""
    return _encode(shown, lossless=0, effort=6, quality=quality)


def _encode(
    shown: NDArray[np.uint8], *, lossless: int, effort: int, quality: int, shrunk: int = 1
) -> Drawn:
    """Encode as PNG what has so few pixels or is a map of categories, the rest as JPEG."""
    sink, image = io.BytesIO(), Image.fromarray(shown)
    if image.width * image.height <= lossless or _has_few_levels(shown):
        image.save(sink, "PNG", compress_level=effort)
        return Drawn(data=sink.getvalue(), media_type="image/png", shrunk=shrunk)
    image.save(sink, "JPEG", quality=quality, subsampling=0)
    return Drawn(data=sink.getvalue(), media_type="image/jpeg", shrunk=shrunk)


def apply_window(pixels: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    """Show grey levels from low to high as 0 to 255; what lies outside is clipped."""
    low, high = window
    if pixels.dtype in (np.uint8, np.uint16):
        # Each level once instead of each pixel.
        table = _scale(np.arange(np.iinfo(pixels.dtype).max + 1), low, high)
        looked_up: NDArray[np.uint8] = table[pixels]
        return looked_up
    shown = np.empty(pixels.shape, np.uint8)
    step = max(1, _STRIP // max(pixels[0].size, 1))
    for top in range(0, len(pixels), step):
        shown[top : top + step] = _scale(pixels[top : top + step], low, high)
    return shown


def shrink_pixels(pixels: NDArray[Any], most: int) -> tuple[NDArray[Any], int]:
    """Shrink a picture by a whole factor to at most so many pixels, in native grey levels.

    Returns
    -------
    array of the same number type
        The mean of each block; of a map of categories a pixel of each.
    int
        The factor, 1 where nothing was done.
    """
    height, width = pixels.shape[:2]
    factor = 1
    while -(-height // factor) * -(-width // factor) > most:
        factor += 1
    if factor == 1:
        return pixels, 1
    thinned = pixels[::factor, ::factor]
    if _has_few_levels(thinned):
        return np.ascontiguousarray(thinned), factor
    # What is left over at the right and below is less than a block.
    rows, columns = max(height // factor, 1), max(width // factor, 1)
    small = np.empty((rows, columns, *pixels.shape[2:]), pixels.dtype)
    for row in range(rows):
        strip = pixels[row * factor : (row + 1) * factor, : columns * factor]
        blocks = strip.reshape(strip.shape[0], columns, -1, *pixels.shape[2:])
        small[row] = blocks.mean(axis=(0, 2), dtype=np.float32).astype(pixels.dtype)
    return small, factor


def _scale(levels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    # In float64: raw float32 levels on a large offset would lose their last digits.
    scaled = (levels.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _has_few_levels(shown: NDArray[Any]) -> bool:
    flat = shown.reshape(-1)
    # A coarse look first: almost every photograph is told by a few thousand of its pixels.
    if len(np.unique(flat[:: max(1, flat.size // 4096)])) > _FEW_LEVELS:
        return False
    return len(np.unique(flat)) <= _FEW_LEVELS
