"""Which two groups are most likely of one type."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from discovery.records import Neighbours

Pair = tuple[int, int, float]


def merge_pairs(
    groups: NDArray[np.int32],
    neighbours: Neighbours,
    *,
    apart: Collection[tuple[int, int]] = (),
    limit: int = 100,
) -> list[Pair]:
    """List pairs of groups, those most likely of one type first.

    Likeness is how far the two are mixed: the share of the links among their images that lead from
    one to the other, of the share that there would be if both were one group without any order.
    0: no image has one of the other group among its nearest neighbours; 1: they do not tell the
    groups apart.

    Parameters
    ----------
    groups : (n,) int32
        Group of each image, -1 for none.
    neighbours : Neighbours of n images
    apart : collection of (int, int)
        Pairs that a person decided against, in either order.
    limit : int
        Pairs at most.

    Returns
    -------
    list of (int, int, float)
        The two groups, the smaller number first, and their likeness; none of likeness 0.
    """
    links = _count_links(groups, neighbours)
    sizes = np.bincount(groups[groups >= 0], minlength=len(links))
    known = {(min(pair), max(pair)) for pair in apart}
    ones, others = np.nonzero(np.triu(links, 1))
    between = links[ones, others]
    within = links[ones, ones] + links[others, others]
    n, m = sizes[ones], sizes[others]
    # Of two groups of n and m images in no order, links lead across as often as pairs do.
    expected = 2.0 * n * m / ((n + m) * np.maximum(n + m - 1.0, 1.0))
    likeness = np.minimum(between / (between + within) / expected, 1.0)
    order = np.lexsort((others, ones, -between, -likeness))
    pairs = [(int(ones[i]), int(others[i]), float(likeness[i])) for i in order.tolist()]
    return [pair for pair in pairs if pair[:2] not in known][:limit]


def _count_links(groups: NDArray[np.int32], neighbours: Neighbours) -> NDArray[np.float64]:
    """Return the links between groups in both directions, and inside each, (k, k)."""
    k = int(groups.max(initial=-1)) + 1
    width = neighbours.indices.shape[1]
    starts = np.repeat(groups, width).astype(np.int64)
    ends = groups[neighbours.indices.ravel()].astype(np.int64)
    inside = (starts >= 0) & (ends >= 0)
    ones = np.ones(int(inside.sum()))
    counts = sparse.csr_matrix((ones, (starts[inside], ends[inside])), shape=(k, k)).toarray()
    both: NDArray[np.float64] = counts + counts.T
    np.fill_diagonal(both, np.diag(counts))
    return both
