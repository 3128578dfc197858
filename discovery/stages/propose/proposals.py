"""Proposals made of clusters: their exemplars, and the order in which they are shown."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from discovery.records import Clustering, Duplicates, Proposal
from discovery.stages.propose.evidence import (
    Centred,
    KnownTypes,
    find_centroids,
    find_members,
    find_rivals,
    measure_cohesion,
    measure_novelties,
    measure_separation,
)
from embeddings.files import hash_bytes
from embeddings.large_values import Values, mean_rows, multiply
from embeddings.records import Vectors
from embeddings.threads import map_in_threads

SHOWN = 6  # of each sort: a row of the report, taken in at a glance
# Above this many members the exact medoid (all pairs) is looked for among those nearest the mean.
_PAIRS_UP_TO = 1_000


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
    centred = Centred(vectors.values)
    members = find_members(clustering, duplicates)
    centroids = find_centroids(centred, members)  # (k, d)
    cohesion = measure_cohesion(centroids)
    rivals = find_rivals(centred, clustering, centroids)
    novelties = measure_novelties(vectors.values, members, known)
    files = np.array([len(paths) for paths in vectors.rows["paths"]])  # (n,)

    def look_at(i: int) -> tuple[float, str, dict[str, tuple[str, ...]]]:
        rows = members[i]
        own = centred[rows]
        # An image of its own, which a mean is not: a person can look at it, and it names the group.
        medoid = str(vectors.ids[rows[find_medoid(own)]])
        exemplars = choose_exemplars(own, vectors.ids[rows], clustering.memberships[rows])
        return measure_separation(own, rivals, i), medoid, exemplars

    proposals = []
    seen = map_in_threads(look_at, range(len(members)))
    for i, (separation, medoid, exemplars) in enumerate(seen):
        novelty, nearest_known = novelties[i]
        proposals.append(
            Proposal(
                proposal_id=name_proposal(medoid),
                cluster_id=i,
                rank=1,  # until all are there to be ranked
                size=int(files[clustering.members(i)].sum()),
                cohesion=float(cohesion[i]),
                separation=separation,
                stability=float(stability[i]),
                novelty=novelty,
                nearest_known=nearest_known,
                medoid=medoid,
                exemplars=exemplars,
                size_um=_measure_size(vectors, members[i]),
                distinct=None if duplicates is None else len(members[i]),
            )
        )
    return rank_proposals(proposals)


def name_proposal(medoid: str) -> str:
    """Name a proposal that is new after its medoid; an older group keeps the id it had."""
    return "P" + hash_bytes(medoid.encode())[:8]


def rank_proposals(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Order proposals by what a person's time is best spent on first, and number them.

    The score is (0.05 + stability) x (1 + separation) x log2(1 + size), weighted by novelty
    where known types were given: firm, distinct and large groups first, known ones last. Where
    copies were looked for, the size is that of distinct images.
    """

    def score(proposal: Proposal) -> float:
        # Floors keep a group that fails one measure above 0: the others still order it.
        new = 1.0 if np.isnan(proposal.novelty) else 0.1 + 0.9 * proposal.novelty
        firm = (0.05 + proposal.stability) * max(1 + proposal.separation, 0.1)
        size = proposal.size if proposal.distinct is None else proposal.distinct
        return float(new * firm * np.log2(1 + size))

    # Equals by cluster number, which is by size.
    ordered = sorted(proposals, key=lambda p: (-score(p), p.cluster_id))
    return tuple(replace(proposal, rank=rank) for rank, proposal in enumerate(ordered, start=1))


def _measure_size(vectors: Vectors, members: NDArray[np.intp]) -> tuple[float, float] | None:
    """Return the 5th and 95th percentile of the longest side, in micrometres."""
    rows = vectors.rows.iloc[members]
    # Where no defect was measured the whole picture stands for it.
    longest = rows["defect_px"].fillna(rows[["width", "height"]].max(axis=1))
    sizes = (longest * rows["um_per_pixel"]).dropna().to_numpy(dtype=np.float64)
    if not len(sizes):
        return None
    low, high = np.percentile(sizes, (5, 95))
    return float(low), float(high)


def find_medoid(rows: Values) -> int:
    """Return the position of the member with the smallest total distance to the others.

    Parameters
    ----------
    rows : (m, d) float32, unit rows
    """
    candidates = np.arange(len(rows))
    if len(rows) > _PAIRS_UP_TO:
        nearest = np.argsort(-_measure_similarity(rows), kind="stable")
        candidates = np.sort(nearest[: max(1, _PAIRS_UP_TO * _PAIRS_UP_TO // len(rows))])
    squared = 2 - 2 * multiply(rows, rows[candidates].T)  # (m, candidates)
    return int(candidates[np.sqrt(np.maximum(squared, 0)).sum(axis=0).argmin()])


def choose_exemplars(
    rows: Values, ids: NDArray[np.str_], memberships: NDArray[np.float32]
) -> dict[str, tuple[str, ...]]:
    """Choose members to look at.

    Parameters
    ----------
    rows : (m, d) float32, unit rows
    ids : (m,) array of str
    memberships : (m,) float32

    Returns
    -------
    dict
        ``central``: nearest the mean; ``edge``: of the lowest membership, then the farthest
        from the mean; ``diverse``: each the farthest from those before it (Gonzalez 1985).
    """
    similarity = _measure_similarity(rows)  # (m,)
    central = np.argsort(-similarity, kind="stable")[:SHOWN]
    edge = np.lexsort((similarity, memberships))[:SHOWN]
    return {
        "central": tuple(ids[central].tolist()),
        "edge": tuple(ids[edge].tolist()),
        "diverse": tuple(ids[_spread(rows, first=int(central[0]))].tolist()),
    }


def _measure_similarity(rows: Values) -> NDArray[np.float32]:
    """Return the product of each row with their mean, (m,)."""
    return multiply(rows, mean_rows(rows).astype(np.float32))


def _spread(rows: Values, *, first: int) -> list[int]:
    chosen = [first]
    nearest = _measure_likeness(rows, first)  # (m,) to the closest chosen one
    nearest[first] = np.inf  # never the same one twice, coincident rows included
    while len(chosen) < min(SHOWN, len(rows)):
        farthest = int(nearest.argmin())
        chosen.append(farthest)
        nearest = np.maximum(nearest, _measure_likeness(rows, farthest))
        nearest[farthest] = np.inf
    return chosen


def _measure_likeness(rows: Values, one: int) -> NDArray[np.float32]:
    return multiply(rows, rows[np.array([one])][0])
