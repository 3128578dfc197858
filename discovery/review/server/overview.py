"""The methods that tell what does not change while a page is open: the run, and columns of it."""

from typing import Any

import numpy as np

from discovery.classifier.taxonomy import make_default_taxonomy
from discovery.flow.known_types import read_matches
from discovery.review.advisor import PAGE_SIZE
from discovery.review.server.answers import Answer
from discovery.review.server.context import ApiContext
from discovery.review.server.levels import tell_levels
from discovery.review.server.method import Method
from discovery.runs import MATCHED


def tell_overview(context: ApiContext) -> Answer:
    """Tell what the page must know of the run before anything else."""
    run = context.review.run
    pictures = context.pictures
    return Answer(
        json={
            "run": {"path": str(run.path), "id": run.run_id},
            "n": context.n,
            "user": context.review.by,
            "labels_known": list_known_labels(context),
            "um_per_pixel": _find_pixel_size(context),
            "metadata_columns": context.metadata_columns,
            "has_map": bool(np.isfinite(context.data.positions).all()) and context.n > 0,
            "has_heat": pictures.has_heat,
            "has_reference": pictures.has_references,
            "levels": tell_levels(context),
            "page_size": PAGE_SIZE,
        }
    )


def send_columns(context: ApiContext) -> Answer:
    """Send of each image its place on the map, its cluster, and how firmly it is in it."""
    data = context.data
    columns: dict[str, Any] = {
        "cluster": data.clustering.labels,
        "membership": data.clustering.memberships,
        "outlier": data.clustering.outlier_scores,
        "copies": data.copies,
    }
    if np.isfinite(data.positions).all():
        columns = {"x": data.positions[:, 0], "y": data.positions[:, 1], **columns}
    return Answer(json={}, columns=columns)


def list_known_labels(context: ApiContext) -> list[str]:
    """Return the labels a name may be completed from: the tree of types, and what is known."""
    known = set(make_default_taxonomy().nodes)
    known |= {str(one.evidence.get("nearest_known", "")) for one in context.state.proposals}
    run = context.review.run
    if (run.path / MATCHED).is_file():
        known |= set(read_matches(run.read_bytes(MATCHED)).values())
    return sorted(known - {""})


def _find_pixel_size(context: ApiContext) -> float | None:
    """Return micrometres a pixel where all images have the same."""
    sizes = context.files.rows["um_per_pixel"].to_numpy(np.float64)
    if not len(sizes) or not np.isfinite(sizes).all():
        return None
    return float(sizes[0]) if np.allclose(sizes, sizes[0], rtol=1e-3) else None


METHODS = {
    "overview": Method(run=tell_overview),
    "columns": Method(run=send_columns),
}
