"""A store's folder: the names of its files, its lock, and what can be wrong with one of them.

Everything a commit writes carries the commit's number, so no file is ever written twice:
readers of an older commit keep reading the files they know.
"""

import contextlib
import errno
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embeddings.errors import StoreCorruptError, StoreError, StoreLockedError
from embeddings.files import hash_bytes
from embeddings.litter import strip_temporary
from embeddings.locks import HeldError, holding

MANIFEST = "store.json"
LOCK = "lock"
QUARANTINE = "quarantine.csv"
BANK = "bank.npz"
SEGMENTS = "segments"
PATHS = "paths"
NOTES = "notes"  # metadata that were given after the vectors
DAMAGED = "damaged"  # where repair puts files aside

NEXT = ".next"  # a sidecar that is committed but not yet under its own name

# Six digits sort by name up to a million commits; later ones are longer, and still ours.
_NUMBERED = re.compile(
    r"(?:segments/(\d{6,})\.(?:faiss|parquet)|(?:paths|notes)/(\d{6,})\.parquet)"
)
_OURS = re.compile(
    r"(segments/\d{6,}\.(faiss|parquet)|(?:paths|notes)/\d{6,}\.parquet|store\.json"
    r"|(quarantine\.csv|bank\.npz)(\.next)?)(\.tmp)?"  # version 0.1 wrote NAME.tmp
)

MISSING = "is missing"
ALTERED = "is damaged (its sha256 differs)"

# What a user can mend by making room, and by changing rights.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def name_codes(number: int) -> str:
    """Return the name of a segment's vectors."""
    return f"{SEGMENTS}/{number:06d}.faiss"


def name_rows(number: int) -> str:
    """Return the name of a segment's rows."""
    return f"{SEGMENTS}/{number:06d}.parquet"


def name_paths(number: int) -> str:
    """Return the name of a commit's part of the log of files."""
    return f"{PATHS}/{number:06d}.parquet"


def name_notes(number: int) -> str:
    """Return the name of a commit's part of the metadata that were given later."""
    return f"{NOTES}/{number:06d}.parquet"


def number_of(name: str) -> int | None:
    """Return the commit that wrote a file, or None for a file that is not numbered."""
    match = _NUMBERED.fullmatch(name)
    return int(match[1] or match[2]) if match else None


def segment_of(name: str) -> int | None:
    """Return the segment a file belongs to, or None for a file that belongs to none."""
    return number_of(name) if name.startswith(SEGMENTS) else None


def list_ours(folder: Path) -> list[str]:
    """List the regular files that bear a name we give, sorted; anything else is not ours."""
    found = []
    for inner in ("", f"{SEGMENTS}/", f"{PATHS}/", f"{NOTES}/"):
        part = folder / inner
        found += [
            f"{inner}{file.name}"
            for file in (part.iterdir() if part.is_dir() else ())
            if file.is_file() and _OURS.fullmatch(inner + strip_temporary(file.name))
        ]
    return sorted(found)


@contextlib.contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold the store's lock for the length of a `with` block.

    Raises
    ------
    StoreLockedError
        Another process (or another writer of this one) holds it; the text names it.
    StoreError
        The folder cannot be written.
    """
    # A stack, because errors of the caller's block are not errors of taking the lock.
    with contextlib.ExitStack() as stack:
        with storage_errors(folder):
            try:
                stack.enter_context(holding(folder / LOCK))
            except HeldError as error:
                raise StoreLockedError(
                    f"{folder} is being written by {error.strerror}: {error.advice}"
                ) from None
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFault:
    """One thing that is wrong.

    Attributes
    ----------
    file : str
        Name inside the store, such as ``segments/000003.faiss``.
    kind : {"damaged", "missing", "leftover"}
        A leftover of an interrupted writer is harmless: the next writer removes it.
    problem : str
    """

    file: str
    kind: Literal["damaged", "missing", "leftover"]
    problem: str

    @property
    def segment(self) -> int | None:
        """Number of the segment the file belongs to, if any."""
        return segment_of(self.file)

    def __str__(self) -> str:
        where = "" if self.segment is None else f" (segment {self.segment})"
        return f"{self.file}{where} {self.problem}"


class DamagedFileError(StoreCorruptError):
    """One file of a store is damaged or missing; `fault` tells which and how."""

    def __init__(self, folder: Path, file: str, problem: str) -> None:
        kind: Literal["missing", "damaged"] = "missing" if problem == MISSING else "damaged"
        self.fault = StoreFault(file=file, kind=kind, problem=problem)
        super().__init__(
            f"{folder}/{self.fault}: run `{repair_command(folder)}`, then extract again"
        )


def repair_command(folder: Path) -> str:
    """Return the command that mends a store, to be pasted into a shell."""
    return f"python -m embeddings.store repair {shlex.quote(str(folder))}"


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
    # Repair would put the file aside: wrong where it is only the reader's rights.
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
        raise StoreError(f"{folder} cannot be written: {_explain(error, folder)}") from error


def _explain(error: OSError, folder: Path) -> str:
    if error.errno in _FORBIDDEN:
        return f"{error.strerror}; check the rights of the folder or use another one"
    kept = "; what was committed is kept" if _has_commits(folder) else ""
    if error.errno in _FULL:
        return f"no space left on the disk; free some and run again{kept}"
    return f"{error.strerror or error}{kept}"


def _has_commits(folder: Path) -> bool:
    """Tell whether the manifest names a segment, without reading more into it."""
    with contextlib.suppress(OSError):
        return b'"sha256_faiss"' in (folder / MANIFEST).read_bytes()
    return False
