"""The files of one commit, and the cleaning up after one that was interrupted.

Segments and parts of the log bear the commit's number. `quarantine.csv` and `bank.npz` keep their
names, so that a commit takes three steps: write `NAME.next`, commit the manifest with its sha256,
rename. Whoever finds the rename missing (a crash) takes `NAME.next`: no moment exists at which the
committed content cannot be read.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from embeddings.bounded import parse_npz
from embeddings.files import format_csv, hash_bytes, parse_csv_rows, put_bytes, sync_path
from embeddings.store.faiss_files import encode_codes
from embeddings.store.folder import (
    ALTERED,
    BANK,
    MANIFEST,
    MISSING,
    NEXT,
    NOTES,
    PATHS,
    SEGMENTS,
    DamagedFileError,
    list_ours,
    name_codes,
    name_notes,
    name_paths,
    name_rows,
)
from embeddings.store.manifest import Manifest, PathsEntry, SegmentEntry, load_manifest
from embeddings.store.parquet_files import encode_table

_QUARANTINE_COLUMNS = ["path", "reason"]


def write_segment(
    folder: Path, manifest: Manifest, *, values: NDArray[np.float32], table: pa.Table
) -> SegmentEntry:
    """Write both files of the segment `manifest.next_number`; a later manifest commits it."""
    number = manifest.next_number
    entry, codes, rows = encode_segment(manifest, number, values=values, table=table)
    # Vectors first: rows that exist then always have their vectors beside them.
    put_bytes(folder / name_codes(number), codes)
    put_bytes(folder / name_rows(number), rows)
    return entry


def encode_segment(
    manifest: Manifest, number: int, *, values: NDArray[np.float32], table: pa.Table
) -> tuple[SegmentEntry, bytes, bytes]:
    """Return what the manifest says of a segment, and the bytes of its vectors and of its rows."""
    # In memory: a segment is one batch of the extractor, tens of megabytes.
    codes = encode_codes(values, manifest.vector_dtype)
    sha256 = hash_bytes(codes)
    facts = {"number": number, "sha256_faiss": sha256, "bytes_faiss": len(codes)}
    rows = encode_table(table, {**manifest.identity(), **facts})
    entry = SegmentEntry(
        number=number,
        rows=table.num_rows,
        sha256_faiss=sha256,
        bytes_faiss=len(codes),
        sha256_parquet=hash_bytes(rows),
        bytes_parquet=len(rows),
    )
    return entry, codes, rows


def write_paths(folder: Path, manifest: Manifest, table: pa.Table) -> PathsEntry:
    """Write a part of the log of files; its number is `manifest.next_number`."""
    number = manifest.next_number
    data = encode_table(table, {**manifest.identity(), "number": number})
    put_bytes(folder / name_paths(number), data)
    return PathsEntry(number=number, rows=table.num_rows, sha256=hash_bytes(data))


def write_notes(folder: Path, manifest: Manifest, table: pa.Table) -> PathsEntry:
    """Write a part of the metadata that were given later, numbered as the commit."""
    number = manifest.next_number
    data = encode_table(table, {**manifest.identity(), "number": number})
    (folder / NOTES).mkdir(exist_ok=True)  # few stores have any
    put_bytes(folder / name_notes(number), data)
    return PathsEntry(number=number, rows=table.num_rows, sha256=hash_bytes(data))


def list_leftovers(folder: Path, manifest: Manifest) -> list[str]:
    """List files of ours that nothing refers to: what an interrupted writer left."""
    # NAME.next is not kept: `settle_sidecars` has renamed what is committed of it.
    kept = manifest.files | {MANIFEST, *manifest.sidecars}
    return [name for name in list_ours(folder) if name not in kept]


def tidy_folder(folder: Path, manifest: Manifest) -> list[str]:
    """Finish what a crash left undone, remove what it left over, and return what was removed."""
    for name in (SEGMENTS, PATHS):
        (folder / name).mkdir(exist_ok=True)
    # Before the leftovers: a committed NAME.next would be taken for one.
    settle_sidecars(folder, manifest.sidecars)
    left = list_leftovers(folder, manifest)
    for name in left:
        (folder / name).unlink()
    return left


def stage_sidecar(folder: Path, name: str, data: bytes) -> str:
    """Write `NAME.next` and return its sha256, for the manifest."""
    # What lies there by now was never committed: `tidy_folder` came first.
    put_bytes(folder / (name + NEXT), data)
    return hash_bytes(data)


def settle_sidecars(folder: Path, committed: Mapping[str, str]) -> None:
    """Give each committed `NAME.next` its own name."""
    for name, sha256 in committed.items():
        if _read_if(folder / (name + NEXT), sha256) is not None:
            (folder / (name + NEXT)).replace(folder / name)
            sync_path(folder)


def read_sidecar(folder: Path, name: str) -> bytes | None:
    """Return the content of a sidecar as last committed, or None where there is none.

    Raises
    ------
    StoreCorruptError
        The file is damaged or missing.
    """
    problem = ""  # of the last look
    for _ in range(3):  # a writer may replace it between our look at the manifest and at the file
        sha256 = load_manifest(folder).sidecars.get(name)
        if sha256 is None:
            return None
        data = find_sidecar(folder, name, sha256=sha256)
        if data is not None:
            return data
        problem = ALTERED if (folder / name).exists() else MISSING
    raise DamagedFileError(folder, name, problem)


def find_sidecar(folder: Path, name: str, *, sha256: str) -> bytes | None:
    """Return committed content from `NAME` or `NAME.next`, or None where neither has it."""
    # The content is named by its hash, not by its file: either name may have it in a crash.
    data = _read_if(folder / name, sha256)
    return _read_if(folder / (name + NEXT), sha256) if data is None else data


def encode_quarantine(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the bytes of `quarantine.csv`, sorted by path, the last reason of each path.

    A path that is not UTF-8 keeps its bytes.
    """
    return format_csv([_QUARANTINE_COLUMNS, *sorted(dict(pairs).items())])


def decode_quarantine(data: bytes) -> pd.DataFrame:
    """Return columns path and reason.

    Raises
    ------
    ValueError
        The bytes are not those of a `quarantine.csv`.
    """
    head, *pairs = parse_csv_rows(data)
    if head != _QUARANTINE_COLUMNS or any(len(pair) != 2 for pair in pairs):
        raise ValueError("not a quarantine.csv")
    # Python strings: Arrow's hold no path that is not UTF-8.
    return pd.DataFrame(pairs, columns=_QUARANTINE_COLUMNS, dtype=object)


def encode_bank(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return the bytes of `bank.npz`."""
    sink = io.BytesIO()
    # Not compressed: float16 patches hardly shrink, and reading is on the way of every start.
    np.savez(sink, allow_pickle=False, **arrays)
    return sink.getvalue()


def read_bank(folder: Path) -> dict[str, NDArray[np.generic]] | None:
    """Return the arrays of `bank.npz`, or None where there is none.

    Raises
    ------
    DamagedFileError
        It is damaged, or asks for more than is in it.
    """
    data = read_sidecar(folder, BANK)
    try:
        return None if data is None else parse_npz(data)
    except ValueError as error:
        raise DamagedFileError(folder, BANK, str(error)) from error


def _read_if(path: Path, sha256: str) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None  # absent or unreadable: the caller says so, once it has looked everywhere
    return data if hash_bytes(data) == sha256 else None
