"""Variants of a prepared picture that show the same defect: moved, mirrored, in noise and light.

Only what an inspection tool itself does to a picture of one and the same defect is varied: the
stage stops a little beside the place, the die is mirrored or turned, dose and focus drift.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.reader import resize_values
from embeddings.records import View

Image = NDArray[np.float32]  # (c, h, w) in [0, 1]

VARIANTS: Final = 3  # of each picture
_MARGIN: Final = 0.06  # of a side that is cut off at most
_GAIN: Final = (0.8, 1.25)
_OFFSET: Final = 0.08  # of the range of grey levels
_NOISE: Final = (0.008, 0.03)
_COARSER: Final = 0.8  # of the pixels a side that are left where the focus is lost
_FEW: Final = 4  # grey levels ...
_MOSTLY: Final = 0.6  # ... that most pixels bear: a map, or a binary picture


def make_variants(image: Image, *, view: View, rng: np.random.Generator) -> list[Image]:
    """Return `VARIANTS` pictures that show what a picture shows.

    Parameters
    ----------
    image : (c, h, w) float32 in [0, 1]
        As a network sees it.
    view : {"picture", "map", "polar", "highlight"}
        By radius and angle only the direction of the angle is free.
    rng : Generator

    Returns
    -------
    list of (c, h, w) float32 in [0, 1]
    """
    if view == "polar":
        mirrored = np.ascontiguousarray(image[:, :, ::-1])
        return [mirrored, image.copy(), mirrored.copy()]
    has_light = view != "map" and not _has_few_levels(image)
    moved, mirrored, blurred = _move(image, rng), _mirror(image, rng), image
    if has_light:
        moved, blurred = _light(moved, rng), _light(_blur(image, rng), rng)
    else:
        blurred = _move(_mirror(image, rng), rng)  # of few levels there is no light to vary
    return [moved, mirrored, blurred]


def _move(image: Image, rng: np.random.Generator) -> Image:
    """Cut up to `_MARGIN` off each edge, and bring the rest to the size it had."""
    _, h, w = image.shape
    top, bottom = (int(rng.uniform(0, _MARGIN) * h) for _ in range(2))
    left, right = (int(rng.uniform(0, _MARGIN) * w) for _ in range(2))
    return _resize(image[:, top : h - bottom, left : w - right], (w, h))


def _mirror(image: Image, rng: np.random.Generator) -> Image:
    turned = int(rng.integers(1, 4))  # by rows, by columns, or both: half a turn
    rows = slice(None, None, -1 if turned & 1 else 1)
    columns = slice(None, None, -1 if turned & 2 else 1)
    return np.ascontiguousarray(image[:, rows, columns])


def _blur(image: Image, rng: np.random.Generator) -> Image:
    """Lose focus, and gain the noise of a lower dose."""
    _, h, w = image.shape
    share = rng.uniform(_COARSER, 1.0)
    coarse = _resize(image, (max(1, round(w * share)), max(1, round(h * share))))
    noise = rng.normal(0, rng.uniform(*_NOISE), (1, h, w))  # grey: the same in each channel
    blurred: Image = np.clip(_resize(coarse, (w, h)) + noise, 0, 1).astype(np.float32)
    return blurred


def _light(image: Image, rng: np.random.Generator) -> Image:
    middle = float(image.mean())
    lit = (image - middle) * rng.uniform(*_GAIN) + middle + rng.uniform(-_OFFSET, _OFFSET)
    lit_image: Image = np.clip(lit, 0, 1).astype(np.float32)
    return lit_image


def _resize(image: Image, size: tuple[int, int]) -> Image:
    planes = [resize_values(np.ascontiguousarray(plane), size) for plane in image]
    return np.stack(planes).astype(np.float32)


def _has_few_levels(image: Image) -> bool:
    counts = np.bincount((image[0] * 255).round().astype(np.uint8).ravel(), minlength=256)
    return bool(np.sort(counts)[-_FEW:].sum() > _MOSTLY * counts.sum())
