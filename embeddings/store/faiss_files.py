"""The vectors of one segment: a FAISS file written by FAISS, and read without it.

FAISS writes an index as a short header, the number of codes, and the codes row by row. They
are read from the file straight into the result: plain reads, so that memory is bounded by the
result, a disk error is an exception (a memory map would kill the process), and a process that
only reads never loads FAISS. `faiss.read_index` reads the same files.
"""

import io
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.files import hash_file
from embeddings.store.folder import ALTERED, MISSING, DamagedFileError, name_codes, unreadable
from embeddings.store.manifest import SegmentEntry, VectorDtype
from embeddings.threads import map_in_threads

_CODE_DTYPE: dict[VectorDtype, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "fp16": np.dtype("<f2"),
}
_TAG = {"float32": b"IxF2", "fp16": b"IxSQ"}  # IndexFlatL2, IndexScalarQuantizer

BLOCK_ROWS = 8192  # 64 MiB of 2048-d float32

_UNIT_TOLERANCE = 2e-3  # of a row's length; fp16 storage rounds to about 5e-4

# Files already checked by this process, by identity, time, size and checksum.
_verified: set[tuple[int, int, int, int, str]] = set()


def encode_codes(values: NDArray[np.float32], dtype: VectorDtype) -> bytes:
    """Return the bytes of a FAISS index of (n, d) vectors."""
    import faiss  # half a second and 200 MB: only writers pay

    d = values.shape[1]
    index = (
        faiss.IndexFlatL2(d)
        if dtype == "float32"
        else faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2)
    )
    index.add(np.ascontiguousarray(values))
    data: bytes = faiss.serialize_index(index).tobytes()
    return data


