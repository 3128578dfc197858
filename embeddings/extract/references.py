"""Golden references: the defect-free image of the very same place, named in a CSV.

A column `reference` beside `path` says which one belongs to each image. It is read with the
image, cut as the image is, and its channels are put behind the image's own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embeddings.errors import ImageError, InputError, OptionError, TableError
from embeddings.extract.metadata import ALL_PAGES
from embeddings.extract.options import ExtractOptions
from embeddings.extract.sources import LIST_SUFFIXES
from embeddings.images import Picture, level_picture, read_pictures
from embeddings.records import REFERENCE, ExtractorSpec, Level
from embeddings.tables import read_image_list
from embeddings.tables.delimited import resolve_path

COLUMN = "reference"


def find_references(
    source: Path, paths: Sequence[str], spec: ExtractorSpec, *, options: ExtractOptions
) -> dict[str, str]:
    """Return the golden image of each path, where the extractor compares with them.

    A new store compares with them where the source has a column `reference`.

    Parameters
    ----------
    source : Path
        What was given: a CSV, or anything else.
    paths : sequence of str
        The images of the source.
    spec : ExtractorSpec
        The store's, or the one that a new store will have.

    Raises
    ------
    InputError
        The store compares with references and the source names none; or some images have none,
        or it is not there.
    OptionError
        A new store would compare with normals too.
    """
    if not spec.compares:
        return {}
    named = _read_column(source)
    if spec.normals_sha256 != REFERENCE and (spec.bank_sha256 or named is None):
        return {}  # compared with a bank
    if named is None:
        raise InputError(
            f"{source} has no column {COLUMN}: the store compares each image with its golden "
            "reference; expected a CSV with the columns path and reference"
        )
    if options.normal is not None:
        raise OptionError(
            f"--normal and the column {COLUMN} of {source}: expected one of them, each says what "
            "is normal"
        )
    _check_there(source, named, paths)
    return named


def add_references(
    metadata: Mapping[str, Mapping[int, str]], references: Mapping[str, str]
) -> dict[str, dict[int, str]]:
    """Note each image's reference in its metadata, from which heat maps are drawn again."""
    noted = {path: dict(pages) for path, pages in metadata.items()}
    for path, reference in references.items():
        pages = noted.setdefault(path, {})
        pages.setdefault(ALL_PAGES, "{}")
        for page, text in pages.items():
            pages[page] = json.dumps(json.loads(text) | {COLUMN: reference})
    return noted


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """The pages of a golden image."""

    path: str
    pages: tuple[Picture, ...]

    def match(self, picture: Picture, level: Level) -> Picture:
        """Return the page that belongs to a picture: the one of its number, or the only one.

        Raises
        ------
        ImageError
            There is none, or it is of another size or kind.
        """
        only = self.pages[0] if len(self.pages) == 1 else None
        page = next((one for one in self.pages if one.page == picture.page), only)
        if page is None:
            raise ImageError(f"its reference {self.path} has no page {picture.page}")
        if (page.width, page.height, page.kind) != (picture.width, picture.height, picture.kind):
            raise ImageError(
                f"its reference {self.path} is {page.width}x{page.height} {page.kind}, expected "
                f"{picture.width}x{picture.height} {picture.kind} as the image itself"
            )
        return level_picture(page, level)


def open_reference(path: str | None, *, max_pixels: int) -> Golden | None:
    """Read a golden image; None where there is none.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    if path is None:
        return None
    try:
        return Golden(path=path, pages=tuple(read_pictures(Path(path), max_pixels=max_pixels)))
    except ImageError as error:
        raise ImageError(f"its reference {path} cannot be used: {error}") from error


def _read_column(source: Path) -> dict[str, str] | None:
    """Return the column `reference` by path, "" where a row has none; None without the column."""
    if source.suffix.lower() not in LIST_SUFFIXES or not source.is_file():
        return None
    table = read_image_list(source)
    if COLUMN not in table.columns:
        return None
    return {
        path: str(resolve_path(text, source.parent)) if text else ""
        for path, text in zip(table["path"], table[COLUMN], strict=True)
    }


def _check_there(source: Path, named: Mapping[str, str], paths: Sequence[str]) -> None:
    lacking = [path for path in paths if not named.get(path)]
    if lacking:
        raise TableError(
            f"{source}: {len(lacking)} of {len(paths)} images have no reference (the first is "
            f"{lacking[0]}): fill in the column {COLUMN}, or leave it out"
        )
    absent = [path for path in paths if not Path(named[path]).is_file()]
    if absent:
        raise InputError(
            f"{source}: the references of {len(absent)} of {len(paths)} images are not there "
            f"(the first is {named[absent[0]]} of {absent[0]})"
        )
