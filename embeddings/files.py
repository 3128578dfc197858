"""Files that are whole or not there: written under a temporary name, synced, then renamed.

Used for everything a run folder or an export holds. `locked` keeps two processes from
rewriting the same file at once.
"""

import contextlib
import csv
import fcntl
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from embeddings.errors import InputError, OptionError

_TEMPORARY = re.compile(r"^\..+\.(\d+)\.tmp$")
_BLOCK = 1 << 20  # bytes read at once while hashing


def hash_bytes(data: bytes) -> str:
    """Return the sha256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's bytes as 64 hex digits, reading 1 MiB at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes its place when the block ends well.

    Raises
    ------
    InputError
        The folder cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync_path(temporary)
        temporary.replace(path)
        sync_path(path.parent)  # the rename itself must survive a power cut
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path}: {reason}; choose a writable place") from error
    finally:
        with contextlib.suppress(OSError):  # gone after the rename
            temporary.unlink(missing_ok=True)


def check_place(path: Path, source: Path) -> None:
    """Refuse, before the work, a place where --out cannot or must not be written.

    Parameters
    ----------
    path : Path
        The file to write.
    source : Path
        What is read; it may be absent.

    Raises
    ------
    OptionError
        `path` is a folder, lies below a file, or is the source itself.
    """
    if path.is_dir():
        raise OptionError(f"--out {path} is a folder, expected a file")
    if path.exists() and source.exists() and path.samefile(source):
        raise OptionError(f"--out {path} is what is read: it would be lost, choose another name")
    for place in path.absolute().parents:
        if place.exists() and not place.is_dir():
            raise OptionError(f"--out {path}: {place} is a file, expected a folder")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically.

    Raises
    ------
    InputError
        The folder cannot be written to, or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def format_csv(rows: Iterable[Sequence[str]]) -> bytes:
    r"""Return rows as CSV in UTF-8; the csv module reads back every text as it was.

    Its writer does not: with ``\n`` as the end of a line it leaves a lone ``\r`` unquoted.
    """
    lines = [",".join(_quote(cell) for cell in row) for row in rows]
    return "".join(line + "\n" for line in lines).encode()


def parse_csv(data: bytes) -> list[dict[str, str]]:
    """Return the rows of what `format_csv` wrote, each by the names in its first row."""
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def _quote(cell: str) -> str:
    if any(mark in cell for mark in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def sync_path(path: Path) -> None:
    """Ask the kernel to put a file or folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file or folder; the kernel frees it when the process dies."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Tell whether a file name is one that `replacing` makes."""
    return _TEMPORARY.match(name) is not None


def sweep_temporary(folder: Path) -> None:
    """Remove temporary files left by processes that are no longer there."""
    for entry in folder.iterdir():
        match = _TEMPORARY.match(entry.name)
        if match and not _is_alive(int(match.group(1))):
            entry.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs as another user
    return True
