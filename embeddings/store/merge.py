"""Small segments become large ones when a job ends: what was cut by the clock is put together.

Only the newest are merged, those behind the last large one, in their order: the numbers of files go
on telling their order, and the vectors keep the places that they have in the whole store. Readers
of an older commit find the same rows in the merged files (`Store`).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from embeddings.store.commits import write_paths, write_segment
from embeddings.store.faiss_files import CodesFile
from embeddings.store.manifest import Manifest, PathsEntry, SegmentEntry
from embeddings.store.parquet_files import load_paths, load_rows


def merge_newest(folder: Path, manifest: Manifest, rows: int) -> Manifest:
    """Write one group of the newest small files anew, as one; a later manifest commits it.

    Parameters
    ----------
    rows : int
        From how many on a file is large.

    Returns
    -------
    Manifest
        With the merged files instead of the small ones; the very same where none can be merged.
    """
    segments = _choose([one.rows for one in manifest.segments], rows)
    paths = _choose([one.rows for one in manifest.paths], rows)
    if segments is None and paths is None:
        return manifest
    merged = manifest
    if segments is not None:
        first, last = segments
        entry = _merge_segments(folder, manifest, manifest.segments[first:last])
        whole = (*manifest.segments[:first], entry, *manifest.segments[last:])
        merged = dataclasses.replace(merged, segments=whole)
    if paths is not None:
        first, last = paths
        part = _merge_paths(folder, manifest, manifest.paths[first:last])
        log = (*manifest.paths[:first], part, *manifest.paths[last:])
        merged = dataclasses.replace(merged, paths=log)
    return dataclasses.replace(merged, next_number=manifest.next_number + 1)


def remove_merged(folder: Path, before: Manifest, after: Manifest) -> None:
    """Remove the files that a commit no longer names; who reads one now reads it to its end."""
    for name in sorted(before.files - after.files):
        (folder / name).unlink(missing_ok=True)


def _choose(sizes: Sequence[int], rows: int) -> tuple[int, int] | None:
    """Return the bounds of the first files to put together, or None.

    As many as come to `rows`: they then end where one commit would have ended.
    """
    start = len(sizes)
    while start and sizes[start - 1] < rows:
        start -= 1
    total = 0
    for end in range(start, len(sizes)):
        total += sizes[end]
        if total >= rows or end == len(sizes) - 1:
            return (start, end + 1) if end > start else None
    return None


def _merge_segments(
    folder: Path, manifest: Manifest, entries: Sequence[SegmentEntry]
) -> SegmentEntry:
    values = [
        CodesFile(
            folder=folder, entry=entry, dim=manifest.spec.dim, dtype=manifest.vector_dtype
        ).read(np.arange(entry.rows))
        for entry in entries
    ]
    table = pa.concat_tables([load_rows(folder, entry) for entry in entries]).combine_chunks()
    # fp16 values are exact in float32: nothing moves.
    return write_segment(folder, manifest, values=np.concatenate(values), table=table)


def _merge_paths(folder: Path, manifest: Manifest, parts: Sequence[PathsEntry]) -> PathsEntry:
    table = pa.concat_tables([load_paths(folder, part) for part in parts]).combine_chunks()
    return write_paths(folder, manifest, table)
