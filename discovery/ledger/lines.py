"""The lines of decisions.jsonl: written in one piece and synced, each with its checksum.

What is read is what can be proved: a damaged line is named, kept aside in ``decisions.damaged`` and
does not count, and what follows does. A torn end goes to ``decisions.torn`` before the next line is
written. Nothing is ever deleted.
"""

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from io import FileIO
from pathlib import Path
from typing import Any

from discovery.records import Decision
from embeddings.bounded import parse_json
from embeddings.chain import (
    FIELD,
    ChainReader,
    NewerLineError,
    Reading,
    chain_lines,
    find_link,
    keep_aside,
    read_head,
    warn_of_faults,
    write_head,
)
from embeddings.errors import RunError
from embeddings.locks import locked
from embeddings.paths import takes_paths

_FIELDS = {field.name: field for field in fields(Decision)}
# An earlier version wrote these and no others: its lines and ours are the same where they can be.
_ALWAYS = frozenset(list(_FIELDS)[:8])


@takes_paths
def append_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """Append decisions in one write and put them on the disk.

    A last line torn by a crash is moved to ``decisions.torn`` first: its writer was never told it
    was kept.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    if decisions:
        with writing(path) as file:
            write_decisions(file, decisions)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[FileIO]:
    """Open a ledger for `write_decisions`, alone among processes.

    Raises
    ------
    RunError
        The file cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        try:
            # Unbuffered: what a full disk refused must not be tried again when it is closed.
            file = stack.enter_context(path.open("ab", buffering=0))
            stack.enter_context(locked(path))
        except OSError as error:
            raise _refuse(path, error) from error
        yield file


def write_decisions(file: FileIO, decisions: Sequence[Decision]) -> bytes:
    """Write to a ledger that is held by `writing`, and return what was written.

    Raises
    ------
    RunError
        The disk is full; the ledger is as it was.
    """
    path = Path(str(file.name))
    try:
        end, missing, torn = _find_end(path)
        if torn:
            keep_aside(path.with_suffix(".torn"), [torn])
        link = find_link(path, end, parse_decision, missing=missing)
        data, link = chain_lines(map(_format_decision, decisions), link)
        try:
            file.truncate(end)
            _write_all(file, missing + data)
        except OSError:
            # Half of what a full disk refused must not stand before what comes next.
            os.truncate(path, end)
            raise
        write_head(path, link)
    except OSError as error:
        raise _refuse(path, error) from error
    return missing + data


@takes_paths
def read_decisions(path: Path) -> list[Decision]:
    """Read the ledger; one that does not exist is empty.

    What is damaged or torn is left out, and told in one line.

    Raises
    ------
    RunError
        It cannot be read, or a newer version wrote it.
    """
    try:
        head = read_head(path)
        data = path.read_bytes() if path.exists() else b""
        reader = ChainReader(parse_decision)
        reading = parse_decisions(data, path, reader)
        if reading.used < len(data):
            # Torn, or being written just now: whoever writes is waited for.
            with locked(path):
                data = path.read_bytes()
            reader = ChainReader(parse_decision)
            reading = parse_decisions(data, path, reader)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    reading.is_cut = not reader.has(head)
    warn_of_faults(path, reading, is_torn=reading.used < len(data))
    return reading.values


def parse_decisions(
    data: bytes, path: Path, reader: ChainReader[Decision] | None = None
) -> Reading[Decision]:
    """Parse lines, and say how many bytes they are: what is behind was torn, or is being written.

    Parameters
    ----------
    path : Path
        Where they are from, for the message.
    reader : ChainReader, optional
        Has read what is in front of them.

    Raises
    ------
    RunError
        A newer version of the program wrote them.
    """
    try:
        return (reader or ChainReader(parse_decision)).read(data)
    except NewerLineError as error:
        raise RunError(f"{path}, {error}") from error


def parse_decision(line: bytes) -> Decision:
    """Parse one line; raises a ValueError or TypeError where it is none."""
    values: Any = parse_json(line)
    if not isinstance(values, dict) or values.keys() - _FIELDS.keys() - {FIELD}:
        raise ValueError("not a decision")
    values.pop(FIELD, None)
    values["image_ids"] = tuple(values.get("image_ids", ()))
    if "parts" in values:
        values["parts"] = {name: tuple(ids) for name, ids in dict(values["parts"]).items()}
    return Decision(**values)


def _format_decision(decision: Decision) -> str:
    values = {name: getattr(decision, name) for name in _FIELDS}
    kept = {
        name: value
        for name, value in values.items()
        if name in _ALWAYS or not _is_default(name, value)
    }
    return json.dumps(kept, ensure_ascii=False, allow_nan=False)


def _is_default(name: str, value: Any) -> bool:
    field = _FIELDS[name]
    return bool(value == field.default) if field.default is not MISSING else not value


def _write_all(file: FileIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())


def _find_end(path: Path) -> tuple[int, bytes, bytes]:
    """Say where the next line starts, which line break is missing before it, and what is torn."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        if file.read(1) in (b"\n", b""):
            return size, b"", b""  # nearly always: nothing was torn
        file.seek(0)
        data = file.read()
    used = parse_decisions(data, path).used
    if used == len(data):
        return used, b"\n", b""  # only the line break was lost
    return used, b"", data[used:]


def _refuse(path: Path, error: OSError) -> RunError:
    return RunError(f"cannot write {path}: {error.strerror}; nothing was recorded")
