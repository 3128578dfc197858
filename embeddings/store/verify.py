"""Check a whole store: every checksum, every pair of files, every row.

::

    for fault in verify_store("store"):
        print(fault)

Nothing is changed; `repair_store` mends what is found here.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.locks import is_held
from embeddings.store.commits import list_leftovers, read_sidecar
from embeddings.store.faiss_files import CodesFile, find_bad_rows
from embeddings.store.folder import (
    LOCK,
    DamagedFileError,
    StoreFault,
    name_codes,
    name_rows,
)
from embeddings.store.manifest import Manifest, SegmentEntry, load_manifest
from embeddings.store.parquet_files import load_notes, load_paths, load_rows

_CHECK_ROWS = 4096  # vectors checked at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at one segment found.

    Attributes
    ----------
    entry : SegmentEntry
    faults : tuple of StoreFault
    ids : (n,) array of str
    sound : (n,) bool
        Rows to keep; both are empty where a file is damaged.
    """

    entry: SegmentEntry
    faults: tuple[StoreFault, ...]
    ids: NDArray[np.str_]
    sound: NDArray[np.bool_]


def verify_store(path: Path | str) -> list[StoreFault]:
    """Check everything that is committed, and list what is wrong.

    Raises
    ------
    StoreError
        The folder is not a store, or one of another version.
    """
    folder = Path(path)
    try:
        manifest = load_manifest(folder)
        faults = _verify(folder, manifest)
        # A writer at work may have merged files meanwhile: what is committed now counts.
        while faults and (newest := load_manifest(folder)) != manifest:
            manifest = newest
            faults = _verify(folder, manifest)
    except DamagedFileError as damage:
        return [damage.fault]
    return faults


def _verify(folder: Path, manifest: Manifest) -> list[StoreFault]:
    segments = inspect_segments(folder, manifest)
    faults = [fault for segment in segments for fault in segment.faults]
    faults += inspect_paths(folder, manifest)
    faults += _find_faults(partial(read_sidecar, folder, name) for name in manifest.sidecars)
    if not is_held(folder / LOCK):  # a writer at work has files that are not yet committed
        left = list_leftovers(folder, load_manifest(folder))
        problem = "is left over from an interrupted run; the next one removes it"
        faults += [StoreFault(file=name, kind="leftover", problem=problem) for name in left]
    return faults


def inspect_segments(folder: Path, manifest: Manifest) -> list[Inspection]:
    """Check each segment, and ids that more than one holds (the first keeps them)."""
    found = [_inspect_segment(folder, manifest, entry) for entry in manifest.segments]
    ids = np.concatenate([np.empty(0, np.str_), *(segment.ids for segment in found)])
    # Objects: numpy would pad every id to the longest.
    repeated = pd.Series(ids, dtype=object).duplicated().to_numpy()
    bounds = np.cumsum([0, *(len(segment.ids) for segment in found)])
    return [
        _mark_repeated(segment, repeated[first:last])
        for segment, first, last in zip(found, bounds[:-1], bounds[1:], strict=True)
    ]


def inspect_paths(folder: Path, manifest: Manifest) -> list[StoreFault]:
    """Check each part of the log of files, and of the metadata that were given later."""
    faults = _find_faults(partial(load_paths, folder, entry) for entry in manifest.paths)
    return faults + _find_faults(partial(load_notes, folder, entry) for entry in manifest.notes)


def _find_faults(checks: Iterable[Callable[[], object]]) -> list[StoreFault]:
    faults = []
    for check in checks:
        try:
            check()
        except DamagedFileError as damage:
            faults.append(damage.fault)
    return faults


def _inspect_segment(folder: Path, manifest: Manifest, entry: SegmentEntry) -> Inspection:
    codes = CodesFile(
        folder=folder, entry=entry, dim=manifest.spec.dim, dtype=manifest.vector_dtype
    )
    faults = []
    ids = np.empty(0, np.str_)
    sound = np.empty(0, np.bool_)
    try:
        ids = load_rows(folder, entry)["image_id"].to_numpy().astype(np.str_)
    except DamagedFileError as damage:
        faults.append(damage.fault)
    try:
        codes.verify()  # from the disk, whatever this process has checked before
        sound = _find_sound(codes)
    except DamagedFileError as damage:
        faults.append(damage.fault)
    if faults:  # half a segment is of no use: no vector without its row, no row without its vector
        return Inspection(entry=entry, faults=tuple(faults), ids=ids[:0], sound=sound[:0])
    bad = int((~sound).sum())
    if bad:
        problem = f"holds {bad} vectors that are not finite or not of length 1"
        faults.append(StoreFault(file=name_codes(entry.number), kind="damaged", problem=problem))
    return Inspection(entry=entry, faults=tuple(faults), ids=ids, sound=sound)


def _find_sound(codes: CodesFile) -> NDArray[np.bool_]:
    sound = np.ones(codes.entry.rows, np.bool_)  # (n,)
    for start, values in codes.iter_blocks(_CHECK_ROWS):
        sound[start + find_bad_rows(values)] = False
    return sound


def _mark_repeated(segment: Inspection, repeated: NDArray[np.bool_]) -> Inspection:
    if not repeated.any():
        return segment
    problem = f"repeats {int(repeated.sum())} ids, such as {segment.ids[repeated][0]}"
    fault = StoreFault(file=name_rows(segment.entry.number), kind="damaged", problem=problem)
    return dataclasses.replace(
        segment, faults=(*segment.faults, fault), sound=segment.sound & ~repeated
    )
