"""Check a whole store: every checksum, every pair of files, every row.

::

    for fault in verify_store("store"):
        print(fault)

Nothing is changed; `repair_store` mends what is found here.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.locks import is_held
from embeddings.store.commits import list_leftovers, read_sidecar
from embeddings.store.faiss_files import CodesFile, find_bad_rows
from embeddings.store.folder import (
    LOCK,
    MISSING,
    DamagedFileError,
    name_codes,
    name_rows,
    segment_of,
)
from embeddings.store.manifest import Manifest, SegmentEntry, load_manifest
from embeddings.store.parquet_files import load_paths, load_rows

_CHECK_ROWS = 4096  # vectors checked at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at one segment found.

    Attributes
    ----------
    entry : SegmentEntry
    faults : tuple of Fault
    ids : (n,) array of str
    sound : (n,) bool
        Rows to keep; both are empty where a file is damaged.
    """

    entry: SegmentEntry
    faults: tuple[Fault, ...]
    ids: NDArray[np.str_]
    sound: NDArray[np.bool_]


def verify_store(path: Path | str) -> list[Fault]:
    """Check everything that is committed, and list what is wrong.

    Raises
    ------
    StoreError
        The folder is not a store, or one of another version.
    """
    folder = Path(path)
    try:
        manifest = load_manifest(folder)
    except DamagedFileError as damage:
        return [fault_of(damage)]
    segments = inspect_segments(folder, manifest)
    faults = [fault for segment in segments for fault in segment.faults]
    faults += inspect_paths(folder, manifest) + inspect_sidecars(folder, manifest)
    if not is_held(folder / LOCK):  # a writer at work has files that are not yet committed
        left = list_leftovers(folder, load_manifest(folder))
        problem = "is left over from an interrupted run; the next one removes it"
        faults += [Fault(file=name, kind="leftover", problem=problem) for name in left]
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


def inspect_paths(folder: Path, manifest: Manifest) -> list[Fault]:
    """Check each part of the log of files."""
    faults = []
    for entry in manifest.paths:
        try:
            load_paths(folder, entry)
        except DamagedFileError as damage:
            faults.append(fault_of(damage))
    return faults


def inspect_sidecars(folder: Path, manifest: Manifest) -> list[Fault]:
    """Check the quarantine and the bank."""
    faults = []
    for name in manifest.sidecars:
        try:
            read_sidecar(folder, name)
        except DamagedFileError as damage:
            faults.append(fault_of(damage))
    return faults


def fault_of(damage: DamagedFileError) -> Fault:
    """Return the fault a damaged file is."""
    kind: Literal["missing", "damaged"] = "missing" if damage.problem == MISSING else "damaged"
    return Fault(file=damage.file, kind=kind, problem=damage.problem)


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
        faults.append(fault_of(damage))
    try:
        codes.verify()  # from the disk, whatever this process has checked before
        sound = _find_sound(codes)
    except DamagedFileError as damage:
        faults.append(fault_of(damage))
    if faults:
        return Inspection(entry=entry, faults=tuple(faults), ids=ids[:0], sound=sound[:0])
    bad = int((~sound).sum())
    if bad:
        problem = f"holds {bad} vectors that are not finite or not of length 1"
        faults.append(Fault(file=name_codes(entry.number), kind="damaged", problem=problem))
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
    fault = Fault(file=name_rows(segment.entry.number), kind="damaged", problem=problem)
    return dataclasses.replace(
        segment, faults=(*segment.faults, fault), sound=segment.sound & ~repeated
    )
