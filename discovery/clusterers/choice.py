"""How many clusters: the cut of a merge tree that describes the vectors in the fewest words.

The integrated completed likelihood (Biernacki, Celeux and Govaert 2000) of round clusters of one
width: how tight the clusters are, minus what it takes to say which cluster each vector is in and
where each mean lies. It needs no labels, costs nothing beyond the tree, and can answer one.
"""

import numpy as np

from discovery.clusterers.groups import Groups
from discovery.clusterers.tree import Floats, Ints, cut_tree

MOST_CLUSTERS = 500
# Twice BIC's. Blobs (3 to 30, even or not, 10 or 50 dimensions) come out right for 1 to 4. Types
# of real images are not round: on the ResNet-50 features of five inspection sets (600 to 1,192
# images of 6 to 8 types) 1 gave 37 to 60 clusters, 2 gave 11 to 41, and 4 lost small defects.
# Simplified silhouette, Calinski-Harabasz and the largest jump in height gave 2 or 3 on half of
# them: too few hides types, too many only costs a person some clicks.
_PENALTY = 2.0
_FLOOR = 1e-9  # share of the scatter: coincident vectors leave none, and log 0


def choose_n_clusters(groups: Groups, linkage: Floats) -> int:
    """Return the number of clusters at which a tree over the groups is best cut.

    Parameters
    ----------
    groups : Groups
        The m leaves of the tree.
    linkage : (m - 1, 4) float64
    """
    n, d = groups.sizes.sum(), groups.means.shape[1]
    most = min(MOST_CLUSTERS, max(1, len(groups.sizes) // 2))
    scatters, entropies = _measure_cuts(groups, linkage, most)
    if scatters[0] <= 0:
        return 1
    counts = np.arange(1, most + 1)
    tightness = -0.5 * n * d * np.log(scatters / scatters[0] + _FLOOR)
    means = 0.5 * _PENALTY * counts * (d + 1) * np.log(n)
    return int(counts[np.argmax(tightness - entropies - means)])


def _measure_cuts(groups: Groups, linkage: Floats, most: int) -> tuple[Floats, Floats]:
    """Return the scatter within, and the entropy of, the cuts into 1..most clusters.

    Starts at the finest cut and merges upwards.
    """
    m = len(groups.sizes)
    parts = cut_tree(linkage, most)  # (m,)
    finest = groups.merge(parts)
    sizes, means = finest.sizes, finest.means
    scatter = float((finest.variances * sizes).sum())
    slots = _slots_of_tops(linkage, parts, most)
    scatters, entropies = np.empty(most), np.empty(most)
    total = sizes.sum()
    for k in range(most, 0, -1):
        live = sizes[sizes > 0]
        scatters[k - 1] = scatter
        entropies[k - 1] = -float((live * np.log(live / total)).sum())
        if k > 1:
            row = m - k  # the merge that leads to k - 1 clusters
            a, b = slots[int(linkage[row, 0])], slots[int(linkage[row, 1])]
            both = sizes[a] + sizes[b]
            scatter += float(sizes[a] * sizes[b] / both * np.square(means[a] - means[b]).sum())
            means[a] = (sizes[a] * means[a] + sizes[b] * means[b]) / both
            sizes[a], sizes[b] = both, 0.0
            slots[m + row] = a
    return scatters, entropies


def _slots_of_tops(linkage: Floats, parts: Ints, most: int) -> dict[int, int]:
    """Return the part that each topmost node of the finest cut stands for."""
    m = len(parts)
    slots = dict(enumerate(parts.tolist()))
    for row in range(m - most):
        slots[m + row] = slots[int(linkage[row, 0])]
    return slots
