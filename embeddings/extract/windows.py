"""The grey-level window of each kind of picture, fixed when the store first meets the kind."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from embeddings.console import stage
from embeddings.errors import ImageError
from embeddings.extract.options import ExtractOptions
from embeddings.images import Picture, fix_window, level_picture, read_sizes, stream_pictures
from embeddings.records import Level
from embeddings.store import StoreWriter

SAMPLE_FILES = 64  # evenly spaced over the source, so that one lot does not decide
SAMPLE_PIXELS = 4_000_000  # kept in all: twice what a window is chosen from


def fix_windows(
    paths: Sequence[str], writer: StoreWriter, *, level: Level, options: ExtractOptions
) -> None:
    """Fix and commit a window for every new kind of picture in a sample of these files.

    The sample depends on the paths alone, so a run that is killed and started again fixes the
    same windows.
    """
    found = choose_windows(paths, writer.windows, level=level, max_pixels=options.max_pixels)
    for kind, window in found.items():
        writer.set_window(kind, window)
    writer.commit()


def choose_windows(
    paths: Sequence[str], known: Collection[str], *, level: Level, max_pixels: int
) -> dict[str, tuple[float, float]]:
    """Choose a window for every kind of picture in a sample of these files that is not known."""
    by_kind: dict[str, list[Picture]] = {}
    for picture in _sample_pictures(paths, level, max_pixels):
        if picture.kind not in known:
            by_kind.setdefault(picture.kind, []).append(picture)
    windows = {}
    for kind, pictures in sorted(by_kind.items()):
        with stage("grey-level window") as facts:
            low, high = windows[kind] = fix_window(pictures)
            facts.update(kind=kind, low=f"{low:g}", high=f"{high:g}", pictures=len(pictures))
    return windows


def _sample_pictures(paths: Sequence[str], level: Level, max_pixels: int) -> list[Picture]:
    step = max(1.0, len(paths) / SAMPLE_FILES)
    chosen = [Path(paths[int(i * step)]) for i in range(min(SAMPLE_FILES, len(paths)))]
    pictures: list[Picture] = []
    for path in chosen:
        try:
            share = SAMPLE_PIXELS // len(chosen) // len(read_sizes(path))
            pages = stream_pictures(path, max_pixels=max_pixels)
            pictures += [_thin(level_picture(page, level), share) for page in pages]
        except ImageError:
            continue  # it goes to quarantine when its turn comes
    return pictures


def _thin(picture: Picture, share: int) -> Picture:
    """Keep about `share` evenly spaced pixels, 1,024 at least: the sample must fit in memory."""
    flat = picture.pixels.reshape(1, -1, *picture.pixels.shape[2:])  # (1, h * w) or (1, h * w, 3)
    stride = max(1, flat.shape[1] // max(share, 1024))
    if stride > 1:
        stride |= 1  # odd, so that a width of a power of two is not sampled in one column
    return replace(picture, pixels=flat[:, ::stride].copy())
