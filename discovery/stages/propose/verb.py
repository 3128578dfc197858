"""The verb `propose_types`, and the order in which proposals are shown.

Cohesion and separation are computed on centred unit rows (the mean of all images taken away,
then made unit again): two images with no more in common than any two have similarity 0.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from discovery.records import Clustering, Duplicates, Proposal
from discovery.stages.propose.evidence import (
    find_centroids,
    find_members,
    measure_cohesion,
    measure_separation,
)
from discovery.stages.propose.exemplars import choose_exemplars, find_medoid
from discovery.stages.propose.novelty import KnownTypes, measure_novelty
from embeddings.records import Vectors, unit_rows


def propose_types(
    vectors: Vectors,
    clustering: Clustering,
    stability: NDArray[np.float64],
    *,
    known: KnownTypes | None = None,
    duplicates: Duplicates | None = None,
) -> tuple[Proposal, ...]:
    """Make one proposal a cluster, in rank order.

    Parameters
    ----------
    vectors : Vectors of n images, aligned with the clustering
    clustering : Clustering with k clusters
    stability : (k,) float64
    known : KnownTypes, optional
        Images whose type is known: novelty and the nearest known type are measured.
    duplicates : Duplicates, optional
        Copies of one picture count once, in the evidence and the rank, and one of them is shown.
        The size stays that of all images.

    Raises
    ------
    ValueError
        Vectors and clustering are of different images.
    """
    if not np.array_equal(vectors.ids, clustering.ids):
        raise ValueError("vectors and clustering are of different images")
    centred = unit_rows(vectors.values - vectors.values.mean(axis=0))  # (n, d)
    members = find_members(clustering, duplicates)
    centroids = find_centroids(centred, members)  # (k, d)
    cohesion = measure_cohesion(centroids)
    separation = measure_separation(centred, clustering, members=members, centroids=centroids)
    drafts = [
        _draft(vectors, clustering, centred, cluster_id, members[cluster_id], known)
        for cluster_id in range(clustering.k)
    ]
    if duplicates is not None:
        drafts = [replace(draft, distinct=len(members[draft.cluster_id])) for draft in drafts]
    return rank_proposals(
        [
            replace(
                draft,
                cohesion=float(cohesion[i]),
                separation=float(separation[i]),
                stability=float(stability[i]),
            )
            for i, draft in enumerate(drafts)
        ]
    )


def name_proposal(medoid: str) -> str:
    """Name a proposal that is new after its medoid; an older group keeps the id it had."""
    return "P" + hashlib.sha256(medoid.encode()).hexdigest()[:8]


def rank_proposals(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Order proposals by what a person's time is best spent on first, and number them.

    The score is (0.05 + stability) x (1 + separation) x log2(1 + size), weighted by novelty
    where known types were given: firm, distinct and large groups first, known ones last. Where
    copies were looked for, the size is that of distinct images.
    """

    def score(proposal: Proposal) -> float:
        new = 1.0 if np.isnan(proposal.novelty) else 0.1 + 0.9 * proposal.novelty
        firm = (0.05 + proposal.stability) * max(1 + proposal.separation, 0.1)
        size = proposal.size if proposal.distinct is None else proposal.distinct
        return float(new * firm * np.log2(1 + size))

    ordered = sorted(proposals, key=lambda p: (-score(p), p.cluster_id))
    return tuple(replace(proposal, rank=rank) for rank, proposal in enumerate(ordered, start=1))


def _draft(
    vectors: Vectors,
    clustering: Clustering,
    centred: NDArray[np.float32],
    cluster_id: int,
    members: NDArray[np.intp],
    known: KnownTypes | None,
) -> Proposal:
    """Return a proposal whose evidence over all clusters is still to be filled in."""
    everyone = clustering.members(cluster_id)
    medoid = str(vectors.ids[members[find_medoid(centred[members])]])
    novelty, nearest_known = measure_novelty(vectors.values[members], known)
    return Proposal(
        proposal_id=name_proposal(medoid),
        cluster_id=cluster_id,
        rank=1,
        size=sum(len(paths) for paths in vectors.rows["paths"].iloc[everyone]),
        cohesion=0.0,
        separation=0.0,
        stability=0.0,
        novelty=novelty,
        nearest_known=nearest_known,
        medoid=medoid,
        exemplars=choose_exemplars(
            centred[members], vectors.ids[members], clustering.memberships[members]
        ),
        size_um=_measure_size(vectors, members),
    )


def _measure_size(vectors: Vectors, members: NDArray[np.intp]) -> tuple[float, float] | None:
    """Return the 5th and 95th percentile of the longest side, in micrometres."""
    rows = vectors.rows.iloc[members]
    longest = rows["defect_px"].fillna(rows[["width", "height"]].max(axis=1))
    sizes = (longest * rows["um_per_pixel"]).dropna().to_numpy(dtype=np.float64)
    if not len(sizes):
        return None
    low, high = np.percentile(sizes, (5, 95))
    return float(low), float(high)