def find_bad_rows(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the positions of rows of an (n, d) array that are not finite unit rows."""
    lengths = np.sqrt(np.einsum("nd,nd->n", values, values))  # (n,)
    return np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT_TOLERANCE))  # NaN compares false


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesFile:
    """The vectors of one committed segment.

    Attributes
    ----------
    folder : Path
        The store.
    entry : SegmentEntry
    dim : int
    dtype : {"float32", "fp16"}
    """

    folder: Path
    entry: SegmentEntry
    dim: int
    dtype: VectorDtype

    def verify(self, *, again: bool = True) -> None:
        """Check the file against its checksum; with `again` even where this process has done so.

        Raises
        ------
        StoreCorruptError
        """
        with self._open() as file:
            self._check(file, again=again)

    def read(self, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the (b, d) float32 vectors at ascending positions of the segment.

        Raises
        ------
        StoreCorruptError
            The file is damaged or missing; it is checked when this process first reads it.
        """
        with self._open() as file:
            start = self._check(file, again=False)
            # Read in the type they are kept in, then widen: half the traffic for fp16.
            codes = np.empty((len(positions), self.dim), _CODE_DTYPE[self.dtype])  # (b, d)
            row_bytes = self.dim * codes.itemsize
            for first, last in _runs(positions):
                offset = start + int(positions[first]) * row_bytes
                self._fill(file, codes[first:last], offset)
        values: NDArray[np.float32] = codes.astype(np.float32, copy=False)
        return values

    def iter_blocks(self, block_rows: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the position of a block's first row, and the (b, d) block."""
        for start in range(0, self.entry.rows, block_rows):
            stop = min(start + block_rows, self.entry.rows)
            yield start, self.read(np.arange(start, stop))

    @property
    def name(self) -> str:
        """Name of the file inside the store."""
        return name_codes(self.entry.number)

    def _open(self) -> io.FileIO:
        try:
            return (self.folder / self.name).open("rb", buffering=0)
        except FileNotFoundError:
            raise self._damage(MISSING) from None
        except OSError as error:
            raise unreadable(self.folder, self.name, error) from None

    def _check(self, file: io.FileIO, *, again: bool) -> int:
        """Check the file (once a process, or again) and return where its codes start."""
        status = os.fstat(file.fileno())
        key = (
            status.st_dev,
            status.st_ino,
            status.st_mtime_ns,
            status.st_size,
            self.entry.sha256_faiss,
        )
        # A file replaced or changed since has another identity or time: it is checked again.
        if again or key not in _verified:
            _verified.discard(key)
            if self._hash(file) != self.entry.sha256_faiss:
                raise self._damage(ALTERED)
            _verified.add(key)
        count = self.entry.rows * self.dim
        start = status.st_size - count * _CODE_DTYPE[self.dtype].itemsize
        # A wrong entry would shift every row: the header must end exactly where codes begin.
        header = os.pread(file.fileno(), max(start, 0), 0)
        # FAISS writes the length of the codes just before them: floats, or bytes.
        length = count if self.dtype == "float32" else count * 2
        if header[:4] != _TAG[self.dtype] or header[-8:] != length.to_bytes(8, "little"):
            raise self._damage("is not the FAISS index that was written")
        return start

    def _hash(self, file: io.FileIO) -> str:
        try:
            return hash_file(file)
        except OSError as error:
            raise unreadable(self.folder, self.name, error) from None

    def _fill(self, file: io.FileIO, codes: NDArray[Any], offset: int) -> None:
        target = codes.data.cast("B")
        done = 0
        while done < len(target):  # one read gives at most 2 GiB
            try:
                got = os.preadv(file.fileno(), [target[done:]], offset + done)
            except OSError as error:
                raise unreadable(self.folder, self.name, error) from None
            if got == 0:
                raise self._damage("was cut short while it was read")
            done += got

    def _damage(self, problem: str) -> DamagedFileError:
        return DamagedFileError(self.folder, self.name, problem)


def read_codes(
    files: Sequence[CodesFile], positions: NDArray[np.intp], *, dim: int
) -> NDArray[np.float32]:
    """Read vectors of segments that are thought of as end to end, by all cores.

    Parameters
    ----------
    positions : (m,) intp
        In any order.

    Returns
    -------
    (m, dim) float32

    Raises
    ------
    StoreCorruptError
        As `CodesFile.read`.
    """
    values = np.empty((len(positions), dim), np.float32)
    # Ascending, so that neighbours are one read.
    order = np.argsort(positions, kind="stable")
    ascending = positions[order]
    parts: list[tuple[CodesFile, int, slice]] = []
    base = 0
    for one in files:
        # The part of the wanted positions that lies in this segment.
        low, high = np.searchsorted(ascending, [base, base + one.entry.rows]).tolist()
        starts = range(low, high, BLOCK_ROWS)
        parts += [(one, base, slice(start, min(start + BLOCK_ROWS, high))) for start in starts]
        base += one.entry.rows

    def read(part: tuple[CodesFile, int, slice]) -> None:
        file, base, own = part
        values[order[own]] = file.read(ascending[own] - base)

    if len(positions) < BLOCK_ROWS:  # to begin threads takes as long as to read a few hundred rows
        for part in parts:
            read(part)
        return values
    # Each once, and by one: threads that read parts of the same file would all check it.
    needed = list(dict.fromkeys(file for file, _, _ in parts))
    map_in_threads(lambda file: file.verify(again=False), needed)
    map_in_threads(read, parts)
    return values


def _runs(positions: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return the bounds of each stretch of consecutive positions: one read each."""
    if len(positions) == 0:
        return []
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    bounds = [0, *breaks.tolist(), len(positions)]
    return list(itertools.pairwise(bounds))


def check_batch(
    ids: NDArray[np.str_], values: NDArray[np.float32], *, dim: int, known: set[str]
) -> None:
    """Check a batch of a store's vectors before anything of it is written.

    Raises
    ------
    ValueError
        Shapes, ids or values are not those of a store, or an id is there already.
    """
    if values.dtype != np.float32 or values.shape != (len(ids), dim):
        raise ValueError(
            f"values are {values.dtype} {values.shape}, expected float32 {(len(ids), dim)}"
        )
    # An id is what an image contains: twice means it was extracted twice.
    new = set(ids.tolist())
    if len(new) != len(ids) or "" in new or not new.isdisjoint(known):
        raise ValueError("ids are empty, repeated, or in the store already")
    bad = find_bad_rows(values)
    if len(bad):
        raise ValueError(f"row {bad[0]} of values is not finite or not of length 1")
