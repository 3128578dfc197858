"""Parts become prepared pictures, as the extractor of a spec sees them; threads decode ahead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.parts import Fault, Part
from embeddings.errors import ImageError
from embeddings.extract.ahead import run_ahead
from embeddings.images import Picture, level_picture, prepare_picture, stream_pictures
from embeddings.records import ExtractorSpec

Image = NDArray[np.float32]
Window = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How pictures are brought to what the extractor sees.

    Attributes
    ----------
    windows : mapping of kind to (low, high)
        Grey levels shown as black and white; the spec's own window goes first.
    """

    spec: ExtractorSpec
    windows: Mapping[str, Window]
    max_pixels: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """The prepared parts of one file, or why there are none.

    `deferred` are its parts where a page is of a kind that has no grey-level window yet: the file
    can be read, choose a window from it and read it again.
    """

    images: list[tuple[Part, Image]] = field(default_factory=list)
    fault: Fault | None = None
    deferred: tuple[Part, ...] = ()


def read_parts(parts: Sequence[Part], reading: Reading) -> Iterator[ReadFile]:
    """Yield the files of the parts in order, at most two a worker ahead of the consumer.

    Parts of one file must stand together, as `find_parts` lists them.
    """
    files = (list(group) for _, group in groupby(parts, key=lambda part: part.path))
    return run_ahead(
        lambda file: _read_file(file, reading),
        files,
        workers=reading.workers,
        ahead=2 * reading.workers + 1,
        name="reader",
    )


def _read_file(parts: list[Part], reading: Reading) -> ReadFile:
    path = parts[0].path
    try:
        images = [pair for pairs in _prepare_pages(parts, reading) for pair in pairs or ()]
    except ImageError as error:
        return ReadFile(fault=(path, str(error)))
    # Decoded to its end first: a file that is deferred can be read, and so gets its window.
    return ReadFile(images=images) if len(images) == len(parts) else ReadFile(deferred=tuple(parts))


def _prepare_pages(
    parts: list[Part], reading: Reading
) -> Iterator[list[tuple[Part, Image]] | None]:
    """Yield the parts of each page that is wanted; None where its kind has no window yet."""
    wanted = {part.page for part in parts}
    for page in stream_pictures(Path(parts[0].path), max_pixels=reading.max_pixels):
        if page.page not in wanted:
            continue
        wanted.discard(page.page)
        picture = level_picture(page, reading.spec.level)
        window = reading.spec.window or reading.windows.get(picture.kind)
        mine = [part for part in parts if part.page == page.page]
        yield (
            None
            if window is None
            else [(part, _prepare(picture, part, window, reading.spec)) for part in mine]
        )
    if wanted:
        raise ImageError(f"has no page {min(wanted)} (counted from 0)")


def _prepare(picture: Picture, part: Part, window: Window, spec: ExtractorSpec) -> Image:
    return prepare_picture(
        picture,
        window=window,
        size=spec.input_size,
        fit=spec.fit,
        resize=spec.resize,
        region=part.region,
    )
