"""Pictures as the network sees them: grey-level windows, golden references, three channels.

`stream_views` reads the places of one file, page by page; `load_view` shows a picture (and its
reference) in [0, 1]; `stack_channels` makes the three channels of it. A reference must have its
picture's size: both show the same place.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.detector.records import Place
from discovery.detector.spec import Window
from embeddings.console import get_logger
from embeddings.errors import ImageError
from embeddings.images import MAX_PIXELS, Picture, fix_window, prepare_picture
from embeddings.reader import Part, choose_windows, open_parts

View = NDArray[np.float32]


def load_view(picture: Picture, reference: Picture | None, windows: "GreyWindows") -> View:
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
    view = _show(picture, windows.find(picture))
    if reference is None:
        return view
    golden = _show(reference, windows.find(reference))
    if golden.shape[1:] != view.shape[1:]:
        raise ImageError(
            f"{picture.width}x{picture.height} pixels, but its reference has "
            f"{reference.width}x{reference.height}: give the reference of this very picture"
        )
    return np.concatenate([view.mean(axis=0, keepdims=True), golden.mean(axis=0, keepdims=True)])


def _show(picture: Picture, window: Window) -> View:
    longest = max(picture.width, picture.height)  # at its own size
    return prepare_picture(picture, window=window, size=longest, fit="none", resize="nearest")


def stack_channels(view: View) -> View:
    """Return the (3, h, w) that the network sees of a (c, h, w) view.

    Grey is repeated; with a reference: the picture, the reference, and how much they differ.
    """
    if len(view) == 2:
        return np.concatenate([view, np.abs(view[:1] - view[1:])])
    return np.ascontiguousarray(np.broadcast_to(view, (3, *view.shape[1:])))


def rescale_view(view: View, scale: float) -> torch.Tensor:
    """Resize (c, h, w) by a factor, antialiased when shrinking."""
    image = torch.from_numpy(view)
    if scale == 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[1:]]
    return torch.nn.functional.interpolate(
        image[None], size, mode="bilinear", antialias=True, align_corners=False
    )[0]


def read_view(place: Place, windows: "GreyWindows") -> View:
    """Read one place: its page alone is decoded.

    Raises
    ------
    ImageError
        A file cannot be read, or has no such page.
    """
    _, _, view = next(stream_views([place], windows))
    return view


def stream_views(
    places: Sequence[Place], windows: "GreyWindows"
) -> Iterator[tuple[Place, Picture, View]]:
    """Yield places of one file with their pages and what the network sees, in the file's order.

    The file is opened once, and so is a reference that they share; pages that are not wanted are
    not decoded.

    Parameters
    ----------
    places : sequence of Place
        All of the same path; pages by their number in the file.
    windows : GreyWindows

    Raises
    ------
    ImageError
        A file cannot be read, or has no such page.
    """
    by_page = {place.page: place for place in places}
    golden: dict[Path, Picture] = {}
    parts = [Part(path=str(place.path), page=place.page) for place in places]
    for opened in open_parts(parts, max_pixels=windows.max_pixels):
        place = by_page[opened.part.page]
        if place.reference is not None and place.reference not in golden:
            golden = {place.reference: read_reference(place.reference, windows.max_pixels)}
        reference = None if place.reference is None else golden[place.reference]
        yield place, opened.page, load_view(opened.page, reference, windows)


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

    def fix_from(self, places: Sequence[Place]) -> None:
        """Fix a window for each new kind in an evenly spaced sample of these pictures' files."""
        # Each file once: of a stack every page is a place, and each is in the sample anyway.
        paths = list(dict.fromkeys(str(place.path) for place in places))
        self._known |= choose_windows(paths, self._known, max_pixels=self.max_pixels)

    def find(self, picture: Picture) -> Window:
        """Return the window of a picture's kind; a kind rarer than the sample gets its own now."""
        if picture.kind not in self._known:
            low, high = self._known[picture.kind] = fix_window([picture])
            get_logger().info("grey-level window of %s: %g to %g", picture.kind, low, high)
        return self._known[picture.kind]
