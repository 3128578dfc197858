"""Which picture file and page on this machine a defect's images are.

A KLARF names its pictures as the inspection tool saw them. They are looked for beside the KLARF,
under the path as written and then under the bare file name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embeddings.tables.delimited import base_name, resolve_path
from embeddings.tables.klarf_nouns import Klarf, KlarfImage, KlarfWafer

_TIFF = frozenset({".tif", ".tiff", ".i01"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectImage:
    """One picture of one defect: `position` is the defect's row in `wafer.defects`."""

    wafer: KlarfWafer
    position: int
    rank: int
    path: Path
    page: int


def list_images(klarf: Klarf, folder: Path) -> Iterator[DefectImage]:
    """Yield every picture of every defect; `rank` 0 is a defect's first.

    The page is the picture's number less the lowest number tools count from: 0 where the number 0
    occurs for that file, else 1. Files other than TIFF have one page.
    """
    from_zero = {
        image.file
        for wafer in klarf.wafers
        for images in wafer.images
        for image in images
        if image.number == 0
    }
    for wafer in klarf.wafers:
        for position, images in enumerate(wafer.images):
            for rank, image in enumerate(images):
                yield DefectImage(
                    wafer=wafer,
                    position=position,
                    rank=rank,
                    path=_locate(image, folder),
                    page=_page(image, is_from_zero=image.file in from_zero),
                )


def _locate(image: KlarfImage, folder: Path) -> Path:
    as_written = resolve_path(image.file, folder)
    if as_written.is_file():
        return as_written
    return resolve_path(base_name(image.file), folder)


def _page(image: KlarfImage, *, is_from_zero: bool) -> int:
    if Path(base_name(image.file)).suffix.lower() not in _TIFF:
        return 0
    return image.number if is_from_zero else image.number - 1
