"""Pictures of more than 8 bits as 8-bit ones, in the grey levels that the run was made in.

A store keeps one window of grey levels a kind of picture: black to white as they were embedded. So
pictures of one kind stay comparable. Where the store is gone, the windows are chosen of the
pictures that are written, as a store chooses them. A picture of which nothing would be seen so,
black, white or grey all over, is shown in grey levels of its own.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from discovery.runs import Run
from discovery.runs.stores import find_store
from embeddings.console import get_logger
from embeddings.errors import StoreError
from embeddings.images import Picture, Region, Window, cut_region, fix_window
from embeddings.reader import choose_windows
from embeddings.reading import READING, find_reading
from embeddings.records import Level
from embeddings.store import open_store

_EIGHT_BITS = "uint8"  # the kind of picture that needs no window
_TAIL = 0.1  # percent cut at each end: dead and hot pixels
_LEAST = 1 / 64  # of the window: four grey levels of 256, less than which is one to the eye


@dataclass(frozen=True, slots=True, kw_only=True)
class GreyLevels:
    """How a run sees its pictures.

    Attributes
    ----------
    windows : mapping of kind of picture to (low, high)
        Grey levels shown as black and white.
    level : Level
        What is taken away of heights first.
    window : (low, high) or None
        Of every kind, where the user gave it.
    reading : int
        The rules by which files become pictures (`ExtractorSpec.reading`).
    """

    windows: Mapping[str, Window] = field(default_factory=dict)
    level: Level = "none"
    window: Window | None = None
    reading: int = READING


def read_grey_levels(run: Run) -> GreyLevels:
    """Return how the run's store sees pictures; nothing is known where the store is gone."""
    unknown = GreyLevels(reading=find_reading(run.store))
    if "path" not in run.store:
        return unknown
    try:
        store = open_store(find_store(run))
    except StoreError as error:
        get_logger().warning("grey levels are chosen anew: %s", error)
        return unknown
    spec = store.spec
    return GreyLevels(
        windows=store.windows, level=spec.level, window=spec.window, reading=spec.reading
    )


class Viewer:
    """Makes 8-bit pictures of others, those of one kind in the same grey levels.

    Parameters
    ----------
    grey : GreyLevels
    paths : sequence of str
        The files to choose windows from, of kinds that have none.
    max_pixels : int
        Most pixels a page may have.
    """

    def __init__(self, grey: GreyLevels, paths: Sequence[str], *, max_pixels: int) -> None:
        self.grey = grey
        self._windows = {_EIGHT_BITS: (0.0, 255.0), **grey.windows}
        self._paths = paths
        self._max_pixels = max_pixels
        self._last: tuple[Picture, Window] | None = None
        self.apart = 0
        """Pictures that are shown in grey levels of their own."""

    def show(self, picture: Picture, region: Region | None, *, text: str) -> bytes:
        """Return a levelled picture, or a region of it, as a PNG with a text in it."""
        if self._last is None or self._last[0] is not picture:
            self._last = (picture, self._choose_window(picture))
        low, high = self._last[1]
        pixels = cut_region(picture.pixels, region).astype(np.float64)
        shown = np.clip((pixels - low) / (high - low), 0, 1) * 255
        return _write_png(np.rint(shown).astype(np.uint8), text)

    def _choose_window(self, picture: Picture) -> Window:
        low, high = self._find_window(picture)
        if picture.kind == _EIGHT_BITS:
            return low, high
        # Of all of it, so that the tiles of a picture stay comparable.
        ends = np.percentile(picture.pixels, (_TAIL, 100 - _TAIL))
        seen = np.clip(ends, low, high)
        darkest, brightest = (float(end) for end in ends)
        if darkest < brightest and seen[1] - seen[0] < _LEAST * (high - low):
            self.apart += 1
            return darkest, brightest
        return low, high

    def _find_window(self, picture: Picture) -> Window:
        if self.grey.window is not None:
            return self.grey.window
        if picture.kind not in self._windows:
            self._windows |= choose_windows(
                self._paths,
                self._windows,
                level=self.grey.level,
                max_pixels=self._max_pixels,
                reading=self.grey.reading,
            )
        if picture.kind not in self._windows:  # the sample of the files has missed it
            self._windows[picture.kind] = fix_window([picture])
        return self._windows[picture.kind]


def _write_png(pixels: NDArray[np.uint8], text: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", text)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
