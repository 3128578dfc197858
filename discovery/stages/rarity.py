"""Honest noise: what belongs to no cluster is offered as rare, and assigned only on request.

`rank_rare` puts the strangest first and look-alikes together: two to four images of one rare
defect are worth more than the same number of oddities. `assign_noise` gives noise the cluster it
has most ties to, and marks it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from discovery.graph.distances import find_cluster_medians, measure_mean_distances
from discovery.records import NOISE, Clustering, Neighbours, Rarity
from embeddings.files import format_csv

COLUMNS = (
    "rank", "image_id", "path", "outlier_score", "nearest_cluster", "distance_ratio", "group",
)  # fmt: skip
TINY = 4  # look-alikes at most: larger groups are the clusterer's business
_CLOSE = 3  # neighbours in which look-alikes must find each other
_BLOCK_VALUES = 1 << 22  # ties of images to clusters in memory at a time: 32 MB
# Modified z-score from which on a member lies outside of its cluster (Iglewicz and Hoaglin 1993).
_FAR_OUT = 3.5

Floats = NDArray[np.float64]


def rank_rare(clustering: Clustering, neighbours: Neighbours) -> Rarity:
    """Order the noise, and the members that lie far outside of their cluster, rarest first.

    The order is that of the mean of two ranks: the clusterer's outlier score, and how far the
    neighbours are for the cluster they are of; neither is the better one on every data set. Two
    to four images that are among each other's nearest three stand together, where the first does.

    Raises
    ------
    ValueError
        Clusters and neighbours are of different images.
    """
    _check_same(clustering, neighbours)
    distances = measure_mean_distances(neighbours)
    labels = clustering.core_labels
    rare = np.flatnonzero((labels == NOISE) | (_measure_outlyingness(distances, labels) > _FAR_OUT))
    nearest, ratios = _compare_with_clusters(labels, neighbours, distances)
    scores = clustering.outlier_scores[rare]
    oddness = rankdata(scores) + rankdata(ratios[rare])
    # By id where alike, so that the order of the rows is no matter.
    order = np.lexsort((clustering.ids[rare], -ratios[rare], -scores, -oddness))
    groups = _find_tiny_groups(rare, neighbours, clustering.ids)
    return _gather_groups(rare[order], groups[order], clustering, nearest=nearest, ratios=ratios)


def assign_noise(clustering: Clustering, neighbours: Neighbours) -> Clustering:
    """Give each noise image the cluster that it has most ties to, and mark it as assigned.

    The labels of all other images stay; memberships of what is assigned stay 0. Noise whose
    neighbours are noise follows them once they are assigned; what leads to no cluster at all
    stays noise.

    Raises
    ------
    ValueError
        Clusters and neighbours are of different images.
    """
    _check_same(clustering, neighbours)
    labels = clustering.core_labels.copy()
    waiting = np.flatnonzero(labels == NOISE)
    noise = labels == NOISE
    while len(waiting):
        found = _find_nearest_cluster(labels, neighbours, waiting)
        if (found == NOISE).all():
            break
        labels[waiting] = found  # all at once: the order of the rows is no matter
        waiting = waiting[found == NOISE]
    assigned = noise & (labels != NOISE)
    return replace(clustering, labels=labels, assigned=assigned)


def tabulate_rare(
    rarity: Rarity, clustering: Clustering, paths: Sequence[tuple[str, ...]]
) -> bytes:
    """Write rare.csv: one row a path, rarest first.

    `group` numbers look-alikes; `nearest_cluster` is -1 where no neighbour is in a cluster.
    """
    rows: list[Sequence[str]] = [COLUMNS]
    for rank, i in enumerate(rarity.positions.tolist()):
        figures = (
            f"{rarity.scores[rank]:.4f}",
            str(rarity.nearest[rank]),
            f"{rarity.ratios[rank]:.3f}",
            str(rarity.groups[rank]),
        )
        rows += [(str(rank + 1), str(clustering.ids[i]), path, *figures) for path in paths[i]]
    return format_csv(rows)


def _check_same(clustering: Clustering, neighbours: Neighbours) -> None:
    if len(clustering) != len(neighbours):
        raise ValueError(f"clusters of {len(clustering)} images, neighbours of {len(neighbours)}")


def _measure_outlyingness(distances: Floats, labels: NDArray[np.int32]) -> Floats:
    """Return how many (robust) standard deviations an image lies beyond its cluster, (n,)."""
    usual = find_cluster_medians(distances, labels, labels)
    excess = distances - usual
    spread = find_cluster_medians(np.abs(excess), labels, labels)
    # 0.6745 of a normal distribution's standard deviation is its median absolute deviation.
    return np.divide(0.6745 * excess, spread, out=np.zeros_like(excess), where=spread > 0)


def _compare_with_clusters(
    labels: NDArray[np.int32], neighbours: Neighbours, distances: Floats
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return each image's nearest cluster, and its distance over what is usual there, (n,) each."""
    nearest, noise = labels.copy(), np.flatnonzero(labels == NOISE)
    nearest[noise] = _find_nearest_cluster(labels, neighbours, noise)
    usual = find_cluster_medians(distances, labels, nearest)
    ratios = np.divide(distances, usual, out=np.ones_like(distances), where=usual > 0)
    return nearest, ratios.astype(np.float32)


