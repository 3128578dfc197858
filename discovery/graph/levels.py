"""Levels: the groups of a run at every resolution, of a tree that was found once.

`Levels` is what a clusterer's hierarchy comes to, whichever it is: a leaf for each image, a merge
tree over the leaves, and how firm each image is in its group. A cut then needs no clustering; it
takes milliseconds. `positions` are the cuts worth stopping at.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from discovery.graph.persistence import MergeTree
from discovery.records import NOISE, number_by_size

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_LOOKED_AT = 300  # cuts; of more, those that last longest
_STABLE_SHARE = 0.05  # of the whole range, in logarithms: what lasts shorter is no resting place


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One cut worth stopping at.

    Attributes
    ----------
    index : int
        0 is the coarsest.
    resolution : float
        Larger is finer; its unit is the tree's own.
    groups : int
    lasts : float
        Over which range of resolutions there are as many groups, as a natural logarithm.
    stable : bool
        It lasts longer than the positions beside it, and a 20th of the whole range.
    """

    index: int
    resolution: float
    groups: int
    lasts: float
    stable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The groups of n images at every resolution.

    Attributes
    ----------
    kind : str
        "communities" (of the neighbour graph), "condensed tree" (HDBSCAN) or "linkage".
    tree : MergeTree of m leaves
    leaves : (n,) int32
        The leaf each image is in.
    firm : (n,) float64
        An image is in a group below this resolution, and noise from it on; infinite where it is
        never noise.
    smallest : int
        Images of a group; what is smaller is noise.
    resolutions, groups, lasts : (p,) float64, int64, float64
        Of the positions, from coarse to fine.
    """

    kind: str
    tree: MergeTree
    leaves: NDArray[np.int32]
    firm: Floats
    smallest: int
    resolutions: Floats
    groups: Ints
    lasts: Floats

    def __post_init__(self) -> None:
        n, p = len(self.leaves), len(self.resolutions)
        if self.firm.shape != (n,) or self.groups.shape != (p,) or self.lasts.shape != (p,):
            raise ValueError("leaves and firm, or the columns of the positions, differ in length")
        if n and not 0 <= self.leaves.min() <= self.leaves.max() < self.tree.leaves:
            raise ValueError(f"a leaf lies outside 0..{self.tree.leaves - 1}")
        if (np.diff(self.resolutions) <= 0).any():
            raise ValueError("the positions' resolutions must rise")

    def __len__(self) -> int:
        return len(self.leaves)

    @property
    def positions(self) -> tuple[Position, ...]:
        """The cuts worth stopping at, the coarsest first."""
        columns = (self.resolutions, self.groups, self.lasts, _find_stable(self.lasts))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(
            Position(index=i, resolution=resolution, groups=groups, lasts=lasts, stable=stable)
            for i, (resolution, groups, lasts, stable) in enumerate(rows)
        )

    def cut(self, position: int) -> NDArray[np.int32]:
        """Return the group of each image, (n,), at a position: 0 is the biggest, -1 noise.

        Raises
        ------
        IndexError
            There is no such position.
        """
        if not 0 <= position < len(self.resolutions):
            raise IndexError(f"position {position}: there are {len(self.resolutions)}")
        return self.cut_at(float(self.resolutions[position]))

    def cut_at(self, resolution: float) -> NDArray[np.int32]:
        """Return the group of each image, (n,), at any resolution.

        A finer cut refines a coarser one, and what is noise in the coarser one is noise in it.
        """
        return number_by_size(_cut(self, resolution))

    def cut_finest(self) -> Ints:
        """Return the group of each image, (n,), at the finest position; no image is noise."""
        finest = float(self.resolutions[-1]) if len(self.resolutions) else 0.0
        return self.tree.cut(finest)[self.leaves]

    def find_position(self, labels: NDArray[np.int32]) -> int:
        """Return the position whose groups are most like these (n,), -1 being noise; -1 for none.

        By the share of pairs in one group in both among the pairs in one group in either (the
        Jaccard index of pairs), which asks for no equal numbers of groups.
        """
        likeness = [
            _compare_pairs(self.cut(position), labels) for position in range(len(self.resolutions))
        ]
        return int(np.argmax(likeness)) if likeness else -1


def make_levels(
    kind: str,
    tree: MergeTree,
    leaves: NDArray[np.int32],
    *,
    firm: Floats | None = None,
    smallest: int = 1,
    within: tuple[float, float],
) -> Levels:
    """Make levels of a tree, and find the positions.

    Parameters
    ----------
    firm : (n,) float64, optional
        None: no image is ever noise.
    within : (float, float)
        The coarsest and the finest resolution of a position.
    """
    none = np.empty(0)
    found = Levels(
        kind=kind,
        tree=tree,
        leaves=leaves.astype(np.int32),
        firm=np.full(len(leaves), np.inf) if firm is None else firm,
        smallest=smallest,
        resolutions=none,
        groups=none.astype(np.int64),
        lasts=none,
    )
    resolutions, groups, lasts = _find_positions(found, *within)
    return Levels(
        kind=kind,
        tree=tree,
        leaves=found.leaves,
        firm=found.firm,
        smallest=smallest,
        resolutions=resolutions,
        groups=groups,
        lasts=lasts,
    )


def _cut(levels: Levels, resolution: float) -> Ints:
    """Return (n,) labels, -1 for noise, otherwise in no order."""
    labels: Ints = levels.tree.cut(resolution)[levels.leaves]
    labels[levels.firm <= resolution] = NOISE
    sizes = np.bincount(labels + 1, minlength=1)  # noise first
    sizes[0] = 0
    labels[sizes[labels + 1] < levels.smallest] = NOISE
    return labels


def _find_positions(levels: Levels, coarsest: float, finest: float) -> tuple[Floats, Ints, Floats]:
    """Return resolutions, rising, the groups there are at each, and how long they last."""
    steps = levels.tree.levels
    between = steps[(steps > coarsest) & (steps < finest)]
    bounds = np.unique(np.concatenate([[coarsest, finest], between]))
    spans = np.diff(np.log(bounds))  # nothing changes in between but images turning to noise
    kept = np.sort(np.argsort(-spans, kind="stable")[:_MOST_LOOKED_AT])
    middles = np.sqrt(bounds[:-1] * bounds[1:])[kept]
    counts = np.array([_count(_cut(levels, middle)) for middle in middles.tolist()], np.int64)
    # Cuts side by side with as many groups are one position: they differ by crumbs.
    starts = np.flatnonzero(np.diff(counts, prepend=-1))
    runs = [np.arange(a, b) for a, b in pairwise([*starts.tolist(), len(counts)])]
    runs = [run for run in runs if counts[run[0]] > 1]  # one group is no grouping
    longest = np.array([run[spans[kept][run].argmax()] for run in runs], np.int64)
    lasts = np.array([spans[kept][run].sum() for run in runs], np.float64)
    return middles[longest], counts[longest], lasts


def _count(labels: Ints) -> int:
    return len(np.unique(labels[labels >= 0]))


def _find_stable(lasts: Floats) -> NDArray[np.bool_]:
    padded = np.pad(lasts, 1)
    longer = (lasts > padded[:-2]) & (lasts > padded[2:])
    stable: NDArray[np.bool_] = longer & (lasts >= _STABLE_SHARE * lasts.sum())
    return stable


def _compare_pairs(one: NDArray[np.int32], other: NDArray[np.int32]) -> float:
    """Return the Jaccard index of the pairs of images in one group."""
    both = (one >= 0) & (other >= 0)
    joint = np.unique(one[both].astype(np.int64) << 32 | other[both], return_counts=True)[1]
    together = _count_pairs(joint)
    either = sum(_count_pairs(np.bincount(part[part >= 0])) for part in (one, other)) - together
    return together / either if either else 0.0


def _count_pairs(sizes: NDArray[np.int64]) -> float:
    return float((sizes * (sizes - 1.0)).sum() / 2)
