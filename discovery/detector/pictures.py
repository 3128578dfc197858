"""Pictures as the network sees them, read once before anything is learned from them.

`stream_pixels` reads the pictures of one file, page by page; `prepare_pixels` shows a picture (and
its golden reference) in [0, 1]; `stack_channels` makes the network's three channels of it.
`load_examples` reads all, so that what cannot be read, or does not fit its boxes, is known
at the start and not an hour later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.detector.boxes import Boxes, clip_boxes
from discovery.detector.dataset import Example, PictureRef
from discovery.detector.presentation import Presentation
from embeddings.console import get_logger, track
from embeddings.errors import ImageError, TableError
from embeddings.images import MAX_PIXELS, Picture, fingerprint_file, prepare_picture
from embeddings.images.prepare import Window
from embeddings.plurals import tell_count
from embeddings.reader import Fault, Part, open_parts

Pixels = NDArray[np.float32]
_HELD_BYTES = 2_000_000_000  # of prepared pictures; the others are decoded anew each time
_SLACK = 1.0  # pixels that a box may reach beyond its picture: rounding, cut off
_SEEN = 0.5  # share of a box that must lie outside of the data bar for it to be learned


def prepare_pixels(picture: Picture, reference: Picture | None, how: Presentation) -> Pixels:
    """Show the grey-level window of a picture's kind as [0, 1], its reference beside it.

    Returns
    -------
    (c, h, w) float32
        c = 1 for grey, 3 for colour, 2 for grey and reference (colours become grey).

    Raises
    ------
    ImageError
        The reference has another size.
    """
    pixels = _show(picture, how.find_window(picture))
    if reference is None:
        return pixels
    # Each by the window of its own kind: a reference may be 8-bit where pictures are 16-bit.
    golden = _show(reference, how.find_window(reference))
    if golden.shape[1:] != pixels.shape[1:]:
        raise ImageError(
            f"{picture.width}x{picture.height} pixels, but its reference has "
            f"{reference.width}x{reference.height}: give the reference of this very picture"
        )
    return np.concatenate([pixels.mean(axis=0, keepdims=True), golden.mean(axis=0, keepdims=True)])


def _show(picture: Picture, window: Window) -> Pixels:
    longest = max(picture.width, picture.height)  # at its own size
    return prepare_picture(picture, window=window, size=longest, fit="none", resize="nearest")


def stack_channels(pixels: Pixels) -> Pixels:
    """Return the (3, h, w) that the network sees of prepared pixels (c, h, w).

    Grey is repeated; with a reference: the picture, the reference, and how much they differ.
    """
    if len(pixels) == 2:
        return np.concatenate([pixels, np.abs(pixels[:1] - pixels[1:])])
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])))


def rescale_pixels(pixels: Pixels, scale: float) -> torch.Tensor:
    """Resize (c, h, w) by a factor, antialiased when shrinking."""
    image = torch.from_numpy(pixels)
    if scale == 1:  # the usual case, and interpolation would copy
        return image
    size = [max(1, round(side * scale)) for side in image.shape[1:]]
    return torch.nn.functional.interpolate(
        image[None], size, mode="bilinear", antialias=True, align_corners=False
    )[0]


def stream_pixels(
    refs: Sequence[PictureRef], how: Presentation
) -> Iterator[tuple[PictureRef, Picture, Pixels]]:
    """Yield refs of one file with their pages and what the network sees, in the file's order.

    The file is opened once, and so is a reference that they share; pages that are not wanted are
    not decoded.

    Parameters
    ----------
    refs : sequence of PictureRef
        All of the same path; pages by their number in the file.
    how : Presentation

    Raises
    ------
    ImageError
        A file cannot be read, or has no such page.
    """
    for ref, page, reference in _stream_pages(refs, how.max_pixels):
        yield ref, page, prepare_pixels(page, reference, how)


def _stream_pages(
    refs: Sequence[PictureRef], max_pixels: int
) -> Iterator[tuple[PictureRef, Picture, Picture | None]]:
    """Yield refs of one file with their pages and golden references."""
    by_page = {ref.page: ref for ref in refs}
    golden: dict[Path, Picture] = {}  # at most one: pages of a file mostly share theirs
    parts = [Part(path=str(ref.path), page=ref.page, image_id=ref.file_id) for ref in refs]
    for opened in open_parts(parts, max_pixels=max_pixels):
        ref = by_page[opened.part.page]
        if ref.reference is not None and ref.reference not in golden:
            golden = {ref.reference: read_reference(ref.reference, max_pixels)}
        yield ref, opened.page, None if ref.reference is None else golden[ref.reference]


def read_reference(path: Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a golden reference: the first page of its file.

    Raises
    ------
    ImageError
        It cannot be read; the text says that it is the reference.
    """
    try:
        return next(open_parts([Part(path=str(path))], max_pixels=max_pixels)).page
    except ImageError as error:
        raise ImageError(f"its reference {path}: {error}") from error


