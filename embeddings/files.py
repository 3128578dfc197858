"""Files that are whole or not there, and what goes with them: hashes, seals, CSV.

The one place that knows how bytes reach the disk. A file is written under a temporary name,
synced, and renamed, and then its folder is synced: before the rename nothing is visible, after
it nothing is lost, wherever the process or the machine stops.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embeddings.cells import guard_cell, unguard_cell
from embeddings.errors import InputError, OptionError
from embeddings.litter import name_temporary, sweep_once

FAULT_COLUMNS = ("path", "reason")
_HEAD_BYTES = 16_384  # of a file that is to be replaced: a header, or a page's head


def hash_bytes(data: bytes) -> str:
    """Return the sha256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def hash_file(file: Path | io.BufferedReader | io.FileIO) -> str:
    """Return the sha256 of a file's whole content as 64 hex digits, in bounded memory.

    An open file is read from its start, and left at its end.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return hash_file(opened)
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(values: Any) -> str:
    """Return the sha256 of JSON-ready values, the same whatever the order of their keys."""
    return hash_bytes(json.dumps(values, sort_keys=True).encode())


def seal(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON-ready values with ``sha256`` over all the others, whatever their order."""
    body = {key: value for key, value in values.items() if key != "sha256"}
    return {**body, "sha256": hash_json(body)}


def is_sealed(values: Any) -> bool:
    """Tell whether values read back from JSON are what `seal` returned."""
    return isinstance(values, dict) and "sha256" in values and seal(values) == values


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically, and its folder where that is absent.

    Raises
    ------
    InputError
        The folder cannot be written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_bytes(path, data)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path}: {reason}; choose a writable place") from error


def put_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically as `write_bytes`, for callers with an error text of their own.

    Raises
    ------
    OSError
        As the system says it.
    """
    sweep_once(path.parent)
    temporary = name_temporary(path)
    try:
        temporary.write_bytes(data)
        sync_path(temporary)
        temporary.replace(path)
        sync_path(path.parent)  # the rename itself must survive a power cut
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)


def sync_path(path: Path) -> None:
    """Ask the kernel to put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_writable(folder: Path) -> bool:
    """Tell whether files can be made in a folder, as far as its rights and its disk say."""
    return os.access(folder, os.W_OK | os.X_OK)


def check_out_file(path: Path, source: Path | None, *, begins: bytes, flag: str = "--out") -> None:
    """Refuse, before the work, a place where --out cannot or must not be written.

    What is there is replaced only where it is of the kind that is written: pictures, tables and a
    run's own files, whether they are read or not, are nobody's to lose by a slip of the keyboard.

    Parameters
    ----------
    path : Path
        The file to write.
    source : Path or None
        What is read; it may be absent.
    begins : bytes
        Regular expression of the first bytes of what is written; `match_header` makes one.
    flag : str
        The option that names `path`.

    Raises
    ------
    OptionError
        `path` is a folder, lies below a file, is the source itself, or holds something else.
    """
    if path.is_dir():
        raise OptionError(f"{flag} {path} is a folder, expected a file")
    if path.exists() and source is not None and source.exists() and path.samefile(source):
        raise OptionError(f"{flag} {path} is what is read: it would be lost, choose another name")
    for place in path.absolute().parents:
        if place.exists() and not place.is_dir():
            raise OptionError(f"{flag} {path}: {place} is a file, expected a folder")
    if path.exists() and not _begins(path, begins):
        raise OptionError(
            f"{flag} {path} is there and is not what this command writes: it would be lost, choose "
            "another name, or remove it first"
        )


def _begins(path: Path, pattern: bytes) -> bool:
    """Tell whether a file is empty or begins so; a device or a pipe is never written over."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return not head or re.match(pattern, head) is not None


def match_header(columns: Sequence[str], *, more: str = "") -> bytes:
    """Return a regular expression of the first line of what `format_csv` writes.

    Parameters
    ----------
    columns : sequence of str
    more : str
        Regular expression of the further columns, with the comma before them.
    """
    return re.escape(format_csv_row(columns)).encode() + more.encode() + rb"\n"


def format_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows, the names of the columns first, as CSV in UTF-8; `parse_csv` reads them back.

    What a spreadsheet would run is made harmless (`embeddings.cells`). A file name that is not
    UTF-8 keeps its bytes.
    """
    header, *body = rows
    lines = [format_csv_row(header), *(format_csv_row(row, header) for row in body)]
    return "".join(line + "\n" for line in lines).encode(errors="surrogateescape")


def format_csv_row(cells: Sequence[str], columns: Sequence[str] = ()) -> str:
    r"""Return one row as a line of CSV, without its end; without `columns` it is the header.

    The csv module's writer is not used: with ``\n`` as the end of a line it leaves a lone ``\r``
    unquoted.
    """
    if columns:
        cells = [guard_cell(cell, name) for cell, name in zip(cells, columns, strict=True)]
    return ",".join(map(_quote, cells))


def format_faults(faults: Iterable[tuple[str, str]]) -> bytes:
    """Return a quarantine's CSV: `path,reason` of each file that could not be used."""
    return format_csv([FAULT_COLUMNS, *faults])


def parse_csv(data: bytes) -> list[dict[str, str]]:
    """Return the rows of what `format_csv` wrote, each by the names in its first row."""
    header, *rows = parse_csv_rows(data) or [[]]
    return [dict(zip(header, row, strict=False)) for row in rows]


def parse_csv_rows(data: bytes) -> list[list[str]]:
    """Return the rows of what `format_csv` wrote, the names of the columns first."""
    text = io.StringIO(data.decode(errors="surrogateescape"), newline="")
    header, *rows = [row for row in csv.reader(text) if row] or [[]]
    # What is beyond the header is for the caller to refuse.
    names = header + [""] * max((len(row) - len(header) for row in rows), default=0)
    return [
        header,
        *(
            [unguard_cell(cell, name) for cell, name in zip(row, names, strict=False)]
            for row in rows
        ),
    ]


def _quote(cell: str) -> str:
    if any(mark in cell for mark in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
