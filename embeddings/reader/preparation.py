"""How pictures are brought to what an extractor sees, and in which grey levels."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embeddings.console import stage
from embeddings.errors import ImageError
from embeddings.images import (
    MAX_PIXELS,
    Picture,
    Window,
    cut_data_bar,
    fix_window,
    level_picture,
    make_thumbnail,
    pick_data_bar,
    show_picture,
    stream_pictures,
)
from embeddings.reader.parts import OpenPart, Part, open_parts
from embeddings.reading import READING
from embeddings.records import DataBar, DataBars, ExtractorSpec, Level, Vectors

Image = NDArray[np.float32]  # (c, h, w) in [0, 1]
Stream = Callable[..., Iterator[Picture]]  # as stream_pictures
Cut = Callable[[Picture], Picture]

SAMPLE_FILES = 64  # evenly spaced over the source, so that one lot does not decide
SAMPLE_PIXELS = 4_000_000  # kept in all: twice what a window is chosen from
_LEAST_PIXELS = 1024  # of a page


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
    bars : mapping of size to DataBars
        The data bars that are known of the tools' pictures; not for a spec that keeps them.
    """

    spec: ExtractorSpec
    windows: Mapping[str, Window] = field(default_factory=dict)
    bars: DataBars = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS
    workers: int = 8

    @classmethod
    def to_reopen(
        cls,
        vectors: Vectors,
        spec: ExtractorSpec,
        windows: Mapping[str, Window],
        *,
        max_pixels: int,
        bars: DataBars = MappingProxyType({}),
    ) -> Self:
        """Return how images that have vectors are read again: no limit is below the largest.

        A store does not keep the limit that it was made with, and needs not: a picture that has a
        vector is no decompression bomb.
        """
        rows = vectors.rows
        # Tiles reach as far as their page does; of crops it is a lower bound, and the limit holds.
        extents = (rows["x0"] + rows["width"]) * (rows["y0"] + rows["height"])
        largest = int(extents.max()) if len(rows) else 0
        most = max(max_pixels, largest)
        return cls(spec=spec, windows=windows, max_pixels=most, bars=bars)

    def open(self, parts: Sequence[Part]) -> Iterator[OpenPart]:
        """Yield parts of one file as `open_parts` does, each with what is not seen of its page."""
        yield from open_parts(
            parts,
            level=self.spec.level,
            max_pixels=self.max_pixels,
            find_bar=self.find_bar,
            reading=self.spec.reading,
        )

    def find_bar(self, page: Picture) -> DataBar | None:
        """Return the data bar of a page as it is stored; None where it has none, or keeps it."""
        return None if self.spec.data_bar == "keep" else pick_data_bar(page, self.bars)

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

    def show(self, opened: OpenPart, *, golden: Picture | None = None) -> Image:
        """Show a part as `show_picture` does, a golden reference behind it.

        Raises
        ------
        ImageError
            The kind has no window, or the region no pixel in common with the picture.
        """
        window = self.require_window(opened.picture)
        if golden is not None:
            golden = cut_data_bar(golden, opened.bar)  # of the same place, by the same tool
        return show_picture(
            opened.seen, self.spec, window=window, region=opened.seen_region, golden=golden
        )

    def draw(self, opened: OpenPart, *, side: int) -> bytes:
        """Draw a part as a JPEG in the same grey levels, as `make_thumbnail` does.

        Raises
        ------
        ImageError
            As for `show`.
        """
        picture, region = opened.picture, opened.part.region
        return make_thumbnail(
            picture, window=self.require_window(picture), side=side, region=region
        )


def choose_windows(
    paths: Sequence[str],
    known: Collection[str],
    *,
    level: Level = "none",
    max_pixels: int = MAX_PIXELS,
    reading: int = READING,
    stream: Stream = stream_pictures,
    cut: Cut = lambda page: page,
) -> dict[str, Window]:
    """Choose a window for every kind of picture in a sample of these files that is not known.

    The sample depends on the paths alone, so a run that is killed and started again chooses the
    same windows.

    Parameters
    ----------
    paths : sequence of str
    known : collection of str
        Kinds that have a window already.
    level : Level
        Heights are levelled first, and are a kind of their own then.
    max_pixels : int
        Most pixels a page may have.
    reading : int
        The rules of reading (`ExtractorSpec.reading`).
    stream : callable
        What gives the pages of a file, such as `Previews.stream`.
    cut : callable
        What is seen of a page, such as `BarSurvey.look`: text is blacker than any picture.
    """
    by_kind: dict[str, list[Picture]] = {}
    pages = partial(stream, max_pixels=max_pixels, reading=reading)
    for picture in _sample_pictures(paths, level, pages, cut):
        if picture.kind not in known:
            by_kind.setdefault(picture.kind, []).append(picture)
    windows = {}
    for kind, pictures in sorted(by_kind.items()):
        with stage("grey-level window") as facts:
            low, high = windows[kind] = fix_window(pictures)
            facts.update(kind=kind, low=f"{low:g}", high=f"{high:g}", pictures=len(pictures))
    return windows


def _sample_pictures(
    paths: Sequence[str], level: Level, stream: Stream, cut: Cut
) -> Iterator[Picture]:
    """Yield the thinned pages of the sample; of a file that breaks, those before the damage."""
    step = max(1.0, len(paths) / SAMPLE_FILES)
    chosen = [Path(paths[int(i * step)]) for i in range(min(SAMPLE_FILES, len(paths)))]
    for path in chosen:
        try:
            for page in stream(path):
                share = SAMPLE_PIXELS // len(chosen) // page.n_pages
                yield _thin(level_picture(cut(page), level), share)
        except ImageError:
            continue  # it goes to quarantine when its turn comes


def _thin(picture: Picture, share: int) -> Picture:
    """Keep about `share` evenly spaced pixels: the sample must fit in memory."""
    flat = picture.pixels.reshape(1, -1, *picture.pixels.shape[2:])  # (1, h * w) or (1, h * w, 3)
    stride = max(1, flat.shape[1] // max(share, _LEAST_PIXELS))
    if stride > 1:
        stride |= 1  # odd, so that a width of a power of two is not sampled in one column
    return replace(picture, pixels=flat[:, ::stride].copy())
