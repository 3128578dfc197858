"""Mend a store: put damaged files aside, keep every sound row, say what was lost.

::

    for line in repair_store("store").describe():
        print(line)

What was lost are vectors, never images: the next extraction computes them again.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from embeddings.files import sync_path
from embeddings.store.commits import (
    encode_quarantine,
    find_sidecar,
    stage_sidecar,
    tidy_folder,
    write_segment,
)
from embeddings.store.faiss_files import CodesFile
from embeddings.store.folder import (
    BANK,
    DAMAGED,
    MANIFEST,
    MISSING,
    NOTES,
    QUARANTINE,
    DamagedFileError,
    StoreFault,
    hold_lock,
    list_ours,
    name_notes,
    name_paths,
    number_of,
    segment_of,
    storage_errors,
)
from embeddings.store.manifest import Manifest, load_manifest, save_manifest
from embeddings.store.parquet_files import load_rows
from embeddings.store.rebuild import rebuild_manifest
from embeddings.store.verify import Inspection, inspect_paths, inspect_segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What a repair did.

    Attributes
    ----------
    faults : tuple of StoreFault
        What was wrong.
    rebuilt : bool
        `store.json` was lost, and was rebuilt from the segments.
    segments : tuple of int
        Segments that were dropped, or replaced by their sound rows.
    rows_lost : int
        Vectors of those segments that are gone; where `rebuilt`, those of segments nothing
        tells the size of are not counted.
    moved, removed : tuple of str
        Files put into `damaged/`, and leftovers that were removed.
    """

    faults: tuple[StoreFault, ...]
    rebuilt: bool
    segments: tuple[int, ...]
    rows_lost: int
    moved: tuple[str, ...]
    removed: tuple[str, ...]

    def describe(self) -> list[str]:
        """Return one line a fact; a single line where nothing was wrong."""
        lines = [f"{fault.file}: {fault.problem}" for fault in self.faults]
        if self.rebuilt:
            lines.append(f"{MANIFEST} was rebuilt from the segments")
        if self.segments:
            numbers = ", ".join(str(number) for number in self.segments)
            least = "at least " if self.rebuilt else ""
            lines.append(
                f"segments {numbers} dropped, {least}{self.rows_lost} vectors lost: "
                "`python -m embeddings.extract` on the same images computes them again"
            )
        lines += [f"{name} moved to {DAMAGED}/" for name in self.moved]
        lines += [f"{name} removed (left over from an interrupted run)" for name in self.removed]
        if any(fault.file == BANK for fault in self.faults):
            lines.append(f"{BANK} is lost: new images cannot be pooled as the old ones were")
        if any(fault.file.startswith(NOTES) for fault in self.faults):
            lines.append("metadata that were given later are lost: give them again by --metadata")
        return lines or ["nothing to repair"]


def repair_store(path: Path | str) -> Repair:
    """Put damaged files into `damaged/`, keep every sound row, and remove leftovers.

    Raises
    ------
    StoreError
        Not a store, one of another version, or nothing sound to rebuild `store.json` from.
    StoreLockedError
        A writer is at work.
    """
    folder = Path(path)
    _find_manifest(folder)  # take no lock in a folder that is not a store
    with hold_lock(folder), storage_errors(folder):
        manifest, lost = _find_manifest(folder)
        segments = inspect_segments(folder, manifest)
        faults = ([] if lost is None else [lost]) + _find_faults(folder, manifest, segments)
        mended = _keep_sound(folder, manifest, segments=segments, faults=faults)
        early, late = _choose_aside(folder, manifest, mended=mended, lost=lost is not None)
        # Their names are needed by the commit; a crash here leaves them missing, to be repaired.
        _move_aside(folder, early)
        if lost is not None or mended != manifest:
            save_manifest(folder, mended)
        _move_aside(folder, late)  # rows that were rewritten are committed by now
        removed = tidy_folder(folder, mended)
    return Repair(
        faults=tuple(faults),
        rebuilt=lost is not None,
        segments=_find_dropped(manifest, mended, late),
        rows_lost=manifest.rows - mended.rows,
        moved=(*early, *late),
        removed=tuple(removed),
    )


def _find_manifest(folder: Path) -> tuple[Manifest, StoreFault | None]:
    try:
        return load_manifest(folder), None
    except DamagedFileError as damage:
        return rebuild_manifest(folder), damage.fault


