"""The numbered files of one commit, and the cleaning up after one that was interrupted."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embeddings.store.codes import encode_codes
from embeddings.store.disk import hash_bytes, sync_folder, write_file
from embeddings.store.layout import (
    MANIFEST,
    PATHS,
    SEGMENTS,
    list_ours,
    name_codes,
    name_paths,
    name_rows,
)
from embeddings.store.manifest import Manifest, PathsEntry, SegmentEntry
from embeddings.store.sealed import encode_table
from embeddings.store.sidecars import settle_sidecars


def write_segment(
    folder: Path, manifest: Manifest, *, values: NDArray[np.float32], table: pa.Table
) -> SegmentEntry:
    """Write both files of the segment `manifest.next_number`; a later manifest commits it."""
    number = manifest.next_number
    codes = encode_codes(values, manifest.vector_dtype)
    sha256 = hash_bytes(codes)
    facts = {"number": number, "sha256_faiss": sha256, "bytes_faiss": len(codes)}
    rows = encode_table(table, {**manifest.identity(), **facts})
    # Vectors first: rows that exist then always have their vectors beside them.
    write_file(folder / name_codes(number), codes)
    write_file(folder / name_rows(number), rows)
    sync_folder(folder / SEGMENTS)
    return SegmentEntry(
        number=number,
        rows=table.num_rows,
        sha256_faiss=sha256,
        bytes_faiss=len(codes),
        sha256_parquet=hash_bytes(rows),
        bytes_parquet=len(rows),
    )


def write_paths(folder: Path, manifest: Manifest, table: pa.Table) -> PathsEntry:
    """Write a part of the log of files; its number is `manifest.next_number`."""
    number = manifest.next_number
    data = encode_table(table, {**manifest.identity(), "number": number})
    write_file(folder / name_paths(number), data)
    sync_folder(folder / PATHS)
    return PathsEntry(number=number, rows=table.num_rows, sha256=hash_bytes(data))


def list_leftovers(folder: Path, manifest: Manifest) -> list[str]:
    """List files of ours that nothing refers to: what an interrupted writer left."""
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
