"""Small pictures of what an extraction saw: copies and thumbnails then need no file again.

A preview is for comparing pixel by pixel, so it is in native grey levels and float32: averaged
grain is smaller than one grey level. Beside it are kept the thumbnail, exactly as
`read_thumbnails` would make it, and whether the page is a wafer map; of those, which a round looks
at in several views, the page itself. All of it lives for this process only, in memory and then in
a temporary file without a name, and within a bound: what is over it is read from its file again.
"""

import dataclasses
import math
import tempfile
import threading
import weakref
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images import (
    MAX_PIXELS,
    Picture,
    Window,
    file_of_id,
    is_wafer_map,
    stream_pictures,
)
from embeddings.odd_names import real_path
from embeddings.reader.parts import OpenPart
from embeddings.reader.preparation import Preparation
from embeddings.reader.shrink import Preview, make_preview
from embeddings.reading import READING
from embeddings.records import ExtractorSpec, Level

THUMBNAIL_SIDE = 112  # pixels of the longest: a defect shows, and a JPEG takes about 4 kB
_IN_MEMORY = 64_000_000  # bytes, before the temporary file is used
_MOST = 2_000_000_000  # bytes in all: about 20,000 previews of 100 kB
_LARGEST_PAGE = 1_000_000  # bytes: no wafer has more dice
_MAP_SAMPLE = 32  # files that are looked at to tell wafer maps
_MOSTLY = 0.9  # of them

_Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """What is kept of a part beside the pixels, and the settings under which it was seen."""

    width: int
    height: int
    noise_level: float
    level: Level
    kind: str
    reading: int
    window: Window

    def is_read_by(self, spec: ExtractorSpec) -> bool:
        return (self.level, self.reading) == (spec.level, spec.reading)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Place:
    """Where an array and the thumbnail behind it lie in the file, and the record they belong to."""

    at: int
    size: int  # bytes, of both
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    record: Any


