"""Which groups of a merge tree are types: those that last over many resolutions.

A group is born at the resolution at which its parts join, and ends where it joins another. What
is really there lasts: six unlike surfaces are six groups over a wide range of resolutions, and
the halves of one of them only for a while. `select_persistent` takes the groups that do not
overlap and last longest in all, which is HDBSCAN's excess of mass (Campello et al. 2015) with
the logarithm of the resolution in place of density. No number of groups is given or bounded.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.clusterers.merging import Floats, Ints, MergeTree

# The resolutions looked at. Above 3 the communities of a few dozen neighbours come apart anyhow;
# below 0.1 next to nothing is tied. Found on four image sets at once: docs/log.md.
FINEST, COARSEST = 3.0, 0.1
SWEPT = 60  # resolutions of a sweep


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
