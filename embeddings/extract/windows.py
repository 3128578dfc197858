"""The grey-level window of each kind of picture, fixed when the store first meets the kind."""

from collections.abc import Sequence
from pathlib import Path

from embeddings.console import stage
from embeddings.errors import ImageError
from embeddings.extract.options import ExtractOptions
from embeddings.images import Picture, fix_window, level_picture, read_pictures
from embeddings.records import Level
from embeddings.store import StoreWriter

SAMPLE_FILES = 64  # evenly spaced over the source, so that one lot does not decide


def fix_windows(
    paths: Sequence[str], writer: StoreWriter, *, level: Level, options: ExtractOptions
) -> None:
    """Fix and commit a window for every new kind of picture in a sample of these files.

    The sample depends on the paths alone, so a run that is killed and started again fixes the
    same windows.
    """
    by_kind: dict[str, list[Picture]] = {}
    for picture in _sample_pictures(paths, level, options):
        if picture.kind not in writer.windows:
            by_kind.setdefault(picture.kind, []).append(picture)
    for kind, pictures in sorted(by_kind.items()):
        with stage("grey-level window") as facts:
            writer.set_window(kind, fix_window(pictures))
            low, high = writer.windows[kind]
            facts.update(kind=kind, low=f"{low:g}", high=f"{high:g}", pictures=len(pictures))
    writer.commit()


def _sample_pictures(paths: Sequence[str], level: Level, options: ExtractOptions) -> list[Picture]:
    step = max(1.0, len(paths) / SAMPLE_FILES)
    pictures: list[Picture] = []
    for i in range(min(SAMPLE_FILES, len(paths))):
        try:
            pages = read_pictures(Path(paths[int(i * step)]), max_pixels=options.max_pixels)
            pictures += [level_picture(page, level) for page in pages]
        except ImageError:
            continue  # it goes to quarantine when its turn comes
    return pictures
