"""Communities joined step by step into one: at every resolution at once, which groups there are.

Modularity at a resolution says whether two communities are better as one. `merge_communities`
starts from fine ones and always joins the pair that pays at the highest resolution: the tree it
leaves answers every coarser resolution without a new search (Bonald et al. 2018, Hierarchical
graph clustering using node pair sampling: the pair's distance there is 1 / level here).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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


_GONE = -2.0  # of pairs one of which is part of another by now


def _tie_communities(graph: sparse.csr_matrix, labels: Ints) -> tuple[Floats, Floats]:
    """Return the weights between communities, (m, m), and their volumes, (m,)."""
    n, m = len(labels), int(labels.max()) + 1
    member = sparse.csr_matrix((np.ones(n), (np.arange(n), labels)), shape=(n, m))
    ties = np.asarray((member.T @ graph @ member).todense(), dtype=np.float64)
    volumes = ties.sum(axis=1)
    np.fill_diagonal(ties, 0)
    return (ties + ties.T) / 2, volumes  # rounding must not make it lopsided
