"""Which groups of communities are types: those that last over many resolutions.

`merge_communities` joins fine communities step by step, always the pair that pays at the highest
resolution: the tree it leaves says which groups there are at every coarser resolution, without a
new search (Bonald et al. 2018, Hierarchical graph clustering using node pair sampling: the pair's
distance there is 1 / level here).

A group is born at the resolution at which its parts join, and ends where it joins another. What
is really there lasts: six unlike surfaces are six groups over a wide range of resolutions, and
the halves of one of them only for a while. `select_persistent` takes the groups that do not
overlap and last longest in all, which is HDBSCAN's excess of mass (Campello et al. 2015) with
the logarithm of the resolution in place of density. No number of groups is given or bounded.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# The resolutions looked at. Above 3 the communities of a few dozen neighbours come apart anyhow;
# below 0.1 next to nothing is tied. Found on four image sets at once: docs/log.md.
FINEST, COARSEST = 3.0, 0.1
SWEPT = 60  # resolutions of a sweep
# How much longer its parts must last, in all, for a group to be given up for them.
PREFERENCES = {"coarse": 1.5, "auto": 1.0, "fine": 0.5}
_GONE = -2.0  # of pairs one of which is part of another by now


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeTree:
    """A binary tree over m communities; node m + i is made by step i.

    Attributes
    ----------
    sizes : (2m - 1,) int64
        Images in each node.
    children : (m - 1, 2) int64
    levels : (m - 1,) float64
        The resolution below which the step's two nodes are better as one; falls from step to
        step, and is 0 where nothing ties them.
    """

    sizes: Ints
    children: Ints
    levels: Floats

    def __post_init__(self) -> None:
        if self.children.shape != (len(self.levels), 2) or len(self.sizes) != 2 * self.leaves - 1:
            raise ValueError(
                f"{len(self.sizes)} sizes, {self.children.shape} children and "
                f"{len(self.levels)} levels are not of one tree"
            )
        if (np.diff(self.levels) > 0).any():
            raise ValueError("levels must not rise from one step to the next")

    @property
    def leaves(self) -> int:
        """Number of communities it begins with."""
        return len(self.levels) + 1

    def members(self, node: int) -> list[int]:
        """Return the leaves below a node, itself where it is one; from left to right."""
        found, open_nodes = [], [node]
        while open_nodes:
            top = open_nodes.pop()
            if top < self.leaves:
                found.append(top)
            else:
                open_nodes += self.children[top - self.leaves][::-1].tolist()
        return found

    def cut(self, resolution: float) -> Ints:
        """Return the group of each leaf, (m,), at a resolution; groups are 0, 1, ..."""
        group = np.arange(2 * self.leaves - 1)
        for step in np.flatnonzero(self.levels > resolution)[::-1]:
            # From the top down: a node hands its own group to its children.
            group[self.children[step]] = group[self.leaves + step]
        return np.unique(group[: self.leaves], return_inverse=True)[1].astype(np.int64)


def merge_communities(graph: sparse.csr_matrix, labels: Ints) -> MergeTree:
    """Join communities until one is left.

    Parameters
    ----------
    graph : (n, n) sparse, symmetric, no empty row
    labels : (n,) int64, 0 to m - 1, none empty
    """
    ties, volumes = _tie_communities(graph, labels)
    m, total = len(volumes), float(volumes.sum())
    sizes = np.zeros(2 * m - 1, np.int64)
    sizes[:m] = np.bincount(labels)
    children, levels = np.zeros((m - 1, 2), np.int64), np.zeros(m - 1)
    pays = ties * total / np.outer(volumes, volumes)  # (m, m), the resolution of each pair
    np.fill_diagonal(pays, -1)
    nodes, ceiling = np.arange(m), np.inf
    for step in range(m - 1):
        kept, gone = sorted(np.unravel_index(int(pays.argmax()), pays.shape))
        # Joined in this order levels cannot rise (Bonald et al., proposition 1) but for rounding.
        ceiling = min(ceiling, float(pays[kept, gone]))
        children[step], levels[step] = (nodes[kept], nodes[gone]), ceiling
        sizes[m + step] = sizes[children[step]].sum()
        ties[kept] += ties[gone]
        ties[:, kept] = ties[kept]
        volumes[kept] += volumes[gone]
        pays[kept] = ties[kept] * total / (volumes[kept] * volumes)
        pays[kept, pays[gone] == _GONE] = _GONE
        pays[:, kept] = pays[kept]
        pays[gone], pays[:, gone], pays[kept, kept] = _GONE, _GONE, -1
        nodes[kept] = m + step
    return MergeTree(sizes=sizes, children=children, levels=levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """How long each node of a tree lasts, and which nodes were chosen.

    Attributes
    ----------
    tree : MergeTree with m leaves
    born, died : (2m - 1,) float64
        The resolutions from which (the higher one) and to which a node is a group of its own.
    chosen : (k,) int64
        Nodes that do not overlap and cover every leaf.
    """

    tree: MergeTree
    born: Floats
    died: Floats
    chosen: Ints

    @property
    def spans(self) -> Floats:
        """How long each node lasts, (2m - 1,), in natural logarithms of the resolution."""
        return np.log(self.born / self.died)

    @property
    def persistence(self) -> float:
        """Mean span of the chosen groups, each image counted once."""
        sizes = self.tree.sizes[self.chosen]
        return float((self.spans[self.chosen] * sizes).sum() / sizes.sum())

    def label_leaves(self) -> Ints:
        """Return the position in `chosen` of each leaf's group, (m,)."""
        labels = np.empty(self.tree.leaves, np.int64)
        for position, node in enumerate(self.chosen.tolist()):
            labels[self.tree.members(node)] = position
        return labels


