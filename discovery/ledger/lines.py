"""The lines of decisions.jsonl: written in one piece and synced, read with a torn end left out."""

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
from embeddings.console import get_logger
from embeddings.errors import RunError
from embeddings.locks import locked

_FIELDS = {field.name: field for field in fields(Decision)}
# An earlier version wrote these and no others: its lines and ours are the same where they can be.
_ALWAYS = frozenset(list(_FIELDS)[:8])


def append_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """Append decisions in one write and put them on the disk.

    A last line torn by a crash is taken away first: its writer was never told it was kept.

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


def write_decisions(file: FileIO, decisions: Sequence[Decision]) -> int:
    """Write to a ledger that is held by `writing`, and return where it ends now, in bytes.

    Raises
    ------
    RunError
        The disk is full; the ledger is as it was.
    """
    path = Path(str(file.name))
    data = "".join(_format_decision(decision) + "\n" for decision in decisions).encode()
    try:
        end, missing = _find_end(path)
        try:
            file.truncate(end)
            _write_all(file, missing + data)
        except OSError:
            # Half of what a full disk refused must not stand before what comes next.
            os.truncate(path, end)
            raise
    except OSError as error:
        raise _refuse(path, error) from error
    return end + len(missing) + len(data)


def read_decisions(path: Path) -> list[Decision]:
    """Read the ledger; one that does not exist is empty. A torn last line is left out and logged.

    Raises
    ------
    RunError
        Any other line cannot be read; names it.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
        decisions, used = parse_decisions(data, path)
        if used < len(data):
            # Torn, or being written just now: whoever writes is waited for.
            with locked(path):
                data = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    if used < len(data):
        decisions, used = parse_decisions(data, path)
    if used < len(data):
        warn_of_torn_line(path)
    return decisions


def warn_of_torn_line(path: Path) -> None:
    """Say that a ledger's last line is left out."""
    get_logger().warning("%s: the last line was torn by a crash, left out", path)


def parse_decisions(data: bytes, path: Path, *, first: int = 1) -> tuple[list[Decision], int]:
    """Parse lines, and say how many bytes they are: what is behind was torn, or is being written.

    Parameters
    ----------
    path : Path
        Where they are from, for the message.
    first : int
        The number of the first line in its file.

    Raises
    ------
    RunError
        A line that ends cannot be read.
    """
    lines = data.split(b"\n")
    decisions = []
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue  # after the last line break
        try:
            decisions.append(_parse_decision(line))
        except (ValueError, TypeError) as error:
            if number == first + len(lines) - 1:
                return decisions, len(data) - len(line)
            raise RunError(
                f"{path}, line {number} cannot be read ({error}): restore it from a copy"
            ) from error
    return decisions, len(data)


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


def _parse_decision(line: bytes) -> Decision:
    values: Any = json.loads(line)
    if not isinstance(values, dict) or values.keys() - _FIELDS.keys():
        raise ValueError("not a decision")
    values["image_ids"] = tuple(values.get("image_ids", ()))
    if "parts" in values:
        values["parts"] = {name: tuple(ids) for name, ids in dict(values["parts"]).items()}
    return Decision(**values)


def _write_all(file: FileIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())


def _find_end(path: Path) -> tuple[int, bytes]:
    """Return where the next line starts in the ledger, and the line break missing before it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        if file.read(1) in (b"\n", b""):
            return size, b""  # nearly always: nothing was torn
        file.seek(0)
        data = file.read()
    whole = data.rfind(b"\n") + 1
    try:
        _parse_decision(data[whole:])
    except (ValueError, TypeError):
        return whole, b""  # a torn line
    return len(data), b"\n"  # only the line break was lost


def _refuse(path: Path, error: OSError) -> RunError:
    return RunError(f"cannot write {path}: {error.strerror}; nothing was recorded")