def _find_nearest_cluster(
    labels: NDArray[np.int32], neighbours: Neighbours, positions: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Return the cluster with the strongest ties to each of these images, -1 for none.

    A tie is exp(-(d - d1) / (mean d - d1)), d1 being the nearest neighbour's distance: the
    graph's own (UMAP, section 3.1) without its search for a width.
    """
    k = int(labels.max(initial=NOISE)) + 1
    if not k or not neighbours.indices.size:
        return np.full(len(positions), NOISE, np.int32)
    nearest = np.empty(len(positions), np.int32)
    step = max(1, _BLOCK_VALUES // k)
    for first in range(0, len(positions), step):
        block = positions[first : first + step]  # (b,)
        distances = neighbours.distances[block].astype(np.float64)  # (b, width)
        gaps = distances - distances[:, :1]
        ties = np.exp(-gaps / np.maximum(gaps.mean(axis=1, keepdims=True), 1e-12))
        theirs = labels[neighbours.indices[block]]
        strengths = np.zeros((len(block), k))
        rows = np.broadcast_to(np.arange(len(block))[:, None], theirs.shape)
        inside = theirs != NOISE
        np.add.at(strengths, (rows[inside], theirs[inside]), ties[inside])
        found = np.where(strengths.any(axis=1), strengths.argmax(axis=1), NOISE)
        nearest[first : first + step] = found
    return nearest


def _find_tiny_groups(
    rare: NDArray[np.intp], neighbours: Neighbours, ids: NDArray[np.str_]
) -> NDArray[np.intp]:
    """Return the tiny group of each rare image, (m,): nearest pairs first, never over four."""
    place = {int(i): here for here, i in enumerate(rare)}
    close = neighbours.indices[rare, :_CLOSE]
    lists = [{place[int(j)] for j in row if int(j) in place} for row in close]
    pairs = []
    for here, others in enumerate(lists):
        for other in others:
            if here < other and here in lists[other]:
                column = int(np.flatnonzero(close[here] == rare[other])[0])
                names = sorted((str(ids[rare[here]]), str(ids[rare[other]])))
                distance = float(neighbours.distances[rare[here], column])
                pairs.append((distance, names, here, other))
    groups = np.arange(len(rare))
    for _, _, here, other in sorted(pairs):
        both = (groups == groups[here]) | (groups == groups[other])
        if both.sum() <= TINY:
            groups[both] = groups[here]
    return groups


def _gather_groups(
    rare: NDArray[np.intp],
    groups: NDArray[np.intp],
    clustering: Clustering,
    *,
    nearest: NDArray[np.int32],
    ratios: NDArray[np.float32],
) -> Rarity:
    """Move look-alikes up to the first of their group."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    numbers = np.argsort(np.argsort(first))[inverse]  # groups by their first image
    order = np.argsort(numbers, kind="stable")
    ranked = rare[order]
    return Rarity(
        positions=ranked,
        scores=clustering.outlier_scores[ranked],
        groups=numbers[order].astype(np.int32),
        nearest=nearest[ranked],
        ratios=ratios[ranked],
    )
