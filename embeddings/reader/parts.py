"""Parts of files, opened and prepared: whole pages, tiles and crops, each by its id.

The ids are those of the store (`embeddings.images.image_id`), so that a prediction, a handoff and
a cluster speak of the same image. A file may have been moved or changed since it was embedded:
then there is an `ImageError`, never another picture.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images import (
    MAX_PIXELS,
    Picture,
    Region,
    Window,
    clip_pixels,
    level_picture,
    show_picture,
    split_id,
    stream_pictures,
)
from embeddings.reader.ahead import read_ahead
from embeddings.records import ExtractorSpec, Level, Vectors

Image = NDArray[np.float32]  # (c, h, w) in [0, 1]
Fault = tuple[str, str]  # path, reason
Result = TypeVar("Result")

CHUNK = 8  # prepared pictures of one file that are handed on together: 2 to 20 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One image: a page of a file by its number there, and the region of it (None: all)."""

    path: str
    image_id: str = ""
    page: int = 0
    region: Region | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenPart:
    """A part with its pixels at hand.

    Attributes
    ----------
    part : Part
    page : Picture
        The whole page as it is stored.
    picture : Picture
        The whole page, levelled.
    """

    part: Part
    page: Picture
    picture: Picture

    @property
    def pixels(self) -> NDArray[np.generic]:
        """The levelled pixels of the part alone, without what sticks out of its page.

        Raises
        ------
        ImageError
            The region has no pixel in common with the page.
        """
        return clip_pixels(self.picture.pixels, self.part.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How pictures are brought to what an extractor sees.

    Attributes
    ----------
    spec : ExtractorSpec
        Its view, input_size, fit, resize, level and window.
    windows : mapping of kind to (low, high)
        Grey levels shown as black and white; the spec's own window goes first.
    max_pixels : int
        Most pixels a page may have, as the user gave it.
    workers : int
        Threads that read.
    """

    spec: ExtractorSpec
    windows: Mapping[str, Window] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS
    workers: int = 8

    def find_window(self, picture: Picture) -> Window | None:
        """Return the window of a picture's kind; None where the kind has not been met yet."""
        return self.spec.window or self.windows.get(picture.kind)

    def require_window(self, picture: Picture) -> Window:
        """Return the window of a picture's kind.

        Raises
        ------
        ImageError
            The kind has none.
        """
        window = self.find_window(picture)
        if window is None:
            raise ImageError(f"{picture.kind} is another kind of picture than was embedded")
        return window

    def show(
        self, picture: Picture, *, region: Region | None = None, golden: Picture | None = None
    ) -> Image:
        """Show a levelled picture, or a region of it, as `show_picture` does.

        Raises
        ------
        ImageError
            The kind has no window, or the region no pixel in common with the picture.
        """
        window = self.require_window(picture)
        return show_picture(picture, self.spec, window=window, region=region, golden=golden)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadParts:
    """Some of the prepared parts of one file, at most `CHUNK`, or why there are no more.

    Attributes
    ----------
    images : list of (Part, (c, h, w) array)
    fault : (path, reason) or None
        The file cannot be used: what came of it before does not count either.
    deferred : tuple of Part
        Of a kind of picture that has no grey-level window yet: the file can be read, so choose a
        window from it (`choose_windows`) and read them again.
    is_last : bool
        Nothing of this file follows.
    """

    images: list[tuple[Part, Image]] = field(default_factory=list)
    fault: Fault | None = None
    deferred: tuple[Part, ...] = ()
    is_last: bool = True


def name_part(name: str, path: str) -> Part:
    """Return the part that an image id names in a file."""
    page, region = split_id(name)  # None where the file has one page: its number is 0
    return Part(image_id=name, path=path, page=page or 0, region=region)


def list_parts(vectors: Vectors, positions: NDArray[np.intp] | None = None) -> list[Part]:
    """Return the parts of images that have vectors, those of one file together.

    Parameters
    ----------
    vectors : Vectors
    positions : (m,) array of int, optional
        Of the images that are wanted; by default all.
    """
    rows = vectors.rows.assign(image_id=vectors.ids)
    if positions is not None:
        rows = rows.iloc[positions]
    names = ["image_id", "path", "page", "parent_id", "x0", "y0", "width", "height"]
    parts = []
    for image_id, path, page, parent, *box in rows[names].itertuples(index=False, name=None):
        x0, y0, width, height = box
        region = Region(x0=x0, y0=y0, width=width, height=height) if parent else None
        parts.append(Part(path=path, image_id=image_id, page=page, region=region))
    # Those of a file together, in the order in which it is streamed.
    return sorted(parts, key=lambda part: (part.path, part.page))


def raise_limit(vectors: Vectors, max_pixels: int) -> int:
    """Return the limit for reading again what was embedded: no less than the largest of it.

    A store does not keep the limit that it was made with, and needs not: a picture that has a
    vector is no decompression bomb.
    """
    rows = vectors.rows
    # Tiles reach as far as their page does; of crops it is a lower bound, and the limit holds.
    reach = (rows["x0"] + rows["width"]) * (rows["y0"] + rows["height"])
    return max(max_pixels, int(reach.max())) if len(rows) else max_pixels


def open_parts(
    parts: Sequence[Part], *, level: Level = "none", max_pixels: int = MAX_PIXELS
) -> Iterator[OpenPart]:
    """Yield parts of one file, page by page; each page is decoded once, others not at all.

    Parameters
    ----------
    parts : sequence of Part
        All of the same path.
    level : Level
        As in `level_picture`.
    max_pixels : int
        Most pixels a page may have.

    Raises
    ------
    ImageError
        The file cannot be read (any more), or has no such page.
    """
    by_page: dict[int, list[Part]] = {}  # not a search a page: a stack may have a thousand
    for part in parts:
        by_page.setdefault(part.page, []).append(part)
    path = Path(parts[0].path)
    for page in stream_pictures(path, max_pixels=max_pixels, pages=frozenset(by_page)):
        picture = level_picture(page, level)
        for part in by_page.pop(page.page):
            yield OpenPart(part=part, page=page, picture=picture)
    if by_page:
        raise ImageError(f"has no page {min(by_page)} (counted from 0)")


def map_parts(
    parts: Sequence[Part],
    work: Callable[[OpenPart], Result],
    *,
    level: Level = "none",
    max_pixels: int = MAX_PIXELS,
    workers: int = 8,
) -> Iterator[tuple[Part, Result]]:
    """Yield the work on each part that can be read, in order; threads read ahead.

    Parameters
    ----------
    parts : sequence of Part
        Those of one file together, as `list_parts` gives them.
    work : callable
        An `OpenPart` to anything small; may raise `ImageError`.

    Yields
    ------
    (Part, result)
        Where a file is gone, unreadable or changed, the rest of its parts is left out.
    """

    def read(file: list[Part]) -> Iterator[tuple[Part, Result]]:
        try:
            for opened in open_parts(file, level=level, max_pixels=max_pixels):
                yield opened.part, work(opened)
        except ImageError:  # moved or changed since it was embedded
            return

    yield from read_ahead(read, _group_files(parts), workers=workers, ahead=2 * workers)


def read_parts(parts: Sequence[Part], how: Preparation) -> Iterator[ReadParts]:
    """Yield the parts as an extractor sees them, in order, at most two files a worker ahead.

    Parts of one file must stand together, as `list_parts` gives them.
    """
    files, ahead = _group_files(parts), 2 * how.workers + 1
    yield from read_ahead(
        lambda file: _read_file(file, how), files, workers=how.workers, ahead=ahead
    )


def _group_files(parts: Sequence[Part]) -> Iterable[list[Part]]:
    return (list(group) for _, group in groupby(parts, key=lambda part: part.path))


def _read_file(file: list[Part], how: Preparation) -> Iterator[ReadParts]:
    images: list[tuple[Part, Image]] = []
    deferred: list[Part] = []
    try:
        for opened in open_parts(file, level=how.spec.level, max_pixels=how.max_pixels):
            if how.find_window(opened.picture) is None:
                deferred.append(opened.part)
                continue
            images.append((opened.part, how.show(opened.picture, region=opened.part.region)))
            if len(images) == CHUNK:
                yield ReadParts(images=images, is_last=False)
                images = []
    except ImageError as error:
        yield ReadParts(fault=(file[0].path, str(error)))
        return
    # Decoded to its end first: what is deferred can be read, and so gets its window.
    yield ReadParts(images=images, deferred=tuple(deferred))
