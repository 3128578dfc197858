"""Small grey pictures of images that have vectors, for comparing them pixel by pixel."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from embeddings.errors import ImageError
from embeddings.records import Vectors
from embeddings.reopen import Reopened, reopen_rows

SIDE = 160  # pixels of the longest side: grain of the size of a pixel or two survives in most
_GRAIN_SIDE = 256  # pixels of the middle that the grain is measured in
_FILES_AHEAD = 64  # decoded at a time, so that memory does not grow with the images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grey:
    """A shrunk picture in native grey levels.

    Attributes
    ----------
    values : (h, w) float32
    width, height : int
        Of the picture before it was shrunk, in pixels.
    grain : float
        How far the middle pixel stands off the two beside it, as a share of the grey levels'
        range: 0 for wafer maps and binarised boards, however they were compressed.
    """

    values: NDArray[np.float32]
    width: int
    height: int
    grain: float


Reader = Callable[[NDArray[np.intp], int], Iterator[tuple[int, Grey]]]


def make_reader(vectors: Vectors) -> Reader:
    """Return a function that reads the images at some positions, with a longest side in pixels.

    It yields (position, picture) file by file; an image whose file is no longer there or readable
    is left out.
    """

    def read(positions: NDArray[np.intp], side: int) -> Iterator[tuple[int, Grey]]:
        rows = vectors.rows.iloc[positions].assign(position=positions)
        files = [group for _, group in rows.groupby("path", sort=True)]
        with ThreadPoolExecutor(thread_name_prefix="copies") as pool:
            for start in range(0, len(files), _FILES_AHEAD):
                some = files[start : start + _FILES_AHEAD]
                jobs = [pool.submit(_read_file, rows, vectors, side) for rows in some]
                for job in jobs:
                    yield from job.result()

    return read


def shrink_grey(pixels: NDArray[np.generic], side: int) -> Grey:
    """Shrink an (H, W) or (H, W, 3) array to a longest side, never enlarging it.

    In float32 throughout: averaged grain is smaller than one grey level.
    """
    grey = np.asarray(pixels, dtype=np.float32)
    if grey.ndim == 3:
        grey = grey.mean(axis=2)
    height, width = grey.shape
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Grey(
        values=resize_values(grey, size), width=width, height=height, grain=_measure_grain(grey)
    )


def resize_values(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize an (h, w) array to (width, height), antialiased when shrinking."""
    if values.shape[::-1] == size:
        return values
    resized = Image.fromarray(values).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def _measure_grain(grey: NDArray[np.float32]) -> float:
    """Return the median distance of a pixel to the median of three in its row, over the range."""
    height, width = grey.shape
    top, left = max(0, (height - _GRAIN_SIDE) // 2), max(0, (width - _GRAIN_SIDE) // 2)
    part = grey[top : top + _GRAIN_SIDE, left : left + _GRAIN_SIDE]
    before, here, after = part[:, :-2], part[:, 1:-1], part[:, 2:]
    middle = np.maximum(np.minimum(before, after), np.minimum(np.maximum(before, after), here))
    low, high = np.percentile(part, (0.5, 99.5))
    return float(np.median(np.abs(here - middle))) / float(high - low) if high > low else 0.0


def _read_file(rows: pd.DataFrame, vectors: Vectors, side: int) -> list[tuple[int, Grey]]:
    try:
        return [
            (int(part.row["position"]), shrink_grey(_cut(part), side))
            for part in reopen_rows(rows, level=vectors.spec.level)
        ]
    except ImageError:  # moved or changed since it was embedded
        return []


def _cut(part: Reopened) -> NDArray[np.generic]:
    """Return what a tile or crop covers of its page, without what sticks out."""
    region, pixels = part.region, part.picture.pixels
    if region is None:
        return pixels
    inside = pixels[
        max(region.y0, 0) : region.y0 + region.height, max(region.x0, 0) : region.x0 + region.width
    ]
    if not inside.size:
        raise ImageError("the region lies outside of the picture")
    return inside
