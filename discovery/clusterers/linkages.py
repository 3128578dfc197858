"""Ward and average linkage without a distance matrix: memory grows with n d, not n^2.

Both distances between two clusters follow from their sizes, means and variances alone, so a
nearest-neighbour chain (Benzecri 1982; Murtagh 1983) needs only those. Clusters may stand for
several images from the start (micro-clusters), weighted by how many.
"""

from typing import Any, Literal

import fastcluster
import numpy as np
from numpy.typing import NDArray

from discovery.clusterers.groups import Groups
from discovery.clusterers.tree import Floats, merge_edges

Linkage = Literal["ward", "average"]


def link_rows(values: NDArray[Any], linkage: Linkage) -> Floats:
    """Link (n, d) single rows: `link_groups`, but Ward by `fastcluster`, twice as fast."""
    if linkage == "ward" and len(values) > 1:
        return np.asarray(fastcluster.linkage_vector(values.astype(np.float64), method="ward"))
    return link_groups(Groups.from_rows(values), linkage)


def link_groups(groups: Groups, linkage: Linkage) -> Floats:
    """Link weighted groups by a nearest-neighbour chain, in O(m^2 d) time and O(m d) memory.

    Returns
    -------
    (m - 1, 4) float64
        Linkage matrix; sizes count images. Ward's heights are scipy's, sqrt(2 a b / (a + b))
        times the distance of the means; average linkage is over squared L2 (on unit rows twice
        the cosine distance), and so are its heights.
    """
    m = len(groups.sizes)
    pool = _Pool(groups, linkage)
    edges = np.empty((m - 1, 2), np.int64)
    heights = np.empty(m - 1)
    chain: list[int] = []
    for step in range(m - 1):
        if not chain:
            chain.append(0)
        # Walk to ever nearer neighbours until two are each other's nearest; both linkages are
        # reducible, so merging those at once never breaks the rest of the chain.
        while True:
            previous = chain[-2] if len(chain) > 1 else None
            nearest = pool.nearest(chain[-1], previous)
            if nearest == previous:
                break
            chain.append(nearest)
        a, b = chain.pop(), chain.pop()
        edges[step], heights[step] = pool.merge(a, b, chain)
    if linkage == "ward":
        heights = np.sqrt(heights)
    return merge_edges(edges, heights, groups.sizes.astype(np.int64))


class _Pool:
    """The clusters not merged yet, packed at the front of preallocated arrays."""

    def __init__(self, groups: Groups, linkage: Linkage) -> None:
        # Centred: distances from a product lose less to cancellation near the origin.
        self._means = groups.means - np.average(groups.means, axis=0, weights=groups.sizes)
        self._variances = groups.variances.copy()
        self._sizes = groups.sizes.copy()
        self._norms = np.square(self._means).sum(axis=1)
        self._heights = np.zeros(len(self._sizes))
        self._leaves = np.arange(len(self._sizes))  # any leaf of each cluster names it
        self._live = len(self._sizes)
        self._ward = linkage == "ward"

    def nearest(self, i: int, favourite: int | None) -> int:
        """Return the cluster nearest to i; among equals the favourite."""
        live = self._live
        gaps = self._means[:live] @ self._means[i]  # (live,)
        gaps *= -2.0
        gaps += self._norms[:live]
        gaps += self._norms[i]
        np.maximum(gaps, 0.0, out=gaps)
        if self._ward:
            sizes = self._sizes[:live]
            gaps *= 2.0 * sizes * self._sizes[i] / (sizes + self._sizes[i])
        else:
            gaps += self._variances[:live]
            gaps += self._variances[i]
        gaps[i] = np.inf
        j = int(gaps.argmin())
        # Rounding must not make the chain run in circles: the way back wins near-ties.
        if favourite is not None and gaps[favourite] <= gaps[j] * (1 + 1e-12) + 1e-15:
            j = favourite
        return j

    def merge(self, a: int, b: int, chain: list[int]) -> tuple[tuple[int, int], float]:
        """Merge two clusters into the lower slot; the last slot moves into the freed one.

        `chain` holds slots and is renumbered in place. Returns a leaf of each, and the height.
        """
        keep, free = min(a, b), max(a, b)
        edge = (int(self._leaves[a]), int(self._leaves[b]))
        # Rounding must not put a merge below one of its parts.
        height = max(self._measure(a, b), float(self._heights[a]), float(self._heights[b]))
        share = self._sizes[a] / (self._sizes[a] + self._sizes[b])
        apart = float(np.square(self._means[a] - self._means[b]).sum())
        self._variances[keep] = (
            share * self._variances[a] + (1 - share) * self._variances[b]
            + share * (1 - share) * apart
        )  # fmt: skip
        self._means[keep] = share * self._means[a] + (1 - share) * self._means[b]
        self._norms[keep] = np.square(self._means[keep]).sum()
        self._sizes[keep] = self._sizes[a] + self._sizes[b]
        self._heights[keep] = height
        self._leaves[keep] = self._leaves[a]
        self._live -= 1
        self._move(self._live, free, chain)
        return edge, height

    def _measure(self, a: int, b: int) -> float:
        """Return the distance between two clusters, directly: accurate near zero."""
        apart = float(np.square(self._means[a] - self._means[b]).sum())
        if self._ward:
            both = self._sizes[a] + self._sizes[b]
            return 2.0 * float(self._sizes[a] * self._sizes[b] / both) * apart
        return apart + float(self._variances[a] + self._variances[b])

    def _move(self, source: int, target: int, chain: list[int]) -> None:
        if source == target:
            return
        for array in (self._means, self._variances, self._sizes, self._norms, self._heights,
                      self._leaves):  # fmt: skip
            array[target] = array[source]
        for place, slot in enumerate(chain):
            if slot == source:
                chain[place] = target