def select_persistent(
    tree: MergeTree,
    *,
    finest: float = FINEST,
    coarsest: float = COARSEST,
    preference: float = 1.0,
) -> Persistence:
    """Choose the groups that last.

    Parameters
    ----------
    finest, coarsest : float
        The range of resolutions in which lasting counts; leaves are born at `finest`.
    preference : float
        A group is kept whole where it lasts `1 / preference` as long as its parts: above 1 fewer
        and larger groups are chosen, below 1 more and smaller ones.

    Returns
    -------
    Persistence
        The whole is never chosen while it has parts: that all images are of one type is not
        worth saying.
    """
    m = tree.leaves
    born = np.full(2 * m - 1, finest)
    born[m:] = np.clip(tree.levels, coarsest, finest)
    died = np.full(2 * m - 1, coarsest)
    died[tree.children.ravel()] = np.repeat(born[m:], 2)
    masses = tree.sizes * np.log(born / died)  # what each node is worth as one group
    best, whole = masses.copy(), np.ones(2 * m - 1, bool)
    for node in range(m, 2 * m - 1):
        parts = best[tree.children[node - m]].sum()
        is_root = node == 2 * m - 2
        whole[node] = not is_root and preference * masses[node] >= parts
        best[node] = masses[node] if whole[node] else parts
    return Persistence(tree=tree, born=born, died=died, chosen=_choose(tree, whole))


def add_apart(found: Persistence, sizes: Ints) -> Persistence:
    """Return the tree with further groups that no tie leads to, chosen as they are.

    Parameters
    ----------
    found : Persistence of m leaves
    sizes : (c,) int64
        Images in each group; they become the leaves m, m + 1, ... of the tree.
    """
    tree, m, c = found.tree, found.tree.leaves, len(sizes)
    # Leaves come first: what was made of them moves up.
    moved = np.where(np.arange(2 * m - 1) < m, np.arange(2 * m - 1), np.arange(2 * m - 1) + c)
    children = np.concatenate([moved[tree.children].reshape(-1, 2), np.zeros((c, 2), np.int64)])
    whole, last = int(tree.sizes.sum() if m == 1 else tree.sizes[-1]), int(moved[-1])
    joined = []
    for number, size in enumerate(sizes.tolist()):
        children[m - 1 + number] = last, m + number
        whole += size
        joined.append(whole)
        last = 2 * m - 1 + c + number
    grown = MergeTree(
        sizes=np.concatenate([tree.sizes[:m], sizes, tree.sizes[m:], joined]).astype(np.int64),
        children=children,
        levels=np.concatenate([tree.levels, np.zeros(c)]),
    )

    def place(values: Floats, lone: float, *, joint: float) -> Floats:
        return np.concatenate([values[:m], np.full(c, lone), values[m:], np.full(c, joint)])

    return Persistence(
        tree=grown,
        # They are there at every resolution; all together at none.
        born=place(found.born, FINEST, joint=COARSEST),
        died=place(found.died, COARSEST, joint=COARSEST),
        chosen=np.concatenate([moved[found.chosen], m + np.arange(c)]),
    )


def sweep_resolutions(tree: MergeTree, steps: int = SWEPT) -> tuple[Floats, Ints]:
    """Return resolutions from the finest to the coarsest, and the groups there are at each.

    Returns
    -------
    (steps,) float64, (steps,) int64
    """
    resolutions = np.geomspace(FINEST, COARSEST, steps)
    counts = [int(tree.cut(resolution).max()) + 1 for resolution in resolutions]
    return resolutions, np.array(counts, np.int64)


def _choose(tree: MergeTree, whole: NDArray[np.bool_]) -> Ints:
    """Return the topmost nodes that are better whole, (k,)."""
    chosen, open_nodes = [], [2 * tree.leaves - 2]
    while open_nodes:
        node = open_nodes.pop()
        if whole[node]:
            chosen.append(node)
        else:
            open_nodes += tree.children[node - tree.leaves].tolist()
    return np.array(sorted(chosen), dtype=np.int64)


def _tie_communities(graph: sparse.csr_matrix, labels: Ints) -> tuple[Floats, Floats]:
    """Return the weights between communities, (m, m), and their volumes, (m,)."""
    n, m = len(labels), int(labels.max()) + 1
    member = sparse.csr_matrix((np.ones(n), (np.arange(n), labels)), shape=(n, m))
    ties = np.asarray((member.T @ graph @ member).todense(), dtype=np.float64)
    volumes = ties.sum(axis=1)
    np.fill_diagonal(ties, 0)
    return (ties + ties.T) / 2, volumes  # rounding must not make it lopsided