class Previews:
    """The previews of one process, by image id.

    Parameters
    ----------
    keep_pages : bool
        Keep small pages themselves too, for a round that will read them once more; of wafer maps
        they are kept anyway.
    most : int
        Bytes in all; what does not fit is not kept.
    """

    def __init__(self, *, keep_pages: bool = False, most: int = _MOST) -> None:
        self._keep_pages = keep_pages
        self._spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._spool.close)  # else an unclosed file is warned of
        self._lock = threading.Lock()  # readers add from several threads
        self._most, self._end = most, 0
        self._reading = 0  # the rules by which all that is kept was read; 0 until something is
        self._places: dict[str, _Place] = {}  # of parts, by image id, and of pages, by path
        self._maps: dict[str, bool] = {}  # path -> whether its first page is a wafer map
        self._stamps: dict[str, _Stamp | None] = {}  # path -> of the file whose page that was
        self._file_ids: dict[str, str] = {}  # path -> fingerprint of that file

    def add(self, opened: OpenPart, how: Preparation) -> None:
        """Keep the preview and the thumbnail of a part that is being prepared.

        Raises
        ------
        ImageError
            The part lies outside of its page.
        """
        part = opened.part
        self._reading = self._reading or how.spec.reading
        if self._reading != how.spec.reading:
            return  # another view, of an older store
        # Of the pixels as they are stored: levelled heights have more levels than dice.
        if opened.page.page == 0 and not self._knows_file(part.path):
            self._stamps[part.path] = _stamp(part.path)
            self._file_ids[part.path] = file_of_id(part.image_id)
            self._places.pop(part.path, None)
            self._maps[part.path] = is_wafer_map(opened.page.pixels)
            is_small = opened.page.n_pages == 1 and opened.page.pixels.nbytes <= _LARGEST_PAGE
            if is_small and (self._keep_pages or self._maps[part.path]):
                nothing = np.empty((0, 0), opened.page.pixels.dtype)
                record = dataclasses.replace(opened.page, pixels=nothing)
                self._write(part.path, record, opened.page.pixels)
        if part.image_id in self._places or self._end >= self._most:
            return
        preview = make_preview(opened.seen_pixels)  # two are no copies by their text
        seen = _Seen(
            width=preview.width,
            height=preview.height,
            noise_level=preview.noise_level,
            level=how.spec.level,
            reading=how.spec.reading,
            kind=opened.picture.kind,
            window=how.require_window(opened.picture),
        )
        thumbnail = how.draw(opened, side=THUMBNAIL_SIDE)
        self._write(part.image_id, seen, preview.values, thumbnail)

    def find(self, image_id: str, spec: ExtractorSpec) -> Preview | None:
        """Return the preview of an image, None where there is none that was read so."""
        found = self._read(image_id)
        if found is None or not found[0].is_read_by(spec):
            return None
        seen, values, _ = found
        return Preview(
            values=values, width=seen.width, height=seen.height, noise_level=seen.noise_level
        )

    def find_thumbnail(self, image_id: str, how: Preparation) -> bytes | None:
        """Return the JPEG of an image, None where there is none in these grey levels."""
        found = self._read(image_id)
        if found is None or not found[0].is_read_by(how.spec):
            return None
        seen, _, thumbnail = found
        is_same = seen.window == (how.spec.window or how.windows.get(seen.kind))
        return thumbnail if is_same else None

    def is_map(self, path: str) -> bool | None:
        """Tell whether the first page of a file is a wafer map; None where it was not seen."""
        return self._maps[path] if self._knows_file(path) else None

    def stream(
        self,
        path: Path,
        *,
        max_pixels: int,
        pages: Collection[int] | None = None,
        file_id: str = "",
        reading: int = READING,
    ) -> Iterator[Picture]:
        """Yield the pages of a file as `stream_pictures` does, without it where they are kept.

        Raises
        ------
        ImageError
            As `stream_pictures`.
        """
        is_kept = reading == self._reading and self._knows_file(str(path))
        found = self._read(str(path)) if is_kept else None
        if found is None or (file_id and self._file_ids[str(path)] != file_id):
            decode = partial(stream_pictures, max_pixels=max_pixels, reading=reading)
            yield from decode(path, pages=pages, file_id=file_id)
        elif pages is None or 0 in pages:
            page: Picture = dataclasses.replace(found[0], pixels=found[1])
            yield page

    def _knows_file(self, path: str) -> bool:
        """Tell whether a file was seen; one that has been replaced since is another file."""
        return path in self._stamps and _stamp(path) in (self._stamps[path], None)

    def _write(self, name: str, record: Any, array: NDArray[Any], thumbnail: bytes = b"") -> None:
        data = array.tobytes() + thumbnail
        with self._lock:
            if self._end + len(data) > self._most:
                return
            try:
                self._spool.seek(self._end)
                self._spool.write(data)
            except OSError:  # the disk is full: files can still be read again
                self._most = self._end
                return
            self._places[name] = _Place(
                at=self._end, size=len(data), shape=array.shape, dtype=array.dtype, record=record
            )
            self._end += len(data)

    def _read(self, name: str) -> tuple[Any, NDArray[Any], bytes] | None:
        """Return a record with its array and its thumbnail."""
        place = self._places.get(name)
        if place is None:
            return None
        with self._lock:
            self._spool.seek(place.at)
            data = self._spool.read(place.size)
        count = math.prod(place.shape)
        array = np.frombuffer(data, place.dtype, count).reshape(place.shape).copy()
        return place.record, array, data[array.nbytes :]


def are_maps(
    paths: Sequence[str], *, max_pixels: int = MAX_PIXELS, previews: Previews | None = None
) -> bool:
    """Tell whether nearly all of a sample of these files are wafer maps, by their first pages.

    Files that `previews` have seen are not opened; of photographs a few are enough to say no.
    """
    drawn = np.random.default_rng(0).permutation(len(paths))[:_MAP_SAMPLE]
    maps = others = 0
    for path in (paths[place] for place in drawn.tolist()):
        known = None if previews is None else previews.is_map(path)
        try:
            found = _is_map(path, max_pixels) if known is None else known
        except ImageError:  # gone since
            continue
        maps, others = maps + found, others + (not found)
        if others > (1 - _MOSTLY) * len(drawn):
            return False
    return maps > 0 and maps >= _MOSTLY * (maps + others)


def _stamp(path: str) -> _Stamp | None:
    """Return size and time of change, as the store tells a changed file; None: it has gone."""
    try:
        status = real_path(Path(path)).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _is_map(path: str, max_pixels: int) -> bool:
    pages = stream_pictures(Path(path), max_pixels=max_pixels, pages=(0,))
    return any(is_wafer_map(page.pixels) for page in pages)
