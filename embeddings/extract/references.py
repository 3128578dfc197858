"""The golden reference of each image: the defect-free image of the very same place.

A column `reference` beside `path` names it. It is read with the image, cut as the image is, and
its channels are put behind the image's own.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from embeddings.errors import InputError, OptionError, TableError
from embeddings.extract.options import ExtractOptions
from embeddings.records import REFERENCE, ExtractorSpec
from embeddings.tables import read_image_list
from embeddings.tables.locate import Locator
from embeddings.tables.sheet import TABLE_SUFFIXES

COLUMN = "reference"
ALL_PAGES = -1


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
    named = read_reference_column(source)
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
        pages.setdefault(ALL_PAGES, "{}")  # where nothing else is known of the image
        for page, text in pages.items():
            pages[page] = json.dumps(json.loads(text) | {COLUMN: reference})
    return noted


def read_reference_column(source: Path, names: Sequence[str] = (COLUMN,)) -> dict[str, str] | None:
    """Return the golden image of each path of a CSV, "" where a row has none.

    Parameters
    ----------
    source : Path
    names : sequence of str
        Of the column, in small letters; the first that the table has counts.

    Returns
    -------
    dict or None
        None where the source is no CSV, or has no such column.

    Raises
    ------
    TableError
        The CSV cannot be read.
    """
    if source.suffix.lower() not in TABLE_SUFFIXES or not source.is_file():
        return None
    table = read_image_list(source)
    column = next((name for name in table.columns if str(name).lower() in names), None)
    if column is None:
        return None
    cells = table[column].tolist()
    located = Locator(source.parent).locate_all(cells)
    return {
        path: place if text else ""
        for path, text, place in zip(table["path"], cells, located, strict=True)
    }


def _check_there(source: Path, named: Mapping[str, str], paths: Sequence[str]) -> None:
    # All or none: vectors of images with and without a reference are not alike.
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
