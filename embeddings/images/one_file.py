"""One file's bytes: those that are hashed are those that are decoded.

A microscope or a copying program may write a file again between the two. Small files are held in
memory, hashed and decoded there; of a large one the open handle is hashed, and may not change
while its pages are read.
"""

import functools
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from embeddings.errors import ImageChangedError, ImageError
from embeddings.files import hash_bytes, hash_file
from embeddings.images.picture import name_damage
from embeddings.odd_names import real_path

_HELD_BYTES = 32_000_000  # of a file that is held while its pages are read
_FINGERPRINT = 16  # hex digits

_Stamp = tuple[int, int, int, int, int]  # what tells that an open file was written to


class OneFile:
    """An open image file; see `open`."""

    def __init__(self, path: Path, handle: io.BufferedReader) -> None:
        self._path, self._handle = path, handle
        self._stamp = _stamp(handle)
        self._is_held = False
        self.size = self._stamp[2]
        self.head = handle.read(16)

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open a regular file.

        Raises
        ------
        ImageError
            It cannot be read.
        """
        try:
            handle = real_path(path).open("rb")
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror or error}") from error
        with handle:
            with name_damage("cannot be read"):
                file = cls(path, handle)
            yield file

    def read(self, file_id: str = "") -> bytes:
        """Return all bytes, which must have this fingerprint where one is given.

        Raises
        ------
        ImageChangedError
            They have another one.
        """
        with name_damage("cannot be read"):
            self._handle.seek(0)
            data = self._handle.read()
        if file_id and hash_bytes(data)[:_FINGERPRINT] != file_id:
            raise _tell_change()
        return data

    def check(self, file_id: str = "") -> BinaryIO:
        """Return the open file, or its bytes in memory, after a look at the fingerprint.

        Raises
        ------
        ImageChangedError
            It is another one than the one given.
        """
        if self.size <= _HELD_BYTES:
            self._is_held = True
            return io.BytesIO(self.read(file_id))
        if file_id:
            with name_damage("cannot be read"):
                found = _hash_once(self._path, self._stamp)
            if found[:_FINGERPRINT] != file_id:
                raise _tell_change()
        return self._handle

    def check_unchanged(self) -> None:
        """Refuse what was decoded of a large file that was written to since it was opened.

        Raises
        ------
        ImageChangedError
            It was.
        """
        if not self._is_held and _stamp(self._handle) != self._stamp:
            raise _tell_change()


@functools.lru_cache(maxsize=256)
def _hash_once(path: Path, stamp: _Stamp) -> str:
    """Return the sha256 of a large file: its pages may be looked at one by one."""
    with real_path(path).open("rb") as handle:
        if _stamp(handle) != stamp:
            return ""
        found = hash_file(handle)
        return found if _stamp(handle) == stamp else ""


def _stamp(handle: BinaryIO) -> _Stamp:
    status = os.fstat(handle.fileno())
    return (
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns,
    )  # fmt: skip


def _tell_change() -> ImageChangedError:
    return ImageChangedError(
        "its bytes are not those that were listed: it was written to meanwhile, or has changed "
        "since; run the command again when nobody writes to it"
    )
