"""Segments that are written before they are committed, by as many processes as there are.

They lie in `staging/` inside the store, which no reader looks into, each with a receipt. One
commit at the end moves them to their places and names them all (`StoreWriter.adopt`). Where that
does not come about, the receipts tell the next call what is done already.
"""

import dataclasses
import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.bounded import parse_json
from embeddings.errors import StoreError
from embeddings.files import is_sealed, put_bytes, seal, sync_path
from embeddings.store.commits import encode_segment
from embeddings.store.faiss_files import check_batch
from embeddings.store.folder import SEGMENTS, name_codes, name_rows, storage_errors
from embeddings.store.manifest import SegmentEntry, load_manifest
from embeddings.store.parquet_files import load_rows, make_rows

STAGING = "staging"
_PLAN = "plan.json"
_RECEIPT = ".receipt.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A segment that waits in `staging/`: what the manifest will say of it, and its files' stem."""

    entry: SegmentEntry
    stem: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"entry": dataclasses.asdict(self.entry), "stem": self.stem}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read back what `to_dict` returned."""
        return cls(entry=SegmentEntry(**values["entry"]), stem=values["stem"])

    def is_whole(self, folder: Path) -> bool:
        """Tell whether both files are there, in their sizes; their bytes are checked when read."""
        sizes = {".faiss": self.entry.bytes_faiss, ".parquet": self.entry.bytes_parquet}
        try:
            return all(
                (folder / STAGING / (self.stem + suffix)).stat().st_size == size
                for suffix, size in sizes.items()
            )
        except OSError:
            return False


def stage_segment(
    folder: Path,
    number: int,
    *,
    ids: NDArray[np.str_],
    values: NDArray[np.float32],
    rows: pd.DataFrame,
) -> Staged:
    """Write a segment into `staging/`; nobody sees it before it is adopted.

    Parameters
    ----------
    folder : Path
        The store, as this machine sees it.
    number : int
        Which no other segment has.
    ids, values, rows
        As `StoreWriter.append` takes them.

    Raises
    ------
    StoreError
        The folder is no store, or cannot be written.
    """
    manifest = load_manifest(folder)
    check_batch(ids, values, dim=manifest.spec.dim, known=set())
    table = make_rows(ids, rows)
    entry, codes, data = encode_segment(manifest, number, values=values, table=table)
    # A name of its own each time: a worker that was given up may still be writing.
    stem = f"{number:06d}-{uuid.uuid4().hex[:12]}"
    with storage_errors(folder):
        put_bytes(folder / STAGING / f"{stem}.faiss", codes)
        put_bytes(folder / STAGING / f"{stem}.parquet", data)
    return Staged(entry=entry, stem=stem)


def settle_segments(folder: Path, staged: Sequence[Staged], *, known: set[str]) -> None:
    """Move staged segments to their places; a commit follows, or the next writer removes them.

    Parameters
    ----------
    known : set of str
        Ids that the store has already; it grows by theirs.

    Raises
    ------
    ValueError
        An id is among them already.
    """
    for one in staged:
        number, source = one.entry.number, folder / STAGING / one.stem
        source.with_suffix(".faiss").replace(folder / name_codes(number))
        source.with_suffix(".parquet").replace(folder / name_rows(number))
        ids = load_rows(folder, one.entry)["image_id"].to_pylist()
        if len(set(ids)) < len(ids) or not known.isdisjoint(ids):
            raise ValueError(f"segment {number} holds an image that the store has already")
        known.update(ids)
    if staged:
        sync_path(folder / SEGMENTS)


def open_staging(folder: Path, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the receipts of an earlier call of the same plan; others' are swept away.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    place = folder / STAGING
    with storage_errors(folder):
        if place.exists() and _read(place / _PLAN) != seal(plan):
            remove_staging(folder)
        if not place.exists():
            place.mkdir()
            put_bytes(place / _PLAN, json.dumps(seal(plan)).encode())
        found = [_read(path) for path in sorted(place.glob(f"*{_RECEIPT}"))]
    return [one for one in found if one is not None]


def write_receipt(folder: Path, name: str, values: dict[str, Any]) -> None:
    """Say what a block of work has staged, once all of it is on the disk."""
    with storage_errors(folder):
        data = json.dumps(seal(values)).encode()
        put_bytes(folder / STAGING / f"{name}-{uuid.uuid4().hex[:12]}{_RECEIPT}", data)


def check_staging(folder: Path, plan: dict[str, Any]) -> None:
    """Check that this machine sees the very staging place that the driver opened.

    Raises
    ------
    StoreError
        It does not.
    """
    if _read(folder / STAGING / _PLAN) != seal(plan):
        raise StoreError(
            f"{folder} is another folder, or none, on a machine of the cluster; expected a store "
            "on a file system that every machine mounts at the same path"
        )


def remove_staging(folder: Path) -> None:
    """Remove what is staged and was not adopted."""
    place = folder / STAGING
    # First what makes it of use: what is left of a removal that was killed is nobody's work.
    (place / _PLAN).unlink(missing_ok=True)
    if place.exists():
        shutil.rmtree(place)


def _read(path: Path) -> dict[str, Any] | None:
    """Return sealed values, or None where they are none (a write that was cut off is not seen)."""
    try:
        values = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if is_sealed(values) else None
