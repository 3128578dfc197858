"""Which groups of two generations belong together, and which new one goes on with which old id.

By common images the one threshold is the majority: a group has at most one successor that took
more than half of it, and at most one origin that gave more than half of it. By centroids it is two
standard deviations along the line between them: closer than that, two normal groups of the same
spread have one hump together and not two (Behboodian 1970; Holzmann & Vollmer 2008).

Among groups that belong together the pairs are those of the assignment problem (Kuhn 1955) with
the most common images. So of two groups that became one the bigger contributor keeps its id, and
of a group that came apart the biggest part. An id that was decided and whose majority stays
together goes before any that was not.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from discovery.records import Generation
from embeddings.large_values import Values, multiply, select

NO_PREDECESSOR = -1
SAME_GROUP = 2.0  # standard deviations between two centroids
# Rows stored as float16 are this far from themselves; a group of coincident rows has no less.
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOverlap:
    """How b groups of before and a groups of after belong together.

    Attributes
    ----------
    shared : (b, a) int64
        Common images.
    majorities : (b, a) bool
        More than half of the old group, images that are gone counted, is in the new one.
    went_to : (b, a) bool
        Most of the old group went there.
    came_from : (b, a) bool
        Most of the new group came from there.
    separations : (b, a) float64
        Between the centroids, in standard deviations; NaN where not needed or not known.
    foreign_before, foreign_after : (b,) and (a,) bool
        Half or more of its images are not among those of the other run, so that its members do
        not say what became of it, or where it comes from.
    """

    shared: NDArray[np.int64]
    majorities: NDArray[np.bool_]
    went_to: NDArray[np.bool_]
    came_from: NDArray[np.bool_]
    separations: NDArray[np.float64]
    foreign_before: NDArray[np.bool_]
    foreign_after: NDArray[np.bool_]

    @property
    def related(self) -> NDArray[np.bool_]:
        """Pairs that belong together by their members, (b, a)."""
        return np.asarray(self.went_to | self.came_from, np.bool_)


def compare_groups(before: Generation, after: Generation, *, values: Values | None) -> GroupOverlap:
    """Compare every group of `before` with every group of `after`.

    Parameters
    ----------
    values : (n, d) float32, optional
        Rows of after's images, of after's space.
    """
    shared, known_before, known_after = _count_shared(before, after)
    sizes, own = before.sizes[:, None], after.sizes[None, :]  # (b, 1), (1, a)
    majorities, mostly = 2 * shared > sizes, 2 * shared > own
    # A majority of the images that both runs have, where these are not all.
    likely_went_to = 2 * shared > known_before[:, None]
    likely_came_from = 2 * shared > known_after[None, :]
    foreign_before = 2 * known_before <= before.sizes
    foreign_after = 2 * known_after <= after.sizes
    wanted = (likely_went_to & ~majorities) | (likely_came_from & ~mostly)
    wanted |= foreign_before[:, None] & foreign_after[None, :]
    separations = _measure_separations(before, after, values=values, wanted=wanted)
    # A few images speak for their group where the vectors do not contradict.
    credible = ~(separations > SAME_GROUP)  # NaN is no contradiction
    return GroupOverlap(
        shared=shared,
        majorities=majorities,
        went_to=majorities | (likely_went_to & credible),
        came_from=mostly | (likely_came_from & credible),
        separations=separations,
        foreign_before=foreign_before,
        foreign_after=foreign_after,
    )


def _count_shared(
    before: Generation, after: Generation
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count common images of each pair, and of each group those the other run has at all."""
    _, old, new = np.intersect1d(before.ids, after.ids, assume_unique=True, return_indices=True)
    of_before = _tabulate(before)[old]  # (common, b)
    of_after = _tabulate(after)[new]  # (common, a)
    shared = np.asarray((of_before.T @ of_after).toarray(), np.int64)
    known_before, known_after = of_before.sum(axis=0), of_after.sum(axis=0)
    return shared, np.asarray(known_before, np.int64), np.asarray(known_after, np.int64)


def _tabulate(generation: Generation) -> csr_array:
    """Which image is in which group, as a sparse (n, k) matrix of 0 and 1."""
    rows = np.concatenate([*generation.members, np.empty(0, np.int64)])
    columns = np.repeat(np.arange(len(generation)), generation.sizes)
    shape = (len(generation.ids), len(generation))
    return csr_array((np.ones(len(rows), np.int64), (rows, columns)), shape=shape)


