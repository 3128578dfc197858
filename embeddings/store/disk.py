"""Bytes to disk and back: files that appear whole or not at all, checksums, and plain errors.

A file is written under a temporary name in its own folder, fsynced and renamed; the folder is
fsynced by `sync_folder` before anything refers to the file. An error of the operating system
becomes one line that says what to do.
"""

import contextlib
import errno
import hashlib
import io
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from embeddings.errors import StoreCorruptError, StoreError
from embeddings.store.layout import TEMPORARY, segment_of

MISSING = "is missing"
ALTERED = "is damaged (its sha256 differs)"

# What a user can mend by making room, and by changing rights.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class DamagedFileError(StoreCorruptError):
    """One file of a store is damaged or missing.

    Attributes
    ----------
    file : str
        Name inside the store, such as ``segments/000003.faiss``.
    problem : str
    """

    def __init__(self, folder: Path, file: str, problem: str) -> None:
        self.file = file
        self.problem = problem
        segment = segment_of(file)
        where = "" if segment is None else f" (segment {segment})"
        super().__init__(
            f"{folder / file}{where} {problem}: run `{repair_command(folder)}`, then extract again"
        )


def repair_command(folder: Path) -> str:
    """Return the command that mends a store, to be pasted into a shell."""
    return f"python -m embeddings.store repair {shlex.quote(str(folder))}"


def hash_bytes(data: bytes) -> str:
    """Return the sha256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_file(file: io.FileIO) -> str:
    """Return the sha256 of an open file's whole content, in hexadecimal."""
    file.seek(0)  # read in pieces: memory does not grow with the file
    return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it appears under its name whole or not at all.

    The folder must still be synced (`sync_folder`) for the name to survive a power cut.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105  # one name for every rename of the store
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    # POSIX: renaming is atomic, but only the folder's own fsync makes it durable.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_file(folder: Path, name: str, *, sha256: str) -> bytes:
    """Read a file of a store whole and check it.

    Raises
    ------
    DamagedFileError
        The file is missing, cannot be read, or is not what was committed.
    """
    try:
        data = (folder / name).read_bytes()
    except FileNotFoundError:
        raise DamagedFileError(folder, name, MISSING) from None
    except OSError as error:
        raise unreadable(folder, name, error) from None
    if hash_bytes(data) != sha256:
        raise DamagedFileError(folder, name, ALTERED)
    return data


def unreadable(folder: Path, name: str, error: OSError) -> StoreError:
    """Tell a file that may not be read (not damaged) from one the disk cannot give back."""
    if error.errno in _FORBIDDEN:
        return StoreError(f"{folder / name} may not be read ({error.strerror}): check its rights")
    return DamagedFileError(folder, name, f"cannot be read ({error.strerror})")


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the operating system while writing into one line.

    Raises
    ------
    StoreError
        The disk is full, the folder is read-only, or whatever the system said.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {_explain(error)}") from error


def _explain(error: OSError) -> str:
    if error.errno in _FULL:
        return "no space left on the disk; free some and run again, what was committed is kept"
    if error.errno in _FORBIDDEN:
        return f"{error.strerror}; check the rights of the folder or use another one"
    return f"{error.strerror or error}; what was committed is kept"
