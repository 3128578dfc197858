"""Which new group goes on with which old id: one to one, and the most images keep their id.

Among groups that belong together (see `group_overlap`) the pairs are those of the assignment
problem (Kuhn 1955) with the most common images. So of two groups that became one the bigger
contributor keeps its id, and of a group that came apart the biggest part. An id that was decided
and whose majority stays together goes before any that was not.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from discovery.records import Generation
from discovery.stages.lineage.group_overlap import SAME_GROUP, GroupOverlap

NO_ONE = -1


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
    pairs = np.full(len(after), NO_ONE, np.intp)
    if same_name:
        positions = {name: i for i, name in enumerate(before.names)}
        pairs = np.array([positions.get(name, NO_ONE) for name in after.names], np.intp)
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
    old = overlap.strange_before & ~related.any(axis=1)
    new = overlap.strange_after & ~related[before.alive].any(axis=0)
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
    weights[pairs[pairs != NO_ONE]] = 0
    weights[:, pairs != NO_ONE] = 0
    olds, news = linear_sum_assignment(weights, maximize=True)
    found = weights[olds, news] > 0
    pairs = pairs.copy()
    pairs[news[found]] = olds[found]
    return pairs
