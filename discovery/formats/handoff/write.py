"""A handoff is made and written: handoff.csv for a person, handoff.json for the machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discovery.formats.handoff.template import HandoffTemplate, make_types, number_labels
from discovery.records import (
    HANDOFF_COLUMNS,
    Clustering,
    Decided,
    Decision,
    DefectType,
    Handoff,
    ImageLabel,
    Layout,
    Proposal,
)
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON
from embeddings.errors import RunError
from embeddings.files import write_bytes
from embeddings.paths import takes_paths


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
        types=list_types(
            rows, definitions=decided.definitions, accepted=group_accepted(decided.proposals)
        ),
        proposals=names,
        run_id=run_id,
        store=dict(store or {}),
        provenance=dict(provenance or {}),
    )


def format_handoff(handoff: Handoff) -> tuple[bytes, bytes]:
    """Return the bytes of handoff.csv and of handoff.json."""
    labels, numbers = number_labels(handoff.rows)
    return HandoffTemplate(handoff).format(labels, numbers, types=handoff.types)


@takes_paths
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
    counts = {str(label): int(count) for label, count in images.items()}
    return make_types(counts, definitions=definitions, accepted=accepted)


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


def group_accepted(proposals: Mapping[str, Decision]) -> dict[str, list[str]]:
    """Return the proposals of each label, by the last decision on each."""
    accepted: dict[str, list[str]] = {}
    # One that was rejected since bears no label.
    for name, last in proposals.items():
        if last.label:
            accepted.setdefault(last.label, []).append(name)
    return accepted
