"""Whether a cluster comes back when the images are drawn anew (Hennig 2007).

For each of several draws, cluster the drawn images again and look, for every original cluster,
for the new one most like it: the mean Jaccard similarity is its stability. Hennig's reading:
above 0.85 highly stable, above 0.75 stable, 0.6 to 0.75 a pattern whose borders are doubtful,
below 0.5 dissolved.

The reduced coordinates stay as they are: what is tested is the grouping, not the map.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from discovery.records import Clustering
from embeddings.threads import map_in_threads

DRAWS = 20  # of a round
# More images than this are thinned first: the share of a cluster is what counts, not its size.
MAX_IMAGES = 5_000

# What clusters rows anew: (m, p) rows to (m,) labels, -1 for noise.
Fit = Callable[[NDArray[np.float32]], NDArray[np.int32]]


def measure_stability(
    reduced: NDArray[np.float32],
    clustering: Clustering,
    *,
    fit: Fit,
    seed: int = 0,
    draws: int = DRAWS,
    groups: NDArray[np.int32] | None = None,
    in_threads: bool = False,
) -> NDArray[np.float64]:
    """Measure the stability of each cluster.

    Parameters
    ----------
    reduced : (n, p) float32
        What was clustered.
    clustering : Clustering of n images
    fit : callable
        Labels (m,) of m of these rows, by the same method and with parameters fit for m of n.
    draws : int
        Bootstrap samples; an image that is drawn twice counts once, since coincident rows are
        infinitely dense to a density clusterer.
    groups : (n,) int32, optional
        The group of copies each image is of, from 0 without gaps: groups are drawn, so that
        copies come and go together. None: each image is its own.
    in_threads : bool
        Whether `fit` may be called by several threads at once; the result is the same.

    Returns
    -------
    (k,) float64 in [0, 1]

    References
    ----------
    Hennig, C. (2007). Cluster-wise assessment of cluster stability. Computational Statistics &
    Data Analysis 52, 258-271, section 2.
    """
    rng = np.random.default_rng(seed)
    labels = clustering.core_labels  # what was assigned afterwards is not found again
    groups = np.arange(len(labels), dtype=np.int32) if groups is None else groups
    n = int(groups.max(initial=-1)) + 1

    def draw() -> NDArray[np.intp]:
        is_drawn = np.zeros(n, bool)
        is_drawn[rng.integers(0, n, size=min(n, MAX_IMAGES))] = True  # about 63 % of them
        return np.flatnonzero(is_drawn[groups])

    def compare(drawn: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return best_jaccard(labels[drawn], fit(reduced[drawn]), clustering.k)

    # All are drawn before any is clustered: which thread is first changes nothing.
    every = [draw() for _ in range(draws if clustering.k else 0)]
    found = map_in_threads(compare, every) if in_threads else [compare(one) for one in every]
    totals = sum((similarity for similarity, _ in found), np.zeros(clustering.k))
    seen = sum((present for _, present in found), np.zeros(clustering.k))
    return np.divide(totals, seen, out=np.zeros(clustering.k), where=seen > 0)


def best_jaccard(
    before: NDArray[np.int32], after: NDArray[np.int32], k: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return for each of k clusters its best Jaccard similarity, and whether it was drawn at all.

    Parameters
    ----------
    before, after : (m,) int32
        Labels of the same images; negative is noise, which is no cluster.
    """
    overlap = np.zeros((k, int(after.max(initial=-1)) + 1))  # (k, clusters after)
    both = (before >= 0) & (after >= 0)
    np.add.at(overlap, (before[both], after[both]), 1)
    size_before = np.bincount(before[before >= 0], minlength=k)  # (k,)
    size_after = np.bincount(after[after >= 0], minlength=overlap.shape[1])
    union = size_before[:, None] + size_after[None, :] - overlap
    jaccard = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return jaccard.max(axis=1, initial=0.0), size_before > 0
