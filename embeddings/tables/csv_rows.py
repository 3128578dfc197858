"""The rows of a CSV as people and spreadsheets write it: encodings, separators, blank rows."""

import codecs
import csv
import io
import re
import shlex
from dataclasses import dataclass

from embeddings.errors import TableError

_SEPARATORS = (",", ";", "\t", "|")
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",  # what Excel calls "Unicode text"
    codecs.BOM_UTF16_BE: "utf-16",
}
_HINT = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\n|\r)', re.IGNORECASE)
# What people take for a table, by how it begins, and what to do with it.
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls) or one with a password"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x1f\x8b", "a compressed file"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a text document (RTF)"),
)
_MARKUP = re.compile(rb"\s*<(?:\?xml|!doctype|html|table|meta|head)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row that is not blank; its cells are as they were written, blanks and all."""

    cells: list[str]
    row: int
    line: int


def split_csv(data: bytes, source: str) -> tuple[list[Record], str]:
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
    hidden = _HINT.match(text)
    if hidden:
        text, separator = text[hidden.end() :], hidden.group(1)
    else:
        header = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
        bare = re.sub(r'"[^"]*"', "", header)  # a name in quotes may hold any of them
        # Names of columns rarely hold one; where none occurs, the comma goes first: one column.
        separator = max(_SEPARATORS, key=bare.count)
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
    other = next((what for start, what in _OTHERS if data.startswith(start)), "")
    if not other and _MARKUP.match(data[:256].removeprefix(codecs.BOM_UTF8)):
        other = "a web page or XML, whatever its name"
    if other:
        raise TableError(f"{source} is {other}: save it as .xlsx or as CSV UTF-8")
    encoding = next((kind for bom, kind in _BOMS.items() if data.startswith(bom)), "utf-8")
    if encoding == "utf-8" and data[1:4:2] == b"\0\0" and b"\0" not in data[0:4:2]:
        encoding = "utf-16-le"  # as Excel writes it, its mark cut off by a program between
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        # Not guessed: the encodings of one byte a letter have other letters for the same bytes.
        shell = f"iconv -f WINDOWS-1252 -t UTF-8 {shlex.quote(source)} > utf8.csv"
        western = "" if encoding != "utf-8" else f"; of a Western Windows, {shell} does it, too"
        raise TableError(
            f"{source}: row {row} is not UTF-8, so its letters cannot be told: save it as CSV "
            f"UTF-8 or as Unicode text in the program that wrote it{western}"
        ) from error
    # A program's own format: valid UTF-8 all the same.
    if "\0" in text:
        raise TableError(f"{source} is not a text file, it holds binary data: give a CSV UTF-8")
    return text
