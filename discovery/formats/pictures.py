"""The image of a row of the handoff as a file of its own: a copy, or the page, tile or crop alone.

Exports that carry images use it: a tile or a crop must not come out as the whole picture.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import tifffile

from embeddings.console import track
from embeddings.errors import ImageError
from embeddings.images import cut_region, read_sizes, split_id
from embeddings.reader import name_part, open_parts

PART_PREFIX = "defect-discovery image "  # the description of a part's TIFF: its id follows
_ANY_SIZE = 10_000_000_000  # pixels: a handoff lists what was embedded, under its user's own limit


def is_part(image_id: str) -> bool:
    """Tell whether the id names a page, tile or crop and not a whole file."""
    return split_id(image_id) != (None, None)


def name_picture(image_id: str, path: str) -> str:
    """Name the exported file: the image's own name, and for a part what makes it one."""
    if not is_part(image_id):
        return PurePosixPath(path).name
    part = re.sub(r"^[^#@]*", "", image_id).replace(",", "_")
    return f"{PurePosixPath(path).stem}{part}.tif"


def write_pictures(plan: Mapping[PurePosixPath, tuple[str, str]], folder: Path) -> list[str]:
    """Write each planned picture (relative name -> image id, path) into a folder.

    A whole file is copied as it is; a page, tile or crop becomes a TIFF without loss. A file is
    opened once for all that is wanted of it.

    Returns
    -------
    list of str
        What could not be read, with the reason.
    """
    faults: list[str] = []
    files: dict[str, list[tuple[PurePosixPath, str]]] = {}
    for name, (image_id, path) in plan.items():
        files.setdefault(path, []).append((name, image_id))
    # By file and not by name: a picture of a thousand tiles is decoded once.
    for path, wanted in track(files.items(), total=len(files), what="images"):
        written = 0
        try:
            for name, data in _read_file(path, wanted):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                written += 1
        except ImageError as error:
            # Each picture that is missing counts, as the export says how many it left out.
            faults += [f"{path} {error}"] * (len(wanted) - written)
    return faults


def _read_file(
    path: str, wanted: Sequence[tuple[PurePosixPath, str]]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the bytes of what is wanted of a file."""
    parts: dict[str, list[PurePosixPath]] = {}
    for name, image_id in wanted:
        if is_part(image_id):
            parts.setdefault(image_id, []).append(name)
            continue
        try:
            yield name, Path(path).read_bytes()
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error
    if not parts:
        return
    for opened in open_parts([name_part(one, path) for one in parts], max_pixels=_ANY_SIZE):
        # TIFF holds every number type that a picture may have, heights of an AFM among them. It
        # says which image it is: its bytes are in no run, so nothing else would find it again.
        buffer = io.BytesIO()
        pixels = cut_region(opened.page.pixels, opened.part.region)
        description = PART_PREFIX + opened.part.image_id
        tifffile.imwrite(buffer, pixels, compression="zlib", description=description)
        for name in parts[opened.part.image_id]:
            yield name, buffer.getvalue()


def measure_pictures(paths: Iterable[str]) -> tuple[dict[str, list[tuple[int, int]]], list[str]]:
    """Read the width and height in pixels of each page of each file, and what could not be."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    faults = []
    for path in paths:
        try:
            sizes[path] = read_sizes(Path(path))
        except ImageError as error:
            faults.append(f"{path}: {error}")
    return sizes, faults
