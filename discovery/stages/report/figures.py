"""The figures of the report: counts and shares, names of clusters, and a proposal's evidence.

Images are counted by path, as in the handoff: an exact duplicate is an image of its own. A bar
says how much; the word beside it says what an engineer may conclude, by a published rule where
there is one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.pages.words import DASH, write_figure
from discovery.records import NOISE, Proposal
from discovery.stages.report.data import ReportData

# Kaufman and Rousseeuw, Finding Groups in Data (1990), their reading of the silhouette.
_SEPARATION = (
    (0.7, "stands well apart"),
    (0.5, "stands apart"),
    (0.25, "touches a neighbour"),
    (-1, "overlaps a neighbour"),
)
# Hennig (2007), thresholds as in his package fpc, clusterboot: .85 highly stable, .75 valid,
# .6 a pattern whose members are doubtful; below, a part of it alone comes back.
STABILITY_GRADES = (
    (0.85, "very stable"),
    (0.75, "stable"),
    (0.6, "core stable"),
    (0, "comes back in part"),
)
_NOVELTY = ((0.8, "new"), (0.2, "partly new"), (0, "mostly known"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The headline figures; images are counted by path.

    `named` of the proposed `types` have a label and `judged` are split, rejected or put off;
    `labelled` images bear one of `labels` labels, from a proposal or by themselves.
    """

    images: int
    duplicates: int
    clustered: int
    noise: int
    quarantined: int
    types: int
    named: int
    judged: int
    labelled: int
    labels: int

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
        judged=sum(p.proposal_id in data.judged for p in data.proposals),
        labelled=int(counts[data.codes >= 0].sum()),
        labels=len(data.types),
    )


def measure_clusters(data: ReportData) -> NDArray[np.int64]:
    """Count the images of each cluster by path, (k,)."""
    labels = data.clustering.labels
    # bincount takes no -1; noise has its own figure.
    inside = labels >= 0
    sizes = np.bincount(
        labels[inside], weights=count_paths(data)[inside], minlength=data.clustering.k
    )
    return sizes.astype(np.int64)


def count_memberships(memberships: NDArray[np.float32], bins: int = 12) -> NDArray[np.int64]:
    """Count memberships in equal bins over [0, 1], (bins,)."""
    return np.histogram(memberships, bins=bins, range=(0.0, 1.0))[0]


def name_clusters(data: ReportData) -> list[str]:
    """Name each cluster as the page does: by the rank of its proposal, where it has one."""
    ranks = {proposal.cluster_id: proposal.rank for proposal in data.proposals}
    return [
        f"Type {ranks[cluster]}" if cluster in ranks else f"Cluster {cluster}"
        for cluster in range(data.clustering.k)
    ]


def find_labels(data: ReportData) -> list[str]:
    """Look up the decided label of each cluster, or empty."""
    ids = {proposal.cluster_id: proposal.proposal_id for proposal in data.proposals}
    return [data.labels.get(ids.get(cluster, ""), "") for cluster in range(data.clustering.k)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One measure of a proposal: `filled` in [0, 1] is the bar, None where there is no figure."""

    name: str
    figure: str
    filled: float | None
    word: str
    hint: str


def describe_evidence(proposal: Proposal, among: Sequence[Proposal]) -> list[Evidence]:
    """List the measures of one proposal; cohesion is judged among the others of the run."""
    rows = [
        _measure("Cohesion", proposal.cohesion, _compare(proposal, among), "likeness to the mean"),
        _measure(
            "Separation",
            proposal.separation,
            _grade(proposal.separation, _SEPARATION),
            "margin to the nearest other cluster",
        ),
        _measure(
            "Stability",
            proposal.stability,
            _grade(proposal.stability, STABILITY_GRADES),
            "same group found again in resampled data",
        ),
    ]
    if not math.isnan(proposal.novelty):
        word = _grade(proposal.novelty, _NOVELTY)
        if proposal.nearest_known:
            word = f"{word}; nearest: {proposal.nearest_known}"
        rows.append(_measure("Novelty", proposal.novelty, word, "share outside every known type"))
    return rows


def explain_rank(proposal: Proposal, among: Sequence[Proposal]) -> str:
    """Say by what a proposal has its rank: its place in each of what the order goes by."""
    merits: dict[str, Callable[[Proposal], float]] = {
        "stability": lambda one: one.stability,
        "separation": lambda one: one.separation,
        "size": lambda one: one.size if one.distinct is None else one.distinct,
    }
    if not math.isnan(proposal.novelty):
        merits["novelty"] = lambda one: one.novelty
    places = [
        (1 + sum(measure(other) > measure(proposal) for other in among), name)
        for name, measure in merits.items()
        if not math.isnan(measure(proposal))
    ]
    told = ", ".join(f"{_write_place(place)} in {name}" for place, name in places)
    return f"{_write_place(proposal.rank)} of {len(among)} to look at: {told}"


def _write_place(place: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{'th' if 10 < place % 100 < 14 else ending}"


def write_sizes(size_um: tuple[float, float] | None) -> str | None:
    """Write the range of the defects' longest side, where it is known."""
    if size_um is None:
        return None
    low, high = (f"{side:.3g}" for side in size_um)
    return f"{low} \u00b5m" if low == high else f"{low}\u2013{high} \u00b5m"


def _grade(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    return next((word for step, word in steps if value >= step), "")


def _compare(proposal: Proposal, among: Sequence[Proposal]) -> str:
    """Say in which third of the run a cohesion lies: its scale depends on the extractor."""
    tighter = [other for other in among if other.cohesion > proposal.cohesion]
    if len(among) < 3 or math.isnan(proposal.cohesion):
        return ""
    # 0, 1 or 2: by rank, since a cohesion of .8 is much for one extractor and little for another.
    third = 3 * len(tighter) // len(among)
    return ("among the tightest", "middling", "among the loosest")[third]


def _measure(name: str, value: float, word: str, hint: str) -> Evidence:
    if math.isnan(value):
        return Evidence(name=name, figure=DASH, filled=None, word="not measured", hint=hint)
    filled = min(max(value, 0.0), 1.0)  # below zero there is no bar, the figure says it
    return Evidence(name=name, figure=write_figure(value), filled=filled, word=word, hint=hint)
