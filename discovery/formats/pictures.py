"""The image of a row of the handoff as a file of its own: a copy, or the page, tile or crop alone.

Exports that carry images use it: a tile or a crop must not come out as the whole picture.
"""

import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import tifffile
from numpy.typing import NDArray

from embeddings.console import track
from embeddings.errors import ImageError
from embeddings.images import Picture, Region, read_pictures, read_sizes

_ID = re.compile(r"[^#@]*(?:#(\d+))?(?:@(-?\d+),(-?\d+),(\d+),(\d+))?")


def split_id(image_id: str) -> tuple[int | None, Region | None]:
    """Return the page (None in a file of one) and the region (None: all of it) of an image id."""
    match = _ID.fullmatch(image_id)
    if match is None:
        return None, None
    page, *box = match.groups()
    if box[0] is None:
        return (None if page is None else int(page)), None
    x0, y0, width, height = map(int, box)
    return (
        None if page is None else int(page),
        Region(x0=x0, y0=y0, width=width, height=height),
    )


def is_part(image_id: str) -> bool:
    """Tell whether the id names a page, tile or crop and not a whole file."""
    return split_id(image_id) != (None, None)


def name_picture(image_id: str, path: str) -> str:
    """Name the exported file: the image's own name, and for a part what makes it one."""
    if not is_part(image_id):
        return PurePosixPath(path).name
    part = re.sub(r"^[^#@]*", "", image_id).replace(",", "_")
    return f"{PurePosixPath(path).stem}{part}.tif"


def read_picture_bytes(image_id: str, path: Path) -> bytes:
    """Return the file's bytes as they are, or a page, tile or crop as TIFF without loss.

    Raises
    ------
    ImageError
        The file is gone, unreadable, or no longer has that page.
    """
    if not is_part(image_id):
        try:
            return path.read_bytes()
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    page, region = split_id(image_id)
    if not path.is_file():
        raise ImageError(f"{path} does not exist")
    pictures = read_pictures(path)
    if (page or 0) >= len(pictures):
        raise ImageError(f"{path} has {len(pictures)} pages, page {page} was expected")
    buffer = io.BytesIO()
    # TIFF holds every number type that a picture may have, float32 heights of an AFM among them.
    tifffile.imwrite(buffer, _cut(pictures[page or 0], region), compression="zlib")
    return buffer.getvalue()


def write_pictures(plan: Mapping[PurePosixPath, tuple[str, str]], folder: Path) -> list[str]:
    """Write each planned picture (relative name -> image id, path) into a folder.

    Returns
    -------
    list of str
        What could not be read, with the reason.
    """
    faults = []
    for name, (image_id, path) in track(plan.items(), total=len(plan), what="images"):
        try:
            data = read_picture_bytes(image_id, Path(path))
        except ImageError as error:
            faults.append(str(error))
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return faults


def measure_pictures(paths: Iterable[str]) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Read the width and height in pixels of the first page of each file, and what could not be."""
    sizes: dict[str, tuple[int, int]] = {}
    faults = []
    for path in paths:
        try:
            sizes[path] = read_sizes(Path(path))[0]
        except ImageError as error:
            faults.append(f"{path}: {error}")
    return sizes, faults


def _cut(picture: Picture, region: Region | None) -> NDArray[np.generic]:
    """Cut a region out; where it leaves the picture, the edge goes on, as the network saw it."""
    if region is None:
        return picture.pixels
    rows = np.clip(np.arange(region.y0, region.y0 + region.height), 0, picture.height - 1)
    columns = np.clip(np.arange(region.x0, region.x0 + region.width), 0, picture.width - 1)
    return np.ascontiguousarray(picture.pixels[np.ix_(rows, columns)])
