"""Read a CSV as people write it: with or without a BOM, and commas, semicolons or tabs.

All cells are text. Each row keeps the line it stood on, so that an error can name it.
"""

import codecs
import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import pandas as pd

from embeddings.errors import TableError

_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of text, with the line of the file each row began on.

    Attributes
    ----------
    source : str
        The file, as errors name it.
    rows : DataFrame of str
    lines : tuple of int
        One a row, from 1; the header is line 1.
    """

    source: str
    rows: pd.DataFrame
    lines: tuple[int, ...]

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
                value = float(text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise self.fail(position, f"{column} is {text!r}, expected a number such as 12.5")
            found.append(value)
        return found


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
    return read_located(path, required=required).rows


def read_located(path: Path, *, required: Sequence[str]) -> Table:
    """Read a CSV file as `read_table` does, with the line of each row."""
    text = read_text(path)
    header_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        start = 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append([cell.strip() for cell in cells])
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: {error}") from error
    if not rows:
        raise TableError(f"{path} is empty: expected a header line with {', '.join(required)}")
    names = _name_columns(path, rows[0], required)
    body = [
        _fit_row(cells, len(names), where=f"{path}, line {line}")
        for cells, line in zip(rows[1:], lines[1:], strict=True)
    ]
    frame = pd.DataFrame(body, columns=names, dtype="str")
    return Table(source=str(path), rows=frame, lines=tuple(lines[1:]))


def read_text(path: Path) -> str:
    """Return the text of a file: UTF-8, or UTF-16 where its first bytes say so (Excel).

    Raises
    ------
    TableError
        The file cannot be read, or is not text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableError(f"{path}, line {line}: not UTF-8 text; save it as CSV UTF-8") from error
    if "\0" in text:
        raise TableError(f"{path} is not a text file: give a CSV")
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


def _fit_row(cells: list[str], n_columns: int, *, where: str) -> list[str]:
    extra = [cell for cell in cells[n_columns:] if cell]
    if extra or len(cells) < n_columns:
        raise TableError(f"{where}: {len(cells)} cells, expected {n_columns} as in the header")
    return cells[:n_columns]
