"""Read a CSV as people and spreadsheets write it: their encodings, separators and blank rows.

All cells are text. Each row keeps its number on the screen (the header is row 1) and the line of
the file it began on, so that an error can name it; a quoted line break makes the two differ.
"""

import codecs
import csv
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import pandas as pd

from embeddings.cells import unguard_cell
from embeddings.errors import TableError

_SEPARATORS = (",", ";", "\t", "|")
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",  # what Excel calls "Unicode text"
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row that is not blank; its cells are as they were written, blanks and all."""

    cells: list[str]
    row: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table of text.

    Attributes
    ----------
    source : str
        The file, as errors name it.
    rows : DataFrame of str
    lines : tuple of int
        Of the file, on which each row began, from 1; the header is line 1.
    has_decimal_comma : bool
        12,5 may be a number: the comma does not separate cells.
    """

    source: str
    rows: pd.DataFrame
    lines: tuple[int, ...]
    has_decimal_comma: bool

    def fail(self, position: int, what: str) -> TableError:
        """Return the error of one row, for the caller to raise."""
        return TableError(f"{self.source}, line {self.lines[position]}: {what}")

    def numbers(self, column: str) -> list[float]:
        """Return a column as finite numbers.

        Raises
        ------
        TableError
            A cell is not a finite number.
        """
        found: list[float] = []
        for position, text in enumerate(self.rows[column]):
            try:
                value = float(text.replace(",", ".") if self.has_decimal_comma else text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise self.fail(position, f"{column} is {text!r}, expected a number such as 12.5")
            found.append(value)
        return found

    def paths(self, folder: Path) -> list[str]:
        """Return the column `path` as absolute paths, from `folder` where they are relative.

        Raises
        ------
        TableError
            A cell is empty.
        """
        for position, text in enumerate(self.rows["path"]):
            if not text:
                raise self.fail(position, "path is empty")
        # Whether the file is there is not looked at: a missing one is the reader's to tell.
        return [str(resolve_path(text, folder)) for text in self.rows["path"]]


def read_table(path: Path, *, required: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file with a header; every cell is text, empty where nothing was written.

    Parameters
    ----------
    path : Path
    required : sequence of str
        Columns that must be there; upper and lower case are the same, and the columns come back
        spelt as here.

    Raises
    ------
    TableError
        The file cannot be read, has no header, lacks a column, or a row has more or fewer cells
        than the header.
    """
    return read_sheet(path, required=required).rows


def read_sheet(path: Path, *, required: Sequence[str]) -> Sheet:
    """Read a CSV file as `read_table` does, with the line of each row."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    records, separator = split_records(data, str(path))
    if not records:
        columns = f" with {', '.join(required)}" if required else ""
        raise TableError(f"{path} is empty: expected a header line{columns}")
    header, *body = records  # the first that is not blank
    names = _name_columns(path, [cell.strip() for cell in header.cells], required)
    rows = [
        [unguard_cell(cell, name) for cell, name in zip(cells, names, strict=True)]
        for cells in (_fit_row(record, len(names), source=path) for record in body)
    ]
    return Sheet(
        source=str(path),
        rows=pd.DataFrame(rows, columns=names, dtype="str"),
        lines=tuple(record.line for record in body),
        has_decimal_comma=separator != ",",
    )


def read_image_list(path: Path) -> pd.DataFrame:
    """Read a CSV with a `path` column; paths are absolute or relative to the CSV's folder.

    Returns
    -------
    DataFrame of text
        `path`, absolute and each once, in the table's order, whether the file is there or not;
        and the other columns, of the first row of a path that is there several times.

    Raises
    ------
    TableError
        The file cannot be read, has no `path` column, no row, or a row without a path.
    """
    table = read_sheet(path, required=("path",))
    if not len(table.rows):
        raise TableError(f"{path} has a header and no row: expected one row an image")
    listed = table.rows.assign(path=pd.Series(table.paths(path.parent), dtype="str"))
    return listed.drop_duplicates("path").reset_index(drop=True)


def split_records(data: bytes, source: str) -> tuple[list[Record], str]:
    """Split the bytes of a CSV into its rows, the header among them, and tell the separator.

    The text is UTF-8, or UTF-16 where its first bytes say so. Rows without any text are left out,
    and so is Excel's line ``sep=;``, which it does not show.

    Raises
    ------
    TableError
        The file is not text, or a quotation mark is never closed.
    """
    text = _decode(data, source)
    # One line of the file that is no row on the screen: lines count from 2 then, rows do not.
    hidden = re.match(r"sep=(.)\r?\n", text)
    if hidden:
        text, separator = text[hidden.end() :], hidden.group(1)
    else:
        header = text.lstrip("\r\n").split("\n", 1)[0]
        # Names of columns rarely hold one; where none occurs, the comma goes first: one column.
        separator = max(_SEPARATORS, key=header.count)
    # strict: a quotation mark that never closes must not swallow the rows after it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[Record] = []
    first = line = 2 if hidden else 1
    try:
        for row, cells in enumerate(reader, start=1):
            if any(cell.strip() for cell in cells):
                records.append(Record(cells=cells, row=row, line=line))
            line = reader.line_num + first
    except csv.Error as error:
        where = f"{source}, line {reader.line_num + first - 1}"
        raise TableError(f"{where}: {error}, so it is not a table: save it as CSV UTF-8") from error
    return records, separator


def _decode(data: bytes, source: str) -> str:
    encoding = next((kind for bom, kind in _BOMS.items() if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"{source}: row {row} is not UTF-8, so its letters cannot be told: "
            "save it as CSV UTF-8 or as Unicode text"
        ) from error
    # UTF-16 without its mark, or a spreadsheet's own format: valid UTF-8 all the same.
    if "\0" in text:
        raise TableError(f"{source} is not a text file, it holds binary data: give a CSV UTF-8")
    return text


def resolve_path(text: str, folder: Path) -> Path:
    """Return the absolute path a cell means: relative to the table's folder.

    A cell written on Windows, with backslashes, means the same folders here.
    """
    named = text.replace("\\", "/") if "\\" in text and "/" not in text else text
    # normpath, not resolve(): a link keeps the name its user gave it.
    return Path(os.path.normpath(os.path.join(folder.absolute(), named)))  # noqa: PTH118


def base_name(text: str) -> str:
    """Return the file name of a path written on any system."""
    return PureWindowsPath(text).name


def _name_columns(path: Path, header: list[str], required: Sequence[str]) -> list[str]:
    """Spell the required columns as asked for; refuse missing and doubled ones."""
    while header and not header[-1]:  # spreadsheets write delimiters after the last column
        header = header[:-1]
    asked = {name.lower(): name for name in required}
    names = [asked.get(name.lower(), name) for name in header]
    missing = [name for name in required if name not in names]
    if missing:
        have = ", ".join(names)
        raise TableError(f"{path} has no column {', '.join(missing)}: its columns are {have}")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TableError(f"{path} has the column {', '.join(doubled)} twice: rename one")
    return names


def _fit_row(record: Record, n_columns: int, *, source: Path) -> list[str]:
    cells = [cell.strip() for cell in record.cells]
    if any(cells[n_columns:]) or len(cells) < n_columns:
        raise TableError(
            f"{source}, line {record.line}: {len(cells)} cells, "
            f"expected {n_columns} as in the header"
        )
    return cells[:n_columns]
