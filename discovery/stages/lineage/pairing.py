"""Which new group goes on with which old id: one to one, and the most images keep their id.

Among groups that belong together (see `kinship`) the pairs are those of the assignment problem
(Kuhn 1955) with the most common images. So of two groups that became one the bigger contributor
keeps its id, and of a group that came apart the biggest part. An id that was decided and whose
majority stays together goes before any that was not.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from discovery.records import Generation
from discovery.stages.lineage.kinship import HUMP, Kinship

NO_ONE = -1


def pair_groups(
    before: Generation,
    after: Generation,
    kinship: Kinship,
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
    free = _find_free(before, kinship)
    living = before.alive[:, None]
    for weights in (
        _weigh_members(kinship, first, len(after.ids)) * living,
        _weigh_centroids(kinship) * (free & living),
        _weigh_returns(before, after, kinship, first) * ~living,
        _weigh_centroids(kinship) * (free & ~living),
    ):
        pairs = _assign(pairs, weights)
    return pairs


def _find_free(before: Generation, kinship: Kinship) -> NDArray[np.bool_]:
    """Find pairs of whose kinship the members say nothing, (b, a): the centroids are asked."""
    kin = kinship.kin
    old = kinship.strange_before & ~kin.any(axis=1)
    new = kinship.strange_after & ~kin[before.alive].any(axis=0)
    return np.asarray(old[:, None] & new[None, :], np.bool_)


def _weigh_members(kinship: Kinship, first: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Weigh pairs by what they share; of equal sums the more alike pairs win, (b, a).

    A decided id with its majority counts more than all the n images can.
    """
    shared = kinship.shared
    union = shared.sum(axis=1)[:, None] + shared.sum(axis=0)[None, :] - shared
    alike = shared / np.maximum(union, 1)  # Jaccard, of the images that both runs grouped
    weights = shared + alike / (2 + min(shared.shape))  # all of these together are below 1
    return np.where(kinship.kin, weights + (first[:, None] & kinship.majorities) * (n + 1), 0.0)


def _weigh_centroids(kinship: Kinship) -> NDArray[np.float64]:
    """Weigh pairs by how much closer they are than two humps would be, (b, a)."""
    near = np.nan_to_num(HUMP - kinship.separations, nan=0.0)
    return np.maximum(near, 0.0)


def _weigh_returns(
    before: Generation, after: Generation, kinship: Kinship, first: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weigh ids that may come back, (b, a): most of the old group is most of the new one."""
    shared, own = kinship.shared, after.sizes[None, :]
    back = kinship.majorities & (2 * shared > own)
    alike = shared / (before.sizes[:, None] + own - shared)  # Jaccard
    return np.where(back, alike + 2 * first[:, None], 0.0)


def _assign(pairs: NDArray[np.intp], weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Add to `pairs` the best assignment of what is in none yet; weight 0 is no pair."""
    weights = weights.copy()
    weights[pairs[pairs != NO_ONE]] = 0
    weights[:, pairs != NO_ONE] = 0
    olds, news = linear_sum_assignment(weights, maximize=True)
    found = weights[olds, news] > 0
    pairs = pairs.copy()
    pairs[news[found]] = olds[found]
    return pairs