def _measure_separations(
    before: Generation,
    after: Generation,
    *,
    values: Values | None,
    wanted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Measure how far apart the wanted pairs are, in standard deviations of the new group's rows.

    The squared distance of two means is, by chance alone, the sum of their groups' variances over
    their sizes; that much is taken away first, or small groups would never meet again.
    """
    separations = np.full(wanted.shape, np.nan)
    width = after.centroids.shape[1]
    comparable = before.space == after.space and before.centroids.shape[1] == width
    if values is None or not width or not comparable:
        return separations
    known = ~np.isnan(before.scatters)
    for j in np.flatnonzero(wanted[known].any(axis=0)):
        olds = np.flatnonzero(wanted[:, j] & known)
        lines = before.centroids[olds].astype(np.float64) - after.centroids[j]  # (olds, d)
        lengths = np.linalg.norm(lines, axis=1)
        directions = lines / np.maximum(lengths, 1e-12)[:, None]
        along = multiply(
            select(values, after.members[j]), directions.T.astype(np.float32)
        )  # (m, olds)
        spread = along.std(axis=0, ddof=min(1, len(along) - 1))
        chance = before.scatters[olds] / before.sizes[olds] + after.scatters[j] / after.sizes[j]
        apart = np.sqrt(np.maximum(lengths**2 - chance, 0))
        separations[olds, j] = apart / np.maximum(spread, _LEAST_SPREAD)
    return separations


def find_predecessors(
    before: Generation,
    after: Generation,
    overlap: GroupOverlap,
    *,
    decided: Collection[str],
    same_name: bool,
) -> NDArray[np.intp]:
    """Find the old group each new one goes on with.

    Parameters
    ----------
    decided : collection of str
        Ids a person decided on.
    same_name : bool
        Groups that bear the same name already are a pair whatever their members say.

    Returns
    -------
    (a,) array of int
        Position in `before`, -1 where there is none. Ids that ended come last: a group takes one
        back only where it is free otherwise.
    """
    pairs = np.full(len(after), NO_PREDECESSOR, np.intp)
    if same_name:
        positions = {name: i for i, name in enumerate(before.names)}
        pairs = np.array([positions.get(name, NO_PREDECESSOR) for name in after.names], np.intp)
    first = np.isin(np.array(before.names, dtype=np.str_), sorted(decided))  # (b,)
    free = _find_free(before, overlap)
    living = before.alive[:, None]
    # From the surest evidence to the weakest; what a step has paired the next ones leave alone.
    for weights in (
        _score_members(overlap, first, len(after.ids)) * living,
        _score_centroids(overlap) * (free & living),
        _score_returns(before, after, overlap, first) * ~living,
        _score_centroids(overlap) * (free & ~living),
    ):
        pairs = _assign(pairs, weights)
    return pairs


def _find_free(before: Generation, overlap: GroupOverlap) -> NDArray[np.bool_]:
    """Find pairs of whose overlap the members say nothing, (b, a): centroids decide."""
    related = overlap.related
    old = overlap.foreign_before & ~related.any(axis=1)
    new = overlap.foreign_after & ~related[before.alive].any(axis=0)
    return np.asarray(old[:, None] & new[None, :], np.bool_)


def _score_members(overlap: GroupOverlap, first: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Score pairs by what they share; of equal sums the more alike pairs win, (b, a).

    A decided id with its majority counts more than all the n images can.
    """
    shared = overlap.shared
    union = shared.sum(axis=1)[:, None] + shared.sum(axis=0)[None, :] - shared
    alike = shared / np.maximum(union, 1)  # Jaccard, of the images that both runs grouped
    weights = shared + alike / (2 + min(shared.shape))  # all of these together are below 1
    return np.where(overlap.related, weights + (first[:, None] & overlap.majorities) * (n + 1), 0.0)


def _score_centroids(overlap: GroupOverlap) -> NDArray[np.float64]:
    """Score pairs by how much closer they are than two humps would be, (b, a)."""
    near = np.nan_to_num(SAME_GROUP - overlap.separations, nan=0.0)
    return np.maximum(near, 0.0)


def _score_returns(
    before: Generation, after: Generation, overlap: GroupOverlap, first: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Score ids that may come back, (b, a): most of the old group is most of the new one."""
    shared, own = overlap.shared, after.sizes[None, :]
    back = overlap.majorities & (2 * shared > own)
    alike = shared / (before.sizes[:, None] + own - shared)  # Jaccard
    return np.where(back, alike + 2 * first[:, None], 0.0)


def _assign(pairs: NDArray[np.intp], weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Add to `pairs` the best assignment of what is in none yet; weight 0 is no pair."""
    weights = weights.copy()
    # One to one: who has a partner is out of the market.
    weights[pairs[pairs != NO_PREDECESSOR]] = 0
    weights[:, pairs != NO_PREDECESSOR] = 0
    olds, news = linear_sum_assignment(weights, maximize=True)
    found = weights[olds, news] > 0
    pairs = pairs.copy()
    pairs[news[found]] = olds[found]
    return pairs
