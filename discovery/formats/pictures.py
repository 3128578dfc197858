"""The image of a row of the handoff as a file of its own: a copy, or the page, tile or crop alone.

Exports that carry images use it: a tile or a crop must not come out as the whole picture, and a
picture of 16 bits not as a white one.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import tifffile

from discovery.formats.grey_levels import GreyLevels, Viewer
from discovery.formats.portable_names import quote_name
from embeddings.console import track
from embeddings.errors import ImageError
from embeddings.images import OneFile, cut_region, file_of_id, is_viewable, read_sizes, split_id
from embeddings.reader import OpenPart, name_part, open_parts
from embeddings.reading import READING

PART_PREFIX = "defect-discovery image "  # the description of what was made here: its id follows
_LONGEST_SUFFIX = 10  # letters; none of an image's has more
_ANY_SIZE = 10_000_000_000  # pixels: a handoff lists what was embedded, under its user's own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPictures:
    """What was written of a plan.

    Attributes
    ----------
    files, originals : dict of planned name to PurePosixPath
        The picture's file, and its original's where that was asked for and is another one.
    faults : tuple of (path, reason)
        What could not be read.
    shown : int
        Pictures that were made 8-bit.
    apart : int
        Of these, files whose grey levels are their own.
    """

    files: Mapping[PurePosixPath, PurePosixPath]
    originals: Mapping[PurePosixPath, PurePosixPath]
    faults: tuple[tuple[str, str], ...]
    shown: int
    apart: int


def is_part(image_id: str) -> bool:
    """Tell whether the id names a page, tile or crop and not a whole file."""
    return split_id(image_id) != (None, None)


def name_picture(image_id: str, path: str) -> str:
    """Name an image without an ending: as its file, and for a part what makes it one."""
    part = re.sub(r"^[^#@]*", "", image_id).replace(",", "_") if is_part(image_id) else ""
    return PurePosixPath(path).stem + part


def write_pictures(
    plan: Mapping[PurePosixPath, tuple[str, str]],
    folder: Path,
    *,
    grey: GreyLevels,
    originals: Path | None = None,
) -> WrittenPictures:
    """Write each planned picture (relative name without ending -> image id, path) into a folder.

    A whole file that any program shows as it is is copied; a page, tile or crop of 8 bits becomes a
    TIFF without loss. All others become 8-bit PNGs, and what they were goes to `originals`: the
    file, or a TIFF without loss. A file is opened once for all that is wanted of it.
    """
    writer = _Writer(plan, folder, grey=grey, originals=originals)
    files: dict[str, list[tuple[PurePosixPath, str]]] = {}
    for name, (image_id, path) in plan.items():
        files.setdefault(path, []).append((name, image_id))
    # By file and not by name: a picture of a thousand tiles is decoded once.
    for path, wanted in track(files.items(), total=len(files), what="images"):
        writer.write_file(path, wanted)
    return WrittenPictures(
        files=writer.files,
        originals=writer.kept,
        faults=tuple(writer.faults),
        shown=writer.shown,
        apart=writer.viewer.apart,
    )


class _Writer:
    def __init__(
        self,
        plan: Mapping[PurePosixPath, tuple[str, str]],
        folder: Path,
        *,
        grey: GreyLevels,
        originals: Path | None,
    ) -> None:
        self.folder, self.originals = folder, originals
        paths = dict.fromkeys(path for _, path in plan.values())
        self.viewable = {path for path in paths if is_viewable(Path(path))}
        # In the plan's order, so that the same windows are chosen each time.
        decoded = dict.fromkeys(
            path
            for image_id, path in plan.values()
            if path not in self.viewable or is_part(image_id)
        )
        self.viewer = Viewer(grey, list(decoded), max_pixels=_ANY_SIZE)
        self.grey = grey
        self.files: dict[PurePosixPath, PurePosixPath] = {}
        self.kept: dict[PurePosixPath, PurePosixPath] = {}
        self.faults: list[tuple[str, str]] = []
        self.shown = 0

    def write_file(self, path: str, wanted: Sequence[tuple[PurePosixPath, str]]) -> None:
        """Write what is wanted of a file; what cannot be is a fault."""
        before = len(self.files)
        try:
            self._write_parts(path, wanted)
        except ImageError as error:
            # Each picture that is missing counts, as the export says how many it left out.
            missing = len(wanted) - (len(self.files) - before)
            self.faults += [(path, str(error))] * missing

    def _write_parts(self, path: str, wanted: Sequence[tuple[PurePosixPath, str]]) -> None:
        names: dict[str, list[PurePosixPath]] = {}
        for name, image_id in wanted:
            if path in self.viewable and not is_part(image_id):
                self._write(name, PurePosixPath(path).suffix, _read_bytes(path, image_id))
            else:
                names.setdefault(image_id, []).append(name)
        parts = [name_part(one, path) for one in names]
        if not parts:
            return
        level, reading = self.grey.level, self.grey.reading
        for opened in open_parts(parts, level=level, max_pixels=_ANY_SIZE, reading=reading):
            for name in names[opened.part.image_id]:
                self._write_opened(name, opened)

    def _write_opened(self, name: PurePosixPath, opened: OpenPart) -> None:
        part = opened.part
        # The bytes of what is written are in no run: nothing else would find the image again.
        text = PART_PREFIX + part.image_id
        if is_part(part.image_id) and opened.page.pixels.dtype == np.uint8:
            self._write(name, ".tif", _write_tiff(opened, text))
            return
        self._write(name, ".png", self.viewer.show(opened.picture, part.region, text=text))
        self.shown += 1
        if self.originals is None:
            return
        whole = not is_part(part.image_id)
        suffix = _name_suffix(part.path) if whole else ".tif"
        kept = name.with_name(name.name + suffix)
        data = _read_bytes(part.path, part.image_id) if whole else _write_tiff(opened, text)
        _put(self.originals / kept, data)
        self.kept[name] = kept

    def _write(self, name: PurePosixPath, suffix: str, data: bytes) -> None:
        target = name.with_name(name.name + suffix)
        _put(self.folder / target, data)
        self.files[name] = target


def _name_suffix(path: str) -> str:
    suffix = PurePosixPath(path).suffix[1:]
    return f".{quote_name(suffix[:_LONGEST_SUFFIX])}" if suffix else ""


def _write_tiff(opened: OpenPart, text: str) -> bytes:
    # TIFF holds every number type that a picture may have, heights of an AFM among them.
    buffer = io.BytesIO()
    pixels = cut_region(opened.page.pixels, opened.part.region)
    tifffile.imwrite(buffer, pixels, compression="zlib", description=text)
    return buffer.getvalue()


def _read_bytes(path: str, image_id: str) -> bytes:
    """Read a file, which must still be the one that has this id."""
    with OneFile.open(Path(path)) as file:
        return file.read(file_of_id(image_id))


def _put(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def measure_pictures(
    paths: Iterable[str], *, reading: int = READING
) -> tuple[dict[str, list[tuple[int, int]]], list[tuple[str, str]]]:
    """Read the width and height in pixels of each page of each file, and what could not be."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    faults = []
    for path in paths:
        try:
            sizes[path] = read_sizes(Path(path), reading=reading)
        except ImageError as error:
            faults.append((path, str(error)))
    return sizes, faults
