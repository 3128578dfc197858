"""A group falls into the parts that it has at a finer resolution."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.graph.levels import Levels

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The parts of a group.

    Attributes
    ----------
    parts : tuple of (m_i,) int64
        Positions, ascending; the largest part first. One part where the group does not fall apart.
    resolution : float
        At which it does; NaN where it does not.
    """

    parts: tuple[Ints, ...]
    resolution: float


def split_members(
    levels: Levels,
    members: NDArray[np.integer],
    rows: NDArray[np.float32],
    *,
    beyond: float = -math.inf,
) -> Split:
    """Split a group at the next finer resolution at which it really falls apart.

    It does where two nodes part that each hold as many members as are worth a name: at least 3,
    and 0.65 times the square root of all. What else comes off stays with the part whose mean is
    nearest. Parts can be split again.

    Parameters
    ----------
    levels : Levels of n images
    members : (m,) int
        Positions; any images, whatever they were grouped by.
    rows : (n, p) float32, unit rows
    beyond : float
        Only above this resolution: the resolution of a split gives the next finer one.
    """
    images: Ints = np.unique(members).astype(np.int64)
    least = find_least(len(images))
    step = _find_fall(levels, images, least, beyond)
    if step is None:
        return Split(parts=(images,), resolution=math.nan)
    resolution = float(levels.tree.levels[step])
    labels = levels.tree.cut(resolution)[levels.leaves[images]]
    labels = _keep_large(labels, rows[images], least)
    parts = [images[labels == part] for part in range(int(labels.max()) + 1)]
    parts.sort(key=lambda part: (-len(part), int(part[0])))
    return Split(parts=tuple(parts), resolution=resolution)


def find_least(m: int) -> int:
    """Return the smallest part of m images that is worth a name."""
    return max(3, round(0.65 * math.sqrt(m)))


def _find_fall(levels: Levels, members: Ints, least: int, beyond: float) -> int | None:
    """Return the coarsest step, beyond a resolution, that joins two nodes of enough members."""
    tree = levels.tree
    counts = np.zeros(2 * tree.leaves - 1, np.int64)
    counts[: tree.leaves] = np.bincount(levels.leaves[members], minlength=tree.leaves)
    for step, (one, other) in enumerate(tree.children.tolist()):
        counts[tree.leaves + step] = counts[one] + counts[other]
    falls = (counts[tree.children].min(axis=1) >= least) & (tree.levels > beyond)
    found = np.flatnonzero(falls)
    return int(found[-1]) if len(found) else None


def _keep_large(labels: Ints, rows: NDArray[np.float32], least: int) -> Ints:
    """Renumber the large labels; images of the others go to the nearest mean."""
    large = np.flatnonzero(np.bincount(labels) >= least)
    kept = np.full(len(labels), -1, np.int64)
    for part, label in enumerate(large.tolist()):
        kept[labels == label] = part
    strays = np.flatnonzero(kept < 0)
    if len(strays):
        means = np.stack([rows[kept == part].mean(axis=0) for part in range(len(large))])
        lengths = np.maximum(np.linalg.norm(means, axis=1), np.finfo(np.float32).tiny)
        kept[strays] = (rows[strays] @ (means / lengths[:, None]).T).argmax(axis=1)
    return kept
