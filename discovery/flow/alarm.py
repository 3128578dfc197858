"""Whether images that no cluster takes look alike: the first sign of a new type.

They are grouped as a round would group them. A group counts where it comes back when images are
drawn anew, most of it is unknown, and its images lie as near to each other as the images of the
clusters that are there, or much nearer than to any of these: what is merely odd, each in its own
way, is no type.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discovery.clusterers.base import make_default
from discovery.flow.route import partition_vectors
from discovery.flow.settings import MIN_IMAGES, describe_graph
from discovery.flow.space import fit_space, join_vectors
from discovery.graph.distances import measure_nearest
from discovery.graph.neighbours import find_neighbours
from discovery.stages.stability import DRAWS, measure_stability
from embeddings.records import Vectors

STABLE = 0.5  # below, a cluster is dissolved when images are drawn anew (Hennig 2007)
_MUCH_NEARER = 0.8  # the ratio by which an image is known from a stranger (Lowe 2004, section 7.1)
_MOSTLY = 0.5  # share of a group that must be unknown: between two clusters lies no new type


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlikeGroup:
    """Images that belong to no cluster and look alike.

    Attributes
    ----------
    positions : (s,) intp
        Among the images that were searched, the most typical first.
    stability : float
        Mean Jaccard similarity over bootstrap samples, in [0, 1].
    """

    positions: NDArray[np.intp]
    stability: float


def find_new_groups(
    views: Sequence[Vectors],
    left: NDArray[np.intp],
    is_unknown: NDArray[np.bool_],
    *,
    nearest: NDArray[np.float64],
    sibling_distance: float,
    seed: int,
) -> tuple[LookAlikeGroup, ...]:
    """Look for groups among all images of a lot, and among those that no cluster takes.

    Beside images that have a cluster a large new type holds together; a small one is seen only
    without them. Of groups that overlap the one with more, and a larger share of, unknown images
    is kept.

    Parameters
    ----------
    views : sequence of Vectors of m images
    left : (s,) intp
        Positions of the images that no cluster takes.
    is_unknown : (m,) bool
    nearest, sibling_distance
        As for `find_look_alike_groups`.

    Returns
    -------
    tuple of LookAlikeGroup
        Without overlap, the one with most unknown images first; positions among the m images.
    """
    whole = find_look_alike_groups(
        views, is_unknown, nearest=nearest, sibling_distance=sibling_distance, seed=seed
    )
    # Of a group found among all images only those are new that no cluster took.
    cut = [replace(one, positions=one.positions[np.isin(one.positions, left)]) for one in whole]
    found = [one for one in cut if len(one.positions) >= MIN_IMAGES]
    part = [view.take(left) for view in views]
    found += [
        LookAlikeGroup(positions=left[group.positions], stability=group.stability)
        for group in find_look_alike_groups(
            part,
            is_unknown[left],
            nearest=nearest[left],
            sibling_distance=sibling_distance,
            seed=seed,
        )
    ]
    found.sort(key=lambda group: -_score_unknown(group, is_unknown))
    kept: list[LookAlikeGroup] = []
    # Best first, so whatever overlaps one that is kept is the worse of the two.
    taken = np.zeros(len(is_unknown), bool)
    for group in found:
        if not taken[group.positions].any():
            taken[group.positions] = True
            kept.append(group)
    return tuple(kept)


def _score_unknown(group: LookAlikeGroup, is_unknown: NDArray[np.bool_]) -> float:
    inside = is_unknown[group.positions]
    return float(inside.sum() * inside.mean())


def find_look_alike_groups(
    views: Sequence[Vectors],
    is_unknown: NDArray[np.bool_],
    *,
    nearest: NDArray[np.float64],
    sibling_distance: float,
    seed: int,
) -> list[LookAlikeGroup]:
    """Group images that have no cluster, the biggest group first.

    Parameters
    ----------
    views : sequence of Vectors of m images
    is_unknown : (m,) bool
        The others are undecided.
    nearest : (m,)
        L2 distance to the nearest image of any cluster.
    sibling_distance : float
        L2 distance within which an image of a cluster has its nearest sibling.
    """
    vectors = join_vectors(views)
    if len(vectors) < MIN_IMAGES:
        return []
    rows = fit_space(views, seed=seed).rows
    k = describe_graph(len(vectors))["k"]
    parts = partition_vectors(
        vectors, rows, find_neighbours(rows, k, seed=seed), choice=make_default(), seed=seed
    )
    stability = measure_stability(
        parts.reduced, parts.clustering, fit=parts.fit, seed=seed, draws=DRAWS
    )
    full_vectors = np.asarray(vectors.values)
    near = np.maximum(sibling_distance, _MUCH_NEARER * nearest)  # (m,)
    groups = []
    for cluster in range(parts.clustering.k):
        members = _keep_near(parts.clustering.members(cluster), full_vectors, near)
        if len(members) < MIN_IMAGES or is_unknown[members].mean() < _MOSTLY:
            continue
        if stability[cluster] >= STABLE:
            groups.append(LookAlikeGroup(positions=members, stability=float(stability[cluster])))
    return sorted(groups, key=lambda group: -len(group.positions))


def _keep_near(
    members: NDArray[np.intp], full_vectors: NDArray[np.float32], near: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Leave out members without a sibling that is near; the nearest to the mean comes first."""
    rows = full_vectors[members]
    siblings = measure_nearest(rows, rows, withheld=np.arange(len(rows)))
    kept: NDArray[np.intp] = members[siblings <= near[members]]
    centre = full_vectors[kept].sum(axis=0)
    # Unit rows: the product with the mean is the cosine, up to a factor.
    order = np.argsort(-(full_vectors[kept] @ centre), kind="stable")
    return np.take(kept, order)
