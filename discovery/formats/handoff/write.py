"""A handoff as its two files: handoff.csv for a person, handoff.json for the machine."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from discovery.formats.handoff.witness import make_witness
from discovery.records import HANDOFF_COLUMNS, Handoff
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON
from embeddings.files import format_csv, write_bytes

FORMAT = "defect-discovery-handoff"
VERSION = 1


def format_handoff(handoff: Handoff) -> tuple[bytes, bytes]:
    """Return the bytes of handoff.csv and of handoff.json."""
    text = json.dumps(_describe(handoff), indent=2, ensure_ascii=False)
    return format_csv(_format_rows(handoff)), (text + "\n").encode()


def write_handoff(handoff: Handoff, folder: Path) -> None:
    """Write handoff.csv and handoff.json into a folder, which is made if need be.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    table, description = format_handoff(handoff)
    write_bytes(folder / HANDOFF_CSV, table)
    write_bytes(folder / HANDOFF_JSON, description)


def _format_rows(handoff: Handoff) -> Iterator[list[str]]:
    yield list(HANDOFF_COLUMNS)
    place = HANDOFF_COLUMNS.index("membership")
    for row in handoff.rows.itertuples(index=False, name=None):
        cells = [str(cell) for cell in row]
        # Never 1e-05: a spreadsheet set to another language reads that as text.
        cells[place] = np.format_float_positional(np.float32(row[place]), trim="0")
        yield cells


def _describe(handoff: Handoff) -> dict[str, Any]:
    rows, labelled = handoff.rows, handoff.labelled
    witness = make_witness(rows, handoff.proposals)
    return {
        "format": FORMAT,
        "version": VERSION,
        "run_id": handoff.run_id,
        "store": dict(handoff.store),
        "sha256": witness.sha256,
        "counts": {
            "rows": len(rows),
            "images": int(rows["image_id"].nunique()),
            "labelled": len(labelled),
            "human": int((rows["label_source"] == "human").sum()),
            "cluster": int((rows["label_source"] == "cluster").sum()),
            "types": len(handoff.types),
            "proposals": len(handoff.proposals),
        },
        "types": [asdict(kind) for kind in handoff.types],
        "proposals": {str(cluster): name for cluster, name in sorted(handoff.proposals.items())},
        "witness": witness.encode(),
        "provenance": dict(handoff.provenance),
    }
