"""The pictures of a review: thumbnails, full resolution, heat maps and golden references.

Each image is asked for by its position. What was decoded is kept within a bound, so that turning
the brightness of a large picture decodes it once.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from discovery.review.server.cache import BoundedCache
from discovery.review.server.drawing import (
    MOST_SHOWN,
    Drawn,
    draw_pixels,
    encode_thumbnail,
    shrink_pixels,
)
from discovery.review.server.image_files import ImageFiles
from embeddings.errors import ImageError, OptionError
from embeddings.images import Picture, Region, Window, clip_pixels, level_picture, prepare_picture
from embeddings.reader import Part, Preparation, open_parts, open_reference

if TYPE_CHECKING:
    from embeddings.heat import PatchWeigher

THUMBNAIL_SIDES = 96, 256  # pixels of the longest side, least and most
_HEAT_SIDE = 768
_KEPT_THUMBNAILS = 64_000_000  # bytes: about 15,000 of them
_KEPT_PICTURES = 160_000_000  # bytes of decoded pixels: the zoomed image, its reference, a few more
_LARGE = 20_000_000  # pixels: pages of this size are decoded one at a time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """Decoded pixels, levelled, and the window they were embedded in.

    `shrunk` is the whole factor by which a huge page of heights was shrunk before it was levelled.
    """

    picture: Picture
    window: Window
    shrunk: int = 1


class Pictures:
    """What can be seen of the images of a review.

    Parameters
    ----------
    files : ImageFiles
    """

    def __init__(self, files: ImageFiles) -> None:
        self.files = files
        self._thumbnails = BoundedCache[Drawn](_KEPT_THUMBNAILS, lambda drawn: len(drawn.data))
        self._opened = BoundedCache[Opened](
            _KEPT_PICTURES, lambda opened: opened.picture.pixels.nbytes
        )
        self._large = threading.Lock()
        self._weighing = threading.Lock()  # a network works for one at a time

    @property
    def has_heat(self) -> bool:
        """Whether the store's vectors are weighted by place, so that there are heat maps."""
        spec = self.files.store.spec
        return spec.compares and spec.view not in ("polar", "highlight")

    @property
    def has_references(self) -> bool:
        """Whether the images have golden references."""
        return self.files.has_references

    def draw_thumbnail(self, index: int, side: int) -> Drawn:
        """Draw an image small, as `embeddings.thumbnails` shows it.

        Raises
        ------
        ImageError
            Its file is gone, changed or damaged.
        """
        return self._thumbnails.get((index, side), lambda: self._draw_small(index, side))

    def draw_full(
        self,
        index: int,
        *,
        window: Window | None = None,
        region: Region | None = None,
        page: int | None = None,
    ) -> Drawn:
        """Draw an image at full resolution, or a region of it.

        Parameters
        ----------
        window : tuple of float, optional
            Grey levels shown as black and white; by default those it was embedded in.
        region : Region, optional
            A part of the image; a picture too large to send at once is shrunk, its parts are not.
        page : int, optional
            Another page of the image's file, by its number.

        Raises
        ------
        ImageError
            Its file is gone, changed or damaged, or the region lies outside.
        OptionError
            The window is empty.
        """
        opened = self.open(index) if page is None else self._open_page(index, page)
        return _draw(opened, window, region)

    def draw_reference(self, index: int, *, window: Window | None = None) -> Drawn:
        """Draw the golden reference of an image, cut as the image is.

        Raises
        ------
        ImageError
            It has none, or one of the two cannot be read.
        """
        opened = self._opened.get((index, "reference"), lambda: self._open_reference(index))
        return _draw(opened, window, None)

    def draw_heat(self, index: int) -> Drawn:
        """Draw an image with a colour where it is unlike the others.

        Raises
        ------
        StoreError
            The store's vectors are not weighted by place.
        WeightsError
            The store's weights are not here.
        ImageError
            The image cannot be read.
        """
        from embeddings.heat import draw_heat

        store, name = self.files.store, str(self.files.ids[index])
        vectors = store.load_vectors([name])
        with self._weighing:
            found = self._weigher.weigh(vectors, [name])
        if name not in found:
            raise ImageError(f"{self.files.name_path(index)} cannot be read")
        base = self._draw_small(index, _HEAT_SIDE)
        return Drawn(data=draw_heat(base.data, found[name]), media_type="image/jpeg")

    def describe(self, index: int) -> dict[str, Any]:
        """Return the size of an image in pixels, its bits, its window and its range of levels."""
        opened = self.open(index)
        picture = opened.picture
        low, high = opened.window
        return {
            "width": picture.width,
            "height": picture.height,
            "bits": picture.bit_depth,
            "pages": picture.n_pages,
            "low": low,
            "high": high,
            "lowest": float(picture.pixels.min()),
            "highest": float(picture.pixels.max()),
        }

    def open(self, index: int) -> Opened:
        """Decode an image, or return what was decoded a moment ago."""
        return self._opened.get((index, "image"), lambda: self._open(index))

    # --- decoding ---

    @cached_property
    def _weigher(self) -> "PatchWeigher":
        # Imported where it is used: torch takes half a gigabyte and seconds.
        from embeddings.heat import PatchWeigher

        return PatchWeigher(self.files.store)

    @cached_property
    def _how(self) -> Preparation:
        store = self.files.store
        return Preparation(spec=store.spec, windows=store.windows, max_pixels=self.files.max_pixels)

    def _draw_small(self, index: int, side: int) -> Drawn:
        # Not kept: a screen of thumbnails would push out the picture that a person is looking at.
        opened = self._open(index)
        small, _ = shrink_pixels(opened.picture.pixels, (8 * side) ** 2)
        scaled = prepare_picture(
            replace(opened.picture, pixels=small), window=opened.window, size=side, fit="none"
        )
        shown = np.rint(scaled * 255).astype(np.uint8).transpose(1, 2, 0)  # (h, w, c)
        return encode_thumbnail(shown[..., 0] if shown.shape[2] == 1 else shown)

    def _open(self, index: int) -> Opened:
        part = self.files.find_part(index)
        if part.region is None:
            return self._read_page(part, index)
        # Tiles and crops of one page stand side by side on a screen: it is decoded once.
        key = (part.path, part.page)
        page = self._opened.get(key, lambda: self._read_page(part, index))
        return _cut(page, part.region)

    def _open_page(self, index: int, page: int) -> Opened:
        part = replace(self.files.find_part(index), page=page)
        key = (part.path, page)
        return _cut(self._opened.get(key, lambda: self._read_page(part, index)), part.region)

    def _read_page(self, part: Part, index: int) -> Opened:
        with self._waiting(index):
            return self._level(_read_whole(part, self._how))

    def _open_reference(self, index: int) -> Opened:
        path = self.files.find_reference(index)
        reference = open_reference(
            path, max_pixels=self._how.max_pixels, reading=self._how.spec.reading
        )
        if reference is None:
            raise ImageError("no reference is known of this image")
        part = self.files.find_part(index)
        with self._waiting(index):
            golden = reference.match(_read_whole(part, self._how), "none")
            return _cut(self._level(golden), part.region)

    def _level(self, page: Picture) -> Opened:
        level = self._how.spec.level
        shrunk = 1
        if level != "none":
            # A plane is fitted in wide numbers: of a huge page that is more than there is memory.
            small, shrunk = shrink_pixels(page.pixels, MOST_SHOWN)
            page = level_picture(replace(page, pixels=small), level)
        return Opened(picture=page, window=self._how.require_window(page), shrunk=shrunk)

    @contextmanager
    def _waiting(self, index: int) -> Iterator[None]:
        """Let large pages through one at a time: two of them would not fit beside each other."""
        row = self.files.rows.iloc[index]
        # Of a tile or crop the page may be of any size.
        if not row["parent_id"] and int(row["width"]) * int(row["height"]) < _LARGE:
            yield
            return
        with self._large:
            yield


def _read_whole(part: Part, how: Preparation) -> Picture:
    """Decode the page that a part lies on."""
    whole = [replace(part, region=None)]
    for opened in open_parts(whole, max_pixels=how.max_pixels, reading=how.spec.reading):
        return opened.page
    raise ImageError(f"{part.path} holds no such page")


def _cut(page: Opened, region: Region | None) -> Opened:
    if region is None:
        return page
    factor = page.shrunk
    inside = Region(
        x0=region.x0 // factor,
        y0=region.y0 // factor,
        width=max(1, region.width // factor),
        height=max(1, region.height // factor),
    )
    pixels = np.ascontiguousarray(clip_pixels(page.picture.pixels, inside))
    return replace(page, picture=replace(page.picture, pixels=pixels))


def _draw(opened: Opened, window: Window | None, region: Region | None) -> Drawn:
    low, high = window or opened.window
    if not low < high:
        raise OptionError(f"the window {low:g} to {high:g} is empty: expected low below high")
    drawn = draw_pixels(_cut(opened, region).picture.pixels, (low, high))
    return replace(drawn, shrunk=drawn.shrunk * opened.shrunk)
