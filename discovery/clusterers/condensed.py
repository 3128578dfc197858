"""HDBSCAN's tree: single linkage condensed, then cut into clusters at any minimum size.

`LinkageTree` holds what costs time (the hierarchy of all images); `cut` answers one minimum
cluster size in milliseconds, so a sweep over many is nearly free. The definitions are those of
Campello, Moulavi and Sander (2013), McInnes, Healy and Astels (2017, `hdbscan`) and, for outlier
scores, GLOSH (Campello et al. 2015), and give the same answers as the `hdbscan` package, but for
coincident vectors: there a distance of zero counts as the smallest positive distance of the tree
(its lambda would be infinite, and memberships and outlier scores meaningless), and coincident
vectors are never split.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from discovery.clusterers.tree import Floats, climb, find_parents
from discovery.records import NOISE
from embeddings.errors import OptionError

SelectionMethod = Literal["eom", "leaf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatClusters:
    """One cut of the tree.

    Attributes
    ----------
    labels : (n,) int32
        -1 is noise; clusters numbered by where they lie in the tree, not by size.
    probabilities : (n,) float64 in [0, 1]
        How deep in its cluster an image lies: 1 in its core, 0 for noise.
    outlier_scores : (n,) float64 in [0, 1)
        GLOSH: how much sparser it is here than in the densest part of the surroundings.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    outlier_scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkageTree:
    """Single linkage over mutual reachability distances, ready to be cut.

    Attributes
    ----------
    linkage : (n - 1, 4) float64
        scipy's linkage matrix, heights ascending.
    """

    linkage: NDArray[np.float64]
    _parents: NDArray[np.int64] = field(init=False, repr=False)
    _lambdas: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        heights = self.linkage[:, 2]
        if self.linkage.ndim != 2 or self.linkage.shape[1] != 4 or (np.diff(heights) < 0).any():
            raise ValueError("expected an (n - 1, 4) linkage matrix with ascending heights")
        smallest = heights[heights > 0].min(initial=np.inf)
        object.__setattr__(self, "_parents", find_parents(self.linkage))
        # Density level at which each merge comes apart; 0 below any merge of coincident leaves.
        object.__setattr__(self, "_lambdas", 1.0 / np.maximum(heights, smallest))

    @property
    def n(self) -> int:
        """Number of leaves."""
        return len(self.linkage) + 1

    def cut(
        self, min_cluster_size: int, *, method: SelectionMethod = "eom", epsilon: float = 0.0
    ) -> FlatClusters:
        """Cut the tree into clusters of at least `min_cluster_size`.

        Parameters
        ----------
        method : {"eom", "leaf"}
            Excess of mass (the most persistent clusters) or the leaves (the finest ones).
        epsilon : float
            Clusters that come apart only below this distance stay together
            (Malzer and Baum 2020).

        Raises
        ------
        OptionError
            min_cluster_size is below 2, epsilon below 0, or the method unknown.
        """
        _check_cut(min_cluster_size, method, epsilon)
        if not self.linkage[:, 2].any():  # every image is the same: one type, if enough of them
            return _coincident(self.n, 0 if self.n >= min_cluster_size else NOISE)
        tree = _condense(self, min_cluster_size)
        chosen = _select_leaves(tree) if method == "leaf" else _select_mass(tree)
        if epsilon > 0:
            chosen = _lift(tree, chosen, epsilon)
        return _describe(tree, chosen)

    def labels_at(
        self, min_cluster_size: int, *, method: SelectionMethod = "eom", epsilon: float = 0.0
    ) -> NDArray[np.int32]:
        """Return the (n,) labels of `cut`."""
        return self.cut(min_cluster_size, method=method, epsilon=epsilon).labels


@dataclass(frozen=True, slots=True, kw_only=True)
class _CondensedTree:
    """The splits into two parts of at least the minimum size; c clusters, root first.

    A parent's number is below its children's.

    Attributes
    ----------
    parents : (c,) int64
        Of each cluster; the root (0) is its own.
    births, deaths : (c,) float64
        Lambda at which it appears, and the largest at which something falls out of it.
    stabilities : (c,) float64
    leaf_clusters : (n,) int64
        The smallest cluster around each leaf.
    leaf_lambdas : (n,) float64
        Lambda at which the leaf falls out of it.
    """

    parents: NDArray[np.int64]
    births: NDArray[np.float64]
    deaths: NDArray[np.float64]
    stabilities: NDArray[np.float64]
    leaf_clusters: NDArray[np.int64]
    leaf_lambdas: NDArray[np.float64]


def _check_cut(min_cluster_size: int, method: str, epsilon: float) -> None:
    if min_cluster_size < 2:
        raise OptionError(f"min_cluster_size is {min_cluster_size}, expected 2 or more")
    if method not in ("eom", "leaf"):
        raise OptionError(f"cluster_selection_method is {method!r}, expected 'eom' or 'leaf'")
    if not epsilon >= 0:
        raise OptionError(f"cluster_selection_epsilon is {epsilon}, expected 0 or more")


def _coincident(n: int, label: int) -> FlatClusters:
    return FlatClusters(
        labels=np.full(n, label, np.int32),
        probabilities=np.full(n, float(label != NOISE)),
        outlier_scores=np.zeros(n),
    )


