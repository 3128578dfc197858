"""A handoff is made and written: handoff.csv for a person, handoff.json for the machine."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discovery.formats.handoff.row_checksums import make_checksums
from discovery.records import (
    HANDOFF_COLUMNS,
    Clustering,
    Decided,
    DefectType,
    Handoff,
    ImageLabel,
    Layout,
    Proposal,
)
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON
from embeddings.errors import RunError
from embeddings.files import format_csv, write_bytes

FORMAT = "defect-discovery-handoff"
VERSION = 1


def build_handoff(
    clustering: Clustering,
    layout: Layout,
    proposals: Sequence[Proposal],
    *,
    decided: Decided,
    run_id: str,
    store: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Handoff:
    """Put the decided labels on the images: rows in the clustering's order, one a path.

    Raises
    ------
    RunError
        A proposal is about a cluster that is not there: the two are of different runs.
    """
    # A cluster has one proposal at most; noise has none.
    names = {proposal.cluster_id: proposal.proposal_id for proposal in proposals}
    lost = sorted(cluster for cluster in names if not 0 <= cluster < clustering.k)
    if lost:
        raise RunError(
            f"proposal {names[lost[0]]} is about cluster {lost[0]}, but there are "
            f"{clustering.k} clusters: run discovery.cluster into the same folder again"
        )
    rows = _make_rows(clustering, layout, names=names, decided=decided)
    return Handoff(
        rows=rows,
        types=list_types(rows, definitions=decided.definitions, accepted=_group_accepted(decided)),
        proposals=names,
        run_id=run_id,
        store=dict(store or {}),
        provenance=dict(provenance or {}),
    )


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


def set_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Order the columns of a handoff and give each its type, also where there is no row."""
    numbers = {"cluster_id": "int32", "membership": "float32"}
    kinds = {name: numbers.get(name, "str") for name in HANDOFF_COLUMNS}
    return frame[list(HANDOFF_COLUMNS)].astype(kinds)


def list_types(
    rows: pd.DataFrame,
    *,
    definitions: Mapping[str, str],
    accepted: Mapping[str, Sequence[str]],
) -> tuple[DefectType, ...]:
    """List the types the rows bear, by label, with the proposals that were `accepted` as each."""
    # Images, not rows: exact duplicates have a row each.
    labelled = rows[rows["label"] != ""]
    images = labelled.groupby("label")["image_id"].nunique()
    return tuple(
        DefectType(
            label=str(label),
            definition=definitions.get(str(label), ""),
            proposals=tuple(sorted(accepted.get(str(label), ()))),
            images=int(count),
        )
        for label, count in sorted(images.items(), key=lambda item: str(item[0]))
    )


def _make_rows(
    clustering: Clustering, layout: Layout, *, names: Mapping[int, str], decided: Decided
) -> pd.DataFrame:
    counts = [len(paths) for paths in layout.paths]
    ids, clusters = clustering.ids.tolist(), clustering.labels.tolist()
    labels = [decided.images.get(image_id, ImageLabel()) for image_id in ids]
    columns: dict[str, list[Any]] = {
        "image_id": ids,
        "cluster_id": clusters,
        "membership": clustering.memberships.tolist(),
        "proposal_id": [names.get(cluster, "") for cluster in clusters],
        "label": [label.label for label in labels],
        "label_source": [label.source for label in labels],
        "decided_by": [label.by for label in labels],
        "decided_at": [label.at for label in labels],
    }
    which = np.repeat(np.arange(len(ids)), counts)  # (rows,) the image of each row
    frame = pd.DataFrame(columns).iloc[which].reset_index(drop=True)
    frame["path"] = [path for paths in layout.paths for path in paths]
    return set_types(frame)


def _group_accepted(decided: Decided) -> dict[str, list[str]]:
    accepted: dict[str, list[str]] = {}
    # The last decision of each proposal: one that was rejected since bears no label.
    for name, last in decided.proposals.items():
        if last.label:
            accepted.setdefault(last.label, []).append(name)
    return accepted


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
    checksums = make_checksums(rows, handoff.proposals)
    return {
        "format": FORMAT,
        "version": VERSION,
        "run_id": handoff.run_id,
        "store": dict(handoff.store),
        "sha256": checksums.sha256,
        # For a reader's eye alone: nothing is checked against them.
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
        "witness": checksums.encode(),
        "provenance": dict(handoff.provenance),
    }
