"""The proposed defect types: what the machine puts before a person."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One proposed defect type with its evidence: one row of proposals.csv.

    Attributes
    ----------
    proposal_id : str
        Made from the medoid's image id, so that the same group keeps its name.
    cluster_id, rank, size : int
        Rank 1 is the one to look at first; size counts images (paths).
    cohesion : float
        Mean cosine similarity of the members to their mean, in [-1, 1].
    separation : float
        Mean silhouette-like margin to the nearest other cluster, in [-1, 1].
    stability : float
        Mean Jaccard similarity over bootstrap samples (Hennig 2007), in [0, 1].
    novelty : float
        Share of members outside every known type, in [0, 1]; NaN without known types.
    nearest_known : str
        Label of the nearest known type, or empty.
    medoid : str
        Image id of the member nearest to all others.
    exemplars : dict of str to tuple of str
        Image ids under "central", "edge" and "diverse".
    associations : dict
        What the members have in common in their metadata; empty where nothing is known.
    size_um : tuple of float or None
        5th and 95th percentile of the members' longest side in micrometres, where the pixel
        size is known.
    distinct : int or None
        Members with copies of one picture counted once, which is what the rank goes by; None
        where copies were not looked for.
    """

    proposal_id: str
    cluster_id: int
    rank: int
    size: int
    cohesion: float
    separation: float
    stability: float
    novelty: float
    nearest_known: str
    medoid: str
    exemplars: dict[str, tuple[str, ...]]
    associations: dict[str, Any] = field(default_factory=dict)
    size_um: tuple[float, float] | None = None
    distinct: int | None = None

    def __post_init__(self) -> None:
        # Counted from 1, as a person counts.
        if self.size < 1 or self.rank < 1:
            raise ValueError(f"size {self.size} and rank {self.rank} must be 1 or more")
        if self.distinct is not None and not 1 <= self.distinct <= self.size:
            raise ValueError(f"{self.distinct} distinct images of {self.size}")
        if set(self.exemplars) != {"central", "edge", "diverse"}:
            raise ValueError(f"exemplars are {sorted(self.exemplars)}")