def _condense(tree: LinkageTree, min_cluster_size: int) -> _CondensedTree:
    """Keep the splits that matter; everything smaller falls out of its cluster leaf by leaf."""
    n, linkage, parents = tree.n, tree.linkage, tree._parents
    nodes = np.arange(2 * n - 1)
    sizes = np.concatenate((np.ones(n), linkage[:, 3]))  # (2n - 1,)
    lambdas = np.concatenate((np.full(n, np.inf), tree._lambdas))  # (2n - 1,)
    big = sizes >= min_cluster_size
    big[-1] = True  # the root is a cluster, however small
    children = linkage[:, :2].astype(np.int64)
    splits = np.concatenate((np.zeros(n, bool), big[children].all(axis=1) & (linkage[:, 2] > 0)))
    # A big node opens a cluster below a split, and else continues its parent's.
    opens = big & (splits[parents] | (nodes == nodes[-1]))
    heads = np.flatnonzero(opens)[::-1]  # (c,) descending: the root first
    number = np.empty(2 * n - 1, np.int64)
    number[heads] = np.arange(len(heads))
    owners = climb(np.where(big & ~opens, parents, nodes))  # head of each big node's cluster
    # A leaf falls out with the largest small part around it, when a big node sheds that part.
    edges = climb(np.where(big | big[parents], nodes, parents))[:n]  # (n,)
    shed_by = parents[edges]  # (n,)
    leaf_clusters = number[owners[shed_by]]
    leaf_lambdas = lambdas[shed_by]
    outer = number[owners[parents[heads]]]  # (c,)
    births = np.where(np.arange(len(heads)) == 0, 0.0, lambdas[parents[heads]])
    deaths = np.zeros(len(heads))
    np.maximum.at(deaths, leaf_clusters, leaf_lambdas)
    np.maximum.at(deaths, outer[1:], births[1:])
    mass: Floats = np.bincount(
        leaf_clusters, leaf_lambdas - births[leaf_clusters], len(heads)
    ).astype(np.float64)
    passed = (births[1:] - births[outer[1:]]) * sizes[heads[1:]]
    mass += np.bincount(outer[1:], passed, len(heads))
    return _CondensedTree(
        parents=outer, births=births, deaths=deaths, stabilities=mass,
        leaf_clusters=leaf_clusters, leaf_lambdas=leaf_lambdas,
    )  # fmt: skip


def _select_mass(tree: _CondensedTree) -> list[int]:
    """Choose the clusters of greatest total stability, never one inside another, nor the root."""
    c = len(tree.parents)
    best = tree.stabilities.tolist()
    below = [0.0] * c
    parents = tree.parents.tolist()
    wins = [False] * c
    for i in range(c - 1, 0, -1):  # children before parents
        wins[i] = best[i] >= below[i]  # a tie goes to the larger cluster
        below[parents[i]] += best[i] if wins[i] else below[i]
    chosen, covered = [], [False] * c
    for i in range(1, c):  # parents before children
        covered[i] = covered[parents[i]] or wins[i]
        if wins[i] and not covered[parents[i]]:
            chosen.append(i)
    return chosen


def _select_leaves(tree: _CondensedTree) -> list[int]:
    """Choose the clusters without clusters inside; a root that never splits is none."""
    inner = np.zeros(len(tree.parents), bool)
    inner[tree.parents] = True
    return np.flatnonzero(~inner).tolist()


def _lift(tree: _CondensedTree, chosen: Iterable[int], epsilon: float) -> list[int]:
    """Replace each cluster born below `epsilon` by the first ancestor born above it."""
    parents, births = tree.parents.tolist(), tree.births.tolist()
    lifted = set()
    for i in chosen:
        # 1 / birth is the distance at which the cluster came apart from its sibling.
        while 1.0 / births[i] < epsilon and parents[i] != 0:
            i = parents[i]
        lifted.add(i)
    return [i for i in sorted(lifted) if not _has_ancestor_in(lifted, i, parents)]


def _has_ancestor_in(clusters: set[int], i: int, parents: list[int]) -> bool:
    while i != 0:
        i = parents[i]
        if i in clusters:
            return True
    return False


def _describe(tree: _CondensedTree, chosen: list[int]) -> FlatClusters:
    """Label the leaves of the chosen clusters, and say how firmly they belong."""
    c = len(tree.parents)
    steps = tree.parents.copy()
    steps[chosen] = chosen
    around = climb(steps)  # (c,) the chosen cluster around each, or the root
    label_of = np.full(c, NOISE, np.int32)
    label_of[chosen] = np.arange(len(chosen))
    homes = around[tree.leaf_clusters]  # (n,)
    labels = label_of[homes]
    deaths = tree.deaths[homes]
    shares = np.minimum(tree.leaf_lambdas, deaths) / deaths
    probabilities = np.where(labels == NOISE, 0.0, shares)
    deepest = tree.deaths.tolist()
    parents = tree.parents.tolist()
    for i in range(c - 1, 0, -1):
        deepest[parents[i]] = max(deepest[parents[i]], deepest[i])
    densest = np.array(deepest)[tree.leaf_clusters]  # (n,)
    return FlatClusters(
        labels=labels,
        probabilities=probabilities,
        outlier_scores=(densest - tree.leaf_lambdas) / densest,
    )
