"""Grey-level windows from a sample of files: one for each kind of picture that is met."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from embeddings.console import stage
from embeddings.errors import ImageError
from embeddings.images import (
    MAX_PIXELS,
    Picture,
    Window,
    fix_window,
    level_picture,
    stream_pictures,
)
from embeddings.records import Level

SAMPLE_FILES = 64  # evenly spaced over the source, so that one lot does not decide
SAMPLE_PIXELS = 4_000_000  # kept in all: twice what a window is chosen from
_LEAST_PIXELS = 1024  # of a page


def choose_windows(
    paths: Sequence[str],
    known: Collection[str],
    *,
    level: Level = "none",
    max_pixels: int = MAX_PIXELS,
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
    """
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


def _sample_pictures(paths: Sequence[str], level: Level, max_pixels: int) -> Iterator[Picture]:
    """Yield the thinned pages of the sample; of a file that breaks, those before the damage."""
    step = max(1.0, len(paths) / SAMPLE_FILES)
    chosen = [Path(paths[int(i * step)]) for i in range(min(SAMPLE_FILES, len(paths)))]
    for path in chosen:
        try:
            for page in stream_pictures(path, max_pixels=max_pixels):
                share = SAMPLE_PIXELS // len(chosen) // page.n_pages
                yield _thin(level_picture(page, level), share)
        except ImageError:
            continue  # it goes to quarantine when its turn comes


def _thin(picture: Picture, share: int) -> Picture:
    """Keep about `share` evenly spaced pixels: the sample must fit in memory."""
    flat = picture.pixels.reshape(1, -1, *picture.pixels.shape[2:])  # (1, h * w) or (1, h * w, 3)
    stride = max(1, flat.shape[1] // max(share, _LEAST_PIXELS))
    if stride > 1:
        stride |= 1  # odd, so that a width of a power of two is not sampled in one column
    return replace(picture, pixels=flat[:, ::stride].copy())
