"""Pictures as the network sees them, read once before anything is learned from them.

`stream_pixels` reads the pictures of one file, page by page; `prepare_pixels` shows a picture (and
its golden reference) in [0, 1]; `stack_channels` makes the network's three channels of it.
`load_examples` reads all, so that what cannot be read, or does not fit its boxes, is known
at the start and not an hour later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.detector.boxes import Boxes
from discovery.detector.dataset import Example, PictureRef
from embeddings.console import get_logger, track
from embeddings.errors import ImageError, TableError
from embeddings.images import MAX_PIXELS, Picture, fingerprint_file, fix_window, prepare_picture
from embeddings.images.prepare import Window
from embeddings.reader import Fault, Part, choose_windows, open_parts

Pixels = NDArray[np.float32]
_HELD_BYTES = 2_000_000_000  # of prepared pictures; the others are decoded anew each time
_SLACK = 1.0  # pixels that a box may reach beyond its picture: rounding, cut off


class GreyWindows:
    """The grey-level window of each kind of picture: fixed when a kind is first met, then kept.

    Parameters
    ----------
    known : mapping of kind to (low, high)
        Those of a trained detector.
    max_pixels : int
        Most pixels a page may have that is read for them.
    """

    def __init__(
        self, known: Mapping[str, Window] | None = None, *, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._known = dict(known or {})
        self.max_pixels = max_pixels

    @property
    def known(self) -> dict[str, Window]:
        """All windows fixed so far."""
        return dict(self._known)

    def fix_from(self, refs: Sequence[PictureRef]) -> None:
        """Fix a window for each new kind in an evenly spaced sample of these pictures' files."""
        # Each file once: of a stack every page is a ref, and each is in the sample anyway.
        paths = list(dict.fromkeys(str(ref.path) for ref in refs))
        self._known |= choose_windows(paths, self._known, max_pixels=self.max_pixels)

    def find(self, picture: Picture) -> Window:
        """Return the window of a picture's kind; a kind rarer than the sample gets its own now."""
        if picture.kind not in self._known:
            low, high = self._known[picture.kind] = fix_window([picture])
            get_logger().info("grey-level window of %s: %g to %g", picture.kind, low, high)
        return self._known[picture.kind]


def prepare_pixels(picture: Picture, reference: Picture | None, windows: GreyWindows) -> Pixels:
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
    pixels = _show(picture, windows.find(picture))
    if reference is None:
        return pixels
    # Each by the window of its own kind: a reference may be 8-bit where pictures are 16-bit.
    golden = _show(reference, windows.find(reference))
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
    refs: Sequence[PictureRef], windows: GreyWindows
) -> Iterator[tuple[PictureRef, Picture, Pixels]]:
    """Yield refs of one file with their pages and what the network sees, in the file's order.

    The file is opened once, and so is a reference that they share; pages that are not wanted are
    not decoded.

    Parameters
    ----------
    refs : sequence of PictureRef
        All of the same path; pages by their number in the file.
    windows : GreyWindows

    Raises
    ------
    ImageError
        A file cannot be read, or has no such page.
    """
    for ref, page, reference in _stream_pages(refs, windows.max_pixels):
        yield ref, page, prepare_pixels(page, reference, windows)


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
    """Prepared pictures in the order they were added; beyond 2 GB they are read anew each time."""

    def __init__(self, windows: GreyWindows) -> None:
        self._windows = windows
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
        _, _, pixels = next(stream_pixels([ref], self._windows))
        return pixels

    def add(self, ref: PictureRef, pixels: Pixels) -> None:
        """Append a picture."""
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


def load_examples(items: Sequence[Example], windows: GreyWindows) -> LoadedExamples:
    """Read every picture once, and check that its boxes lie inside.

    Raises
    ------
    TableError
        A box lies outside of its picture by more than a pixel.
    """
    usable: list[Example] = []
    faults: list[Fault] = []
    pictures = PictureCache(windows)
    for item, pixels in track(_read_items(items, windows), total=len(items), what="pictures"):
        if isinstance(pixels, str):
            faults.append((str(item.ref.path), pixels))
        else:
            usable.append(replace(item, boxes=_fit_inside(item, pixels)))
            pictures.add(item.ref, pixels)
    return LoadedExamples(items=tuple(usable), pictures=pictures, faults=tuple(faults))


def _read_items(
    items: Sequence[Example], windows: GreyWindows
) -> Iterator[tuple[Example, Pixels | str]]:
    """Yield each example with its pixels, or why there is none; a file is opened once."""
    for _, group in groupby(items, key=lambda item: item.ref.path):  # sorted by path
        waiting = {item.ref: item for item in group}
        try:
            # So that a picture read again in a later epoch is the one that its boxes are of.
            file_id = fingerprint_file(next(iter(waiting)).path)
            waiting = {
                (ref := replace(item.ref, file_id=file_id)): replace(item, ref=ref)
                for item in waiting.values()
            }
            for ref, page, reference in _stream_pages(tuple(waiting), windows.max_pixels):
                yield waiting.pop(ref), _prepare(page, reference, windows)
        except ImageError as error:
            for item in waiting.values():
                yield item, str(error)


def _prepare(page: Picture, reference: Picture | None, windows: GreyWindows) -> Pixels | str:
    """Return a page's pixels, or why there are none: the pages behind it may fit."""
    try:
        return prepare_pixels(page, reference, windows)
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
