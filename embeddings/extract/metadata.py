"""What tables say of each image beside its pixels: metadata, and its golden reference.

Metadata are joined on the file name. A column `reference` beside `path` names the golden image of
each: the defect-free image of the very same place. It is read with the image, cut as the image
is, and its channels are put behind the image's own.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from embeddings.console import get_logger
from embeddings.errors import InputError, OptionError, TableError
from embeddings.extract.options import ExtractOptions
from embeddings.records import DEFECT_BOX, KLARF_FILE, NOTES, REFERENCE, ExtractorSpec
from embeddings.tables import is_klarf, read_image_list, read_metadata
from embeddings.tables.sheet import resolve_path

COLUMN = "reference"
LIST_SUFFIXES = (".csv", ".tsv", ".txt")
ALL_PAGES = -1
Joined = Mapping[str, Mapping[int, str]]  # a JSON object by path and page


def join_metadata(table: Path | None, paths: Sequence[str]) -> dict[str, dict[int, str]]:
    """Return for each path a JSON object by page; `ALL_PAGES` where the table has no pages.

    Raises
    ------
    TableError
        The table cannot be read.
    InputError
        No row has the name of one of these files: it is the wrong table.
    """
    if table is None:
        return {}
    frame = read_metadata(table)
    # By the bare name: tables of tools do not know the folders that images were copied into.
    by_name: dict[str, dict[int, str]] = {}
    listed = name_klarf(table)
    for name, row in zip(frame.index, frame.to_dict("records"), strict=True):
        page = int(row.pop("page", ALL_PAGES))
        known = {str(key): value for key, value in row.items() if value != ""} | listed
        by_name.setdefault(str(name), {})[page] = json.dumps(known)
    joined = {path: by_name[Path(path).name] for path in paths if Path(path).name in by_name}
    get_logger().info("metadata: %d of %d images have a row in %s", len(joined), len(paths), table)
    if not joined:
        raise InputError(f"--metadata {table}: no row has the file name of an image of the source")
    return joined


def name_klarf(table: Path | None) -> dict[str, str]:
    """Return what notes that images are listed in this table, where it is a KLARF."""
    if table is None or not is_klarf(table):
        return {}
    return {KLARF_FILE: str(table.absolute())}


def note_box(text: str, box: Sequence[float], *, listed: Mapping[str, str]) -> str:
    """Note a defect's box in the metadata of its crop, and where it was listed."""
    known = {**listed, **(json.loads(text) if text else {})}
    return json.dumps({**known, DEFECT_BOX: [round(float(edge), 3) for edge in box[:4]]})


def pick_page(pages: Mapping[int, str], page: int) -> str:
    """Return what is known of one page, or of all of them, or nothing."""
    return pages.get(page, pages.get(ALL_PAGES, ""))


def count_outdated(joined: Joined, files: pd.DataFrame, rows: pd.DataFrame) -> int:
    """Count rows of the store whose metadata is not what the table says now.

    Rows are never changed once committed: a user must be told that theirs are older.
    """
    path_of = dict(zip(files["file_id"][::-1], files["path"][::-1], strict=True))  # first by name
    mine = rows[rows["file_id"].isin(list(path_of))]
    columns = (mine[name].tolist() for name in ("file_id", "page", "metadata"))
    return sum(
        _drop_notes(pick_page(joined[path_of[file_id]], page)) != _drop_notes(metadata)
        for file_id, page, metadata in zip(*columns, strict=True)
        if path_of[file_id] in joined
    )


def _drop_notes(text: str) -> str:
    # What a store notes by itself is no news: an earlier version noted nothing.
    if not any(note in text for note in NOTES):
        return text
    known = {k: v for k, v in json.loads(text).items() if k not in NOTES}
    return json.dumps(known) if known else ""


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
    if source.suffix.lower() not in LIST_SUFFIXES or not source.is_file():
        return None
    table = read_image_list(source)
    column = next((name for name in table.columns if str(name).lower() in names), None)
    if column is None:
        return None
    return {
        path: str(resolve_path(text, source.parent)) if text else ""
        for path, text in zip(table["path"], table[column], strict=True)
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