def _find_faults(folder: Path, manifest: Manifest, segments: list[Inspection]) -> list[StoreFault]:
    faults = [fault for segment in segments for fault in segment.faults]
    faults += inspect_paths(folder, manifest)
    # A rebuilt manifest names only the sidecars that read well.
    due = [QUARANTINE] + ([BANK] if manifest.spec.bank_sha256 else [])
    for name in sorted({*due, *manifest.sidecars}):
        sha256 = manifest.sidecars.get(name)
        if sha256 is None or find_sidecar(folder, name, sha256=sha256) is None:
            problem = "is damaged" if (folder / name).exists() else MISSING
            faults.append(DamagedFileError(folder, name, problem).fault)
    return faults


def _keep_sound(
    folder: Path, manifest: Manifest, *, segments: list[Inspection], faults: list[StoreFault]
) -> Manifest:
    """Return the manifest of what is sound; rows of a partly sound segment are rewritten."""
    faulty = {fault.file for fault in faults}
    mended = dataclasses.replace(
        manifest,
        segments=tuple(segment.entry for segment in segments if not segment.faults),
        paths=tuple(part for part in manifest.paths if name_paths(part.number) not in faulty),
        notes=tuple(part for part in manifest.notes if name_notes(part.number) not in faulty),
        sidecars={name: own for name, own in manifest.sidecars.items() if name not in faulty},
    )
    # Last, under new numbers: readers of the old manifest go on with the old files.
    for segment in segments:
        if segment.faults and segment.sound.any():
            mended = _rewrite_sound(folder, mended, segment)
    # Unlike the bank it can start empty: the next extraction tries those files again.
    if QUARANTINE not in mended.sidecars:
        empty = stage_sidecar(folder, QUARANTINE, encode_quarantine([]))
        mended = dataclasses.replace(mended, sidecars={**mended.sidecars, QUARANTINE: empty})
    return mended


def _rewrite_sound(folder: Path, manifest: Manifest, segment: Inspection) -> Manifest:
    # fp16 values are exact in float32, so that rewriting them changes nothing.
    codes = CodesFile(
        folder=folder, entry=segment.entry, dim=manifest.spec.dim, dtype=manifest.vector_dtype
    )
    values = codes.read(np.flatnonzero(segment.sound))
    table = load_rows(folder, segment.entry).filter(pa.array(segment.sound))
    entry = write_segment(folder, manifest, values=values, table=table)
    return dataclasses.replace(
        manifest, segments=(*manifest.segments, entry), next_number=manifest.next_number + 1
    )


def _choose_aside(
    folder: Path, manifest: Manifest, *, mended: Manifest, lost: bool
) -> tuple[list[str], list[str]]:
    """Choose the files to put aside before the commit (under names it needs), and after it."""
    early = [MANIFEST] if lost else []
    for name in (QUARANTINE, BANK):
        if lost or name in manifest.sidecars:
            early += [name] if manifest.sidecars.get(name) != mended.sidecars.get(name) else []
    late = sorted(manifest.files - mended.files)
    if lost:  # what could not prove itself: not known to be a mere leftover
        numbered = [name for name in list_ours(folder) if number_of(name) is not None]
        late = sorted(set(numbered) - mended.files)
    return _keep_files(folder, early), _keep_files(folder, late)


def _keep_files(folder: Path, names: list[str]) -> list[str]:
    return [name for name in names if (folder / name).is_file()]


def _move_aside(folder: Path, names: list[str]) -> None:
    if not names:
        return
    damaged = folder / DAMAGED
    damaged.mkdir(exist_ok=True)
    for name in names:
        target = damaged / Path(name).name
        copy = 1
        while target.exists():  # never over what an earlier repair put there
            target = damaged / f"{Path(name).name}.{copy}"
            copy += 1
        (folder / name).replace(target)
    sync_path(damaged)


def _find_dropped(manifest: Manifest, mended: Manifest, aside: list[str]) -> tuple[int, ...]:
    # Where the manifest is lost, files alone tell which segments there were.
    kept = {entry.number for entry in mended.segments}
    had = {entry.number for entry in manifest.segments}
    had |= {number for name in aside if (number := segment_of(name)) is not None}
    return tuple(sorted(had - kept))
