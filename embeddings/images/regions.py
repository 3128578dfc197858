"""Parts of a picture: tiles that cover it, crops round a defect, and the id each of them gets."""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError, OptionError

# A fingerprint, #page in a file of several, @x,y,w,h; a crop may begin outside of its picture.
_ID = re.compile(r"[^#@]*(?:#(\d+))?(?:@(-?\d+),(-?\d+),(\d+),(\d+))?")

_FILE = re.compile(r"([0-9a-f]{16})(?:[#@]|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle in pixels; it may stick out of the picture."""

    x0: int
    y0: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a region of {self.width}x{self.height} pixels, expected 1x1 or more")


def tile_picture(width: int, height: int, *, tile: int, overlap: float = 0.0) -> list[Region]:
    """Cover a picture with square tiles, row by row; the last ones end at the picture's edge.

    Parameters
    ----------
    width, height : int
        Of the picture, in pixels. A side shorter than `tile` gets one tile of its own length.
    tile : int
        Side of a tile in pixels.
    overlap : float
        Share of a tile that neighbours have in common at least, in [0, 1).

    Raises
    ------
    OptionError
        `tile` is below 1, or `overlap` is not in [0, 1).
    """
    if tile < 1:
        raise OptionError(f"tile is {tile}, expected 1 or more pixels")
    if not 0 <= overlap < 1:
        raise OptionError(f"overlap is {overlap}, expected a share from 0 to below 1")
    step = max(1, tile - round(tile * overlap))  # an overlap near 1 still moves on
    return [
        Region(x0=x0, y0=y0, width=min(tile, width), height=min(tile, height))
        for y0 in _starts(height, tile, step)
        for x0 in _starts(width, tile, step)
    ]


def crop_box(
    box: tuple[float, float, float, float], *, margin: float = 0.5, min_side: int = 32
) -> Region:
    """Return the square round a defect's box, without knowing the picture's size.

    Parameters
    ----------
    box : tuple of float
        xmin, ymin, xmax, ymax in pixels.
    margin : float
        Context on each side, as a share of the box's longest side.
    min_side : int
        Smallest side of the square, in pixels: a point-like defect needs surroundings to be seen.

    Raises
    ------
    OptionError
        `margin` is negative, or `min_side` is below 1.
    """
    if margin < 0 or min_side < 1:
        raise OptionError(f"margin {margin}, min_side {min_side}: expected at least 0 and 1")
    xmin, ymin, xmax, ymax = box
    # Square, and of whole pixels: crops of one defect on another grid keep their shape.
    side = max(math.ceil(max(xmax - xmin, ymax - ymin) * (1 + 2 * margin)), min_side)
    x0 = math.floor((xmin + xmax - side) / 2)
    y0 = math.floor((ymin + ymax - side) / 2)
    return Region(x0=x0, y0=y0, width=side, height=side)


def clip_region(region: Region, width: int, height: int) -> Region:
    """Return the part of a region that lies inside a picture.

    Parameters
    ----------
    region : Region
    width, height : int
        Of the picture, in pixels.

    Raises
    ------
    ImageError
        They have no pixel in common.
    """
    left, right = max(region.x0, 0), min(region.x0 + region.width, width)
    top, bottom = max(region.y0, 0), min(region.y0 + region.height, height)
    if left >= right or top >= bottom:
        raise ImageError(
            f"the region {region.x0},{region.y0},{region.width},{region.height} lies outside "
            f"of the {width}x{height} picture"
        )
    return Region(x0=left, y0=top, width=right - left, height=bottom - top)


def clip_pixels(pixels: NDArray[np.generic], region: Region | None) -> NDArray[np.generic]:
    """Cut a region out of (h, w) or (h, w, 3) pixels, without what sticks out.

    Raises
    ------
    ImageError
        They have no pixel in common.
    """
    if region is None:
        return pixels
    inside = clip_region(region, pixels.shape[1], pixels.shape[0])
    rows = slice(inside.y0, inside.y0 + inside.height)
    return pixels[rows, inside.x0 : inside.x0 + inside.width]


def cut_region(pixels: NDArray[np.generic], region: Region | None) -> NDArray[np.generic]:
    """Cut a region out of (h, w) or (h, w, 3) pixels; where it sticks out, the edge goes on."""
    if region is None:
        return pixels
    rows = np.clip(np.arange(region.y0, region.y0 + region.height), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(region.x0, region.x0 + region.width), 0, pixels.shape[1] - 1)
    return np.ascontiguousarray(pixels[np.ix_(rows, columns)])


def image_id(file_id: str, *, page: int = 0, n_pages: int = 1, region: Region | None = None) -> str:
    """Name an image: the file's fingerprint, ``#page`` in a file of several, ``@x,y,w,h``."""
    name = file_id if n_pages == 1 else f"{file_id}#{page}"
    if region is None:
        return name
    return f"{name}@{region.x0},{region.y0},{region.width},{region.height}"


def file_of_id(name: str) -> str:
    """Return the fingerprint that an image id begins with; empty for another's id."""
    match = _FILE.match(name)
    return match[1] if match else ""


def split_id(name: str) -> tuple[int | None, Region | None]:
    """Return the page (None in a file of one) and the region (None: all of it) of an image id."""
    match = _ID.fullmatch(name)
    if match is None:  # an id of somebody else's table
        return None, None
    page, *box = match.groups()
    number = None if page is None else int(page)
    if box[0] is None:
        return number, None
    x0, y0, width, height = map(int, box)
    return number, Region(x0=x0, y0=y0, width=width, height=height)


def _starts(length: int, tile: int, step: int) -> list[int]:
    # The last tile is moved back to the edge instead of being narrower than the others.
    last = max(0, length - tile)
    return [*range(0, last, step), last]
