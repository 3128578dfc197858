"""What the lineage leaves in a run: lineage.jsonl, its history, and lineage.npz, its memory.

lineage.jsonl grows by one line whenever a run comes to other groups, and what stands in it is
never changed; it is replaced as a whole, so that no crash leaves half a line. lineage.npz is the
last generation with the ids that ended: all that the next run has to know to keep them apart.
"""

import io
import json
from dataclasses import asdict, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.records import Generation, LineageEntry, LineageEvent
from discovery.runs.folder import Run
from discovery.runs.provenance import Provenance
from discovery.runs.state import RUN_JSON
from embeddings.bounded import parse_json, parse_npz
from embeddings.chain import (
    FIELD,
    ChainReader,
    NewerLineError,
    chain_lines,
    warn_of_faults,
)
from embeddings.errors import RunError
from embeddings.paths import takes_paths

LINEAGE = "lineage.jsonl"
LINEAGE_MEMORY = "lineage.npz"

_FIELDS = frozenset(field.name for field in fields(LineageEntry))


@takes_paths
def read_lineage(path: Path) -> list[LineageEntry]:
    """Read lineage.jsonl, oldest first; one that does not exist is empty.

    A line that is damaged is left out, told in one line, and kept in ``lineage.damaged``: only the
    history lacks it, no id and no label.

    Raises
    ------
    RunError
        It cannot be read, or a newer version of the program wrote it.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
        reading = ChainReader(_parse_entry).read(data)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except NewerLineError as error:
        raise RunError(f"{path}, {error}") from error
    if data and reading.is_whole and (path.parent / RUN_JSON).is_file():
        # It is written as a whole: run.json knows its sha256, and so a lost end.
        reading.is_cut = Run(path.parent).is_edited(LINEAGE)
    advice = "Restore the file from a copy; only the history lacks it, no id and no label"
    warn_of_faults(path, reading, is_torn=reading.used < len(data), advice=advice)
    return reading.values


def append_lineage(run: Run, entry: LineageEntry, provenance: Provenance) -> None:
    """Add one line to the run's lineage.jsonl; what stands there is kept to the letter."""
    path = run.path / LINEAGE
    # Copied and replaced as a whole: appending could leave half a line.
    there = path.read_bytes() if path.exists() else b""
    if there and not there.endswith(b"\n"):
        there += b"\n"  # lost in an editor
    reader = ChainReader(_parse_entry)
    reader.read(there)
    line, _ = chain_lines([json.dumps(asdict(entry), ensure_ascii=False)], reader.link)
    run.save_bytes(LINEAGE, there + line, provenance)


def save_memory(run: Run, generation: Generation, provenance: Provenance) -> None:
    """Save lineage.npz."""
    # Groups of unequal sizes in one array, and where each begins.
    starts = np.cumsum([0, *generation.sizes])  # (k + 1,)
    members = np.concatenate([*generation.members, np.empty(0, np.int64)])
    file = io.BytesIO()
    np.savez_compressed(
        file,
        ids=generation.ids,
        names=np.array(generation.names, dtype=np.str_),
        members=members.astype(np.int64),
        starts=starts,
        alive=generation.alive,
        centroids=generation.centroids,
        scatters=generation.scatters,
        space=np.array(generation.space),
    )
    run.save_bytes(LINEAGE_MEMORY, file.getvalue(), provenance)


def load_memory(run: Run) -> Generation | None:
    """Load lineage.npz; None where the run has none.

    Raises
    ------
    RunError
        It is damaged, or of another version.
    """
    path = run.path / LINEAGE_MEMORY
    if not path.exists():
        return None
    advice = "restore it from a copy, or remove it and run discovery.cluster again"
    if run.entry(LINEAGE_MEMORY) is None:
        raise RunError(f"{path} is not the file that was written (damaged): {advice}")
    try:
        return _make_generation(parse_npz(path.read_bytes()))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is of another version ({error}): {advice}") from error


def _make_generation(stored: dict[str, NDArray[Any]]) -> Generation:
    return Generation(
        ids=stored["ids"],
        names=tuple(stored["names"].tolist()),
        members=tuple(
            stored["members"][start:end] for start, end in pairwise(stored["starts"].tolist())
        ),
        alive=stored["alive"],
        centroids=stored["centroids"],
        scatters=stored["scatters"],
        space=str(stored["space"]),
    )


def _parse_entry(line: bytes) -> LineageEntry:
    values: Any = parse_json(line)
    # A field of a later version is refused rather than lost on the next line.
    if not isinstance(values, dict) or values.keys() - _FIELDS - {FIELD}:
        raise ValueError("not an entry of a lineage")
    values.pop(FIELD, None)
    events = values.get("events", ())
    return LineageEntry(**{**values, "events": tuple(_parse_event(event) for event in events)})


def _parse_event(values: dict[str, Any]) -> LineageEvent:
    # JSON knows no tuples.
    lists = ("before", "after", "before_sizes", "after_sizes")
    return LineageEvent(**{**values, **{name: tuple(values[name]) for name in lists}})
