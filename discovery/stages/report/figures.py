"""The figures of the report: counts, shares, positions and marks of the clusters.

Images are counted by path, as in the handoff: an exact duplicate is an image of its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.records import NOISE, Clustering
from discovery.stages.report.data import ReportData

COLOURS = 8  # .c0 to .c7 in report.css
# Outlines of the marks, about the origin, radius 5; the scripts draw the very same.
SHAPES = (
    "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z",
    "M-4.4-4.4H4.4V4.4H-4.4Z",
    "M0-5.6L5.4 4.2H-5.4Z",
    "M0-6L6 0L0 6L-6 0Z",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The headline figures; all but `types` and `named` count images by path."""

    images: int
    duplicates: int
    clustered: int
    noise: int
    quarantined: int
    types: int
    named: int

    def share(self, count: int) -> float:
        """Part of all images, in [0, 1]."""
        return count / self.images if self.images else 0.0


def count_paths(data: ReportData) -> NDArray[np.int64]:
    """Count the paths of each image, (n,)."""
    return np.array([len(paths) for paths in data.paths], np.int64)


def summarise(data: ReportData) -> Summary:
    """Count what the head of the page says."""
    counts = count_paths(data)
    noise = int(counts[data.clustering.labels == NOISE].sum())
    images = int(counts.sum())
    return Summary(
        images=images,
        duplicates=images - len(counts),
        clustered=images - noise,
        noise=noise,
        quarantined=data.facts.quarantine_size,
        types=len(data.proposals),
        named=sum(bool(data.labels.get(p.proposal_id)) for p in data.proposals),
    )


def measure_clusters(data: ReportData) -> NDArray[np.int64]:
    """Count the images of each cluster by path, (k,)."""
    labels = data.clustering.labels
    inside = labels >= 0
    sizes = np.bincount(
        labels[inside], weights=count_paths(data)[inside], minlength=data.clustering.k
    )
    return sizes.astype(np.int64)


def fit_map(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move an (n, 2) map into the unit square, shape kept, y turned downwards as on a screen."""
    if not len(xy):
        return xy.astype(np.float32)
    low, high = xy.min(axis=0), xy.max(axis=0)
    span = float((high - low).max()) or 1.0
    centred = (xy - (low + high) / 2) / span
    return np.ascontiguousarray(centred * (1, -1) + 0.5, dtype=np.float32)


def locate_clusters(clustering: Clustering, xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Find the median position of each cluster, (k, 2): where its name stands on the map."""
    order = np.argsort(clustering.labels, kind="stable")
    starts = np.searchsorted(clustering.labels[order], np.arange(clustering.k))
    groups = np.split(order, starts)[1:]  # the first part is the noise
    centres = [np.median(xy[group], axis=0) for group in groups]
    return np.array(centres, np.float32).reshape(-1, 2)


def assign_marks(centres: NDArray[np.float32]) -> NDArray[np.int32]:
    """Give each of k clusters a colour and a shape, as (k, 2): neighbours never look alike.

    Eight colours cannot tell three hundred clusters apart, so a colour is used again as far
    away on the map as it can be, and with the next shape.
    """
    marks = np.zeros((len(centres), 2), np.int32)
    nearest = np.full((COLOURS, len(centres)), np.inf)  # distance to the next use of a colour
    uses = np.zeros(COLOURS, np.int32)
    for cluster, centre in enumerate(centres):
        colour = int(np.argmax(nearest[:, cluster]))
        marks[cluster] = colour, uses[colour] % len(SHAPES)
        uses[colour] += 1
        distances = np.linalg.norm(centres - centre, axis=1)
        np.minimum(nearest[colour], distances, out=nearest[colour])
    return marks


def count_memberships(memberships: NDArray[np.float32], bins: int = 12) -> NDArray[np.int64]:
    """Count memberships in equal bins over [0, 1], (bins,)."""
    return np.histogram(memberships, bins=bins, range=(0.0, 1.0))[0]
