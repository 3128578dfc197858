"""Read a table as people and spreadsheets write it: CSV of any country, or a workbook.

All cells are text. Each row keeps its number on the screen (the header is row 1) and the line of
the file it began on, so that an error can name it; a quoted line break makes the two differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from embeddings.cells import unguard_cell
from embeddings.errors import TableError
from embeddings.tables.csv_rows import Record, split_csv
from embeddings.tables.decimals import (
    Spelling,
    may_be_two,
    read_number,
    respell_column,
    tell_file_spelling,
)
from embeddings.tables.locate import Locator
from embeddings.tables.workbook import is_workbook, read_workbook

# Of tables, as files that list images.
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls", ".ods")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of text.

    Attributes
    ----------
    source : str
        The file, as errors name it.
    rows : DataFrame of str
    lines : tuple of int
        Of the file, on which each row began, from 1; the header is line 1.
    """

    source: str
    rows: pd.DataFrame
    lines: tuple[int, ...]

    @cached_property
    def spelling(self) -> Spelling | None:
        """What the decimal sign is by those columns that tell it; None where they do not."""
        return tell_file_spelling([self._cells(name) for name in self.rows.columns])

    def _cells(self, column: str) -> list[str]:
        return [str(cell) for cell in self.rows[column].unique()]

    def fail(self, position: int, what: str) -> TableError:
        """Return the error of one row, for the caller to raise."""
        return TableError(f"{self.source}, line {self.lines[position]}: {what}")

    def numbers(self, column: str) -> list[float]:
        """Return a column as finite numbers.

        Raises
        ------
        TableError
            A cell is not a finite number, or may be one of two.
        """
        cells = self.rows[column].tolist()
        spelt, _ = respell_column(cells, of_file=self.spelling)
        found: list[float] = []
        for position, (text, plain) in enumerate(zip(cells, spelt, strict=True)):
            value = read_number(plain, "point" if plain != text else None)
            if value is None and may_be_two(text) and "," not in text:
                value = read_number(text, "point")
            if value is None:
                why = ""
                if may_be_two(text):
                    why = " (with a decimal comma or a mark of thousands? write it without)"
                raise self.fail(
                    position, f"{column} is {text[:40]!r}, expected a number such as 12.5{why}"
                )
            found.append(value)
        return found

    def respell(self, columns: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
        """Return columns with their numbers written as 12.5, whatever country they are of.

        Returns
        -------
        DataFrame of str
            A column that is not all numbers, or whose numbers may be two each, is as it was.
        list of str
            What a person must know, a line a column.
        """
        spelt: dict[str, list[str]] = {}
        words: list[str] = []
        for name in columns:
            cells = self.rows[name].tolist()
            spelt[name], doubtful = respell_column(cells, of_file=self.spelling)
            if doubtful and spelt[name] == cells:
                words.append(
                    f"column {name} is kept as text: {doubtful} has a decimal comma or a mark of "
                    "thousands, and no cell tells which; write it without"
                )
            elif doubtful:
                read = spelt[name][cells.index(doubtful)]
                words.append(f"column {name}: {doubtful} is read as {read}, as other columns tell")
        return pd.DataFrame(spelt, index=self.rows.index, dtype="str"), words

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
        # A missing one is the reader's to tell.
        return Locator(folder).locate_all(self.rows["path"].tolist())


def read_table(path: Path, *, required: Sequence[str]) -> pd.DataFrame:
    """Read a table with a header; every cell is text, empty where nothing was written.

    Parameters
    ----------
    path : Path
        A CSV, or an .xlsx workbook: its first sheet with the columns.
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
    """Read a table as `read_table` does, with the line of each row."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    source = str(path)
    records = split_records(data, source, required=required)
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
        source=source,
        rows=pd.DataFrame(rows, columns=names, dtype="str"),
        lines=tuple(record.line for record in body),
    )


def read_image_list(path: Path) -> pd.DataFrame:
    """Read a table with a `path` column; paths are absolute or relative to the table's folder.

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


def split_records(data: bytes, source: str, *, required: Sequence[str] = ()) -> list[Record]:
    """Split the bytes of a table into its rows, the header among them; blank ones are left out.

    Of a workbook the first sheet that has the required columns counts, else the first with a row.

    Raises
    ------
    TableError
        The file is neither text nor a workbook, or damaged.
    """
    if not is_workbook(data):
        return split_csv(data, source)[0]
    sheets = [records for records in read_workbook(data, source).values() if records]
    wanted = {name.lower() for name in required}
    fitting = (one for one in sheets if wanted <= {c.strip().lower() for c in one[0].cells})
    records = next(fitting, sheets[0] if sheets else [])
    width = max((len(record.cells) for record in records), default=0)
    # Rows of a workbook end with their last cell.
    return [
        Record(cells=one.cells + [""] * (width - len(one.cells)), row=one.row, line=one.line)
        for one in records
    ]


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
