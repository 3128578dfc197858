"""Parts of files, opened: whole pages, tiles and crops, each by its id.

The ids are those of the store (`embeddings.images.image_id`), so that a prediction, a handoff and
a cluster speak of the same image. A file may have been moved or changed since it was embedded:
then there is an `ImageError`, never another picture.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images import (
    MAX_PIXELS,
    Picture,
    Region,
    clip_pixels,
    cut_data_bar,
    file_of_id,
    level_picture,
    split_id,
    stream_pictures,
)
from embeddings.reading import READING
from embeddings.records import DataBar, Level, Vectors


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
    bar : DataBar or None
        What an extractor does not see of the page.
    """

    part: Part
    page: Picture
    picture: Picture
    bar: DataBar | None = None

    @property
    def seen(self) -> Picture:
        """The levelled page without its data bar."""
        return cut_data_bar(self.picture, self.bar)

    @property
    def seen_region(self) -> Region | None:
        """The part's region in what is seen of the page; None: all of it."""
        region, bar = self.part.region, self.bar
        if region is None or bar is None:
            return region
        return replace(region, y0=region.y0 - bar.rows_kept(self.picture.height).start)

    @property
    def is_seen(self) -> bool:
        """Whether anything of the part is seen; a tile may lie in the data bar altogether."""
        region, height = self.seen_region, self.seen.height
        return self.bar is None or region is None or -region.height < region.y0 < height

    @property
    def seen_pixels(self) -> NDArray[np.generic]:
        """The pixels of the part that an extractor sees.

        Raises
        ------
        ImageError
            There are none.
        """
        return clip_pixels(self.seen.pixels, self.seen_region)

    @property
    def pixels(self) -> NDArray[np.generic]:
        """The levelled pixels of the part alone, without what sticks out of its page.

        Raises
        ------
        ImageError
            The region has no pixel in common with the page.
        """
        return clip_pixels(self.picture.pixels, self.part.region)


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
    return sorted(parts, key=lambda part: (part.path, file_of_id(part.image_id), part.page))


def open_parts(
    parts: Sequence[Part],
    *,
    level: Level = "none",
    max_pixels: int = MAX_PIXELS,
    find_bar: Callable[[Picture], DataBar | None] = lambda _: None,
    reading: int = READING,
) -> Iterator[OpenPart]:
    """Yield parts of one file, page by page; each page is decoded once, others not at all.

    Parameters
    ----------
    parts : sequence of Part
        All of the same path, and of one file: its id is that of the bytes that are decoded.
    level : Level
        As in `level_picture`.
    max_pixels : int
        Most pixels a page may have.
    find_bar : callable
        What an extractor does not see of a page; by default it sees all.
    reading : int
        The rules by which the parts were named (`ExtractorSpec.reading`): regions lie in its frame.

    Raises
    ------
    ImageError
        The file cannot be read (any more), has changed, or has no such page.
    """
    by_page: dict[int, list[Part]] = {}  # not a search a page: a stack may have a thousand
    for part in parts:
        by_page.setdefault(part.page, []).append(part)
    path = Path(parts[0].path)
    decode = partial(stream_pictures, max_pixels=max_pixels, reading=reading)
    for page in decode(path, pages=frozenset(by_page), file_id=file_of_id(parts[0].image_id)):
        picture, bar = level_picture(page, level), find_bar(page)
        for part in by_page.pop(page.page):
            yield OpenPart(part=part, page=page, picture=picture, bar=bar)
    if by_page:
        raise ImageError(f"has no page {min(by_page)} (counted from 0)")
