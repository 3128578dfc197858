"""Pictures as the network sees them: grey-level windows, golden references, three channels.

`load_view` reads one picture (and its reference) into [0, 1]; `stack_channels` makes the three
channels of it. A reference must have its picture's size: both show the same place.
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
from embeddings.images import Picture, fix_window, prepare_picture, read_pictures

View = NDArray[np.float32]
_SAMPLE_FILES = 64  # evenly spaced over the pictures, so that one lot does not decide


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


def read_place(place: Place) -> tuple[Picture, Picture | None]:
    """Read one page of a file, and its reference.

    Raises
    ------
    ImageError
        A file cannot be read, or has no such page.
    """
    pages = read_pictures(place.path)
    if place.page >= len(pages):
        raise ImageError(f"has {len(pages)} pages, none with the number {place.page} (from 0)")
    reference = None if place.reference is None else read_reference(place.reference)
    return pages[place.page], reference


def read_reference(path: Path) -> Picture:
    """Read a golden reference: the first page of its file.

    Raises
    ------
    ImageError
        It cannot be read; the text says that it is the reference.
    """
    try:
        return read_pictures(path)[0]
    except ImageError as error:
        raise ImageError(f"its reference {path}: {error}") from error


class GreyWindows:
    """The grey-level window of each kind of picture: fixed when a kind is first met, then kept.

    Parameters
    ----------
    known : mapping of kind to (low, high)
        Those of a trained detector.
    """

    def __init__(self, known: Mapping[str, Window] | None = None) -> None:
        self._known = dict(known or {})

    @property
    def known(self) -> dict[str, Window]:
        """All windows fixed so far."""
        return dict(self._known)

    def fix_from(self, places: Sequence[Place]) -> None:
        """Fix a window for each new kind in an evenly spaced sample of these pictures."""
        by_kind: dict[str, list[Picture]] = {}
        for picture in _sample([place.path for place in places]):
            if picture.kind not in self._known:
                by_kind.setdefault(picture.kind, []).append(picture)
        for kind, pictures in sorted(by_kind.items()):
            self._fix(kind, pictures)

    def find(self, picture: Picture) -> Window:
        """Return the window of a picture's kind; a kind rarer than the sample gets its own now."""
        if picture.kind not in self._known:
            self._fix(picture.kind, [picture])
        return self._known[picture.kind]

    def _fix(self, kind: str, pictures: Sequence[Picture]) -> None:
        low, high = self._known[kind] = fix_window(pictures)
        get_logger().info(
            "grey-level window of %s: %g to %g, from %d pictures", kind, low, high, len(pictures)
        )


def _sample(paths: Sequence[Path]) -> Iterator[Picture]:
    step = max(1.0, len(paths) / _SAMPLE_FILES)
    for i in range(min(_SAMPLE_FILES, len(paths))):
        try:
            yield from read_pictures(paths[int(i * step)])
        except ImageError:
            continue  # it goes to quarantine when its turn comes