class PictureCache(Sequence[Pixels]):
    """Prepared pictures in the order they were added, without their data bars.

    Beyond 2 GB they are read anew each time.
    """

    def __init__(self, how: Presentation) -> None:
        self._how = how
        self._refs: list[PictureRef] = []
        self.sizes: list[tuple[int, int]] = []  # width and height: known without reading anew
        self._held: dict[PictureRef, Pixels] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._refs)

    def __getitem__(self, index: Any) -> Any:
        ref = self._refs[index]
        if ref in self._held:
            return self._held[ref]
        _, page, pixels = next(stream_pixels([ref], self._how))
        return pixels[:, self._how.find_rows(page)]

    def add(self, ref: PictureRef, pixels: Pixels) -> None:
        """Append what is seen of a picture."""
        self._refs.append(ref)
        self.sizes.append((pixels.shape[2], pixels.shape[1]))
        if self._bytes + pixels.nbytes <= _HELD_BYTES:
            self._held[ref] = pixels
            self._bytes += pixels.nbytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedExamples:
    """The examples whose pictures can be used, in the same order, and why others cannot."""

    items: tuple[Example, ...]
    pictures: PictureCache
    faults: tuple[Fault, ...]


def load_examples(items: Sequence[Example], how: Presentation) -> LoadedExamples:
    """Read every picture once, and check that its boxes lie inside.

    The boxes that come back are in the frame of what is seen of their picture: without its data
    bar, in which some of them may lie.

    Raises
    ------
    TableError
        A box lies outside of its picture by more than a pixel.
    """
    usable: list[Example] = []
    faults: list[Fault] = []
    pictures = PictureCache(how)
    for item, shown in track(_read_items(items, how), total=len(items), what="pictures"):
        if isinstance(shown, str):
            faults.append((str(item.ref.path), shown))
            continue
        pixels, rows = shown
        boxes = _fit_inside(item, pixels).transform((1.0, 1.0), (0.0, -rows.start))
        usable.append(replace(item, boxes=boxes))
        pictures.add(item.ref, pixels[:, rows])
    return LoadedExamples(items=tuple(usable), pictures=pictures, faults=tuple(faults))


def _read_items(
    items: Sequence[Example], how: Presentation
) -> Iterator[tuple[Example, tuple[Pixels, slice] | str]]:
    """Yield each example with pixels and rows that are seen, or why not; a file is opened once."""
    for _, group in groupby(items, key=lambda item: item.ref.path):  # sorted by path
        waiting = {item.ref: item for item in group}
        try:
            # So that a picture read again in a later epoch is the one that its boxes are of.
            file_id = fingerprint_file(next(iter(waiting)).path)
            waiting = {
                (ref := replace(item.ref, file_id=file_id)): replace(item, ref=ref)
                for item in waiting.values()
            }
            for ref, page, reference in _stream_pages(tuple(waiting), how.max_pixels):
                yield waiting.pop(ref), _prepare(page, reference, how)
        except ImageError as error:
            for item in waiting.values():
                yield item, str(error)


def _prepare(
    page: Picture, reference: Picture | None, how: Presentation
) -> tuple[Pixels, slice] | str:
    """Return a page's pixels and its rows, or why there are none: the pages behind it may fit."""
    try:
        return prepare_pixels(page, reference, how), how.find_rows(page)
    except ImageError as error:
        return str(error)


def _fit_inside(item: Example, pixels: Pixels) -> Boxes:
    """Cut off what rounding let stick out."""
    height, width = pixels.shape[1:]
    # In (x, y, x, y), as the edges are.
    edges, most = item.boxes.edges, np.array([width, height, width, height], np.float32)
    outside = ((edges < -_SLACK) | (edges > most + _SLACK)).any(axis=1)
    if outside.any():
        corners = ",".join(f"{v:g}" for v in edges[outside][0])
        raise TableError(
            f"{item.ref.path}: the box {corners} lies outside of the {width}x{height} picture; "
            "expected xmin,ymin,xmax,ymax in pixels of this picture"
        )
    return Boxes(edges=np.clip(edges, 0, most), labels=item.boxes.labels, scores=item.boxes.scores)


def leave_out_hidden(loaded: LoadedExamples) -> LoadedExamples:
    """Cut the boxes at the data bars of their pictures; those that lie in one go, and are told."""
    items: list[Example] = []
    hidden: list[Path] = []
    for item, (width, height) in zip(loaded.items, loaded.pictures.sizes, strict=True):
        cut, shares = clip_boxes(item.boxes, (0, 0, width, height))
        edges = item.boxes.edges
        is_hidden = ((edges[:, 1] < 0) | (edges[:, 3] > height)) & (shares < _SEEN)
        hidden += [item.ref.path] * int(is_hidden.sum())
        items.append(replace(item, boxes=cut.take(~is_hidden)))
    if hidden:
        get_logger().warning(
            "WARNING: left out: %s in the data bars of pictures, such as in %s: pass --data-bar "
            "keep where that is a part of the picture", tell_count(len(hidden), "box", "boxes"),
            hidden[0],
        )  # fmt: skip
    return replace(loaded, items=tuple(items))
