"""The method ``evidence``: what speaks for a proposal beside its look."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from discovery.review.server.answers import Answer
from discovery.review.server.arguments import text
from discovery.review.server.context import ApiContext
from discovery.review.server.method import Method
from discovery.review.server.words import describe_association
from discovery.review.state import Places

_MOST_SIZES = 2000  # of members: a histogram of more looks the same
_RADIUS = 1000  # places are kept in thousandths of the wafer's radius


def tell_evidence(context: ApiContext, *, proposal: str) -> Answer:
    """Tell associations with metadata, places on the wafer, and sizes of the defects."""
    found = context.find_proposal(proposal)
    associations: Mapping[str, Any] = found.evidence.get("associations", {})
    return Answer(
        json={
            "associations": [describe_association(one) for one in associations.get("found", ())],
            "warning": str(associations.get("warning", "")),
            "wafer": _tell_wafer(associations),
            "sizes": _measure_sizes(context, found.images),
        }
    )


def _tell_wafer(associations: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return places in wafer radii, all images of the round first, then the proposal's own."""
    places = associations.get("map")
    if places is None:
        return None
    ground, points = (np.array(places[name]).reshape(-1, 2) for name in ("ground", "points"))
    xy = np.concatenate([ground, points]) / _RADIUS
    return {
        "x": xy[:, 0],
        "y": xy[:, 1],
        "inside": [0] * len(ground) + [1] * len(points),
        "name": str(associations.get("signature", {}).get("name", "")),
    }


def _measure_sizes(context: ApiContext, images: Places) -> list[float] | None:
    """Return the longest sides of members' defects in micrometres; None where none is known."""
    rows = context.files.rows.iloc[images]
    sizes = rows["defect_px"].to_numpy(np.float64) * rows["um_per_pixel"].to_numpy(np.float64)
    known = np.sort(sizes[np.isfinite(sizes)])
    if not len(known):
        return None
    # Evenly over the sorted: the smallest and the largest stay.
    kept = np.unique(np.linspace(0, len(known) - 1, min(len(known), _MOST_SIZES)).astype(np.intp))
    sampled: list[float] = known[kept].tolist()
    return sampled


METHODS = {"evidence": Method(run=tell_evidence, arguments={"proposal": text()})}
