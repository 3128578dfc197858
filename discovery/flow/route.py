"""Which reduction and which clusterer: the default route and the user's own choices.

The figures behind the default are in docs/log.md; benchmarks/routes.py makes them again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.flow.options import (
    AgglomerativeOptions,
    AutoOptions,
    ClusterChoice,
    KMeansOptions,
)
from discovery.flow.settings import (
    MIN_IMAGES,
    PCA_DIMENSIONS,
    UMAP_DIMENSIONS,
    UMAP_NEIGHBOURS,
    describe_choice,
    find_min_cluster_size,
)
from discovery.records import Clustering, Neighbours, number_by_size
from discovery.stages.partition import partition_rows
from discovery.stages.reduce import embed_umap, reduce_pca
from embeddings.errors import InputError
from embeddings.records import Vectors

MAP_MIN_DIST = 0.1  # points of a dense group stay apart enough to be hovered over

Fit = Callable[[NDArray[np.float32]], NDArray[np.int32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioned:
    """Clusters, the rows they were found in, and how to find them again in a part of the rows."""

    clustering: Clustering
    reduced: NDArray[np.float32]
    fit: Fit


def partition_vectors(
    vectors: Vectors, neighbours: Neighbours, choice: ClusterChoice, *, seed: int
) -> Partitioned:
    """Reduce and cluster.

    Raises
    ------
    InputError
        There are too few images, or fewer than the clusters asked for.
    """
    n = len(vectors)
    wanted = getattr(choice, "n_clusters", None)
    if n < MIN_IMAGES or (isinstance(wanted, int) and wanted > n):
        raise InputError(
            f"{n} images to cluster; expected {max(MIN_IMAGES, wanted or 0)} or more: "
            "see quarantine.csv for those that could not be read"
        )
    reduced = _reduce(vectors, neighbours, choice, seed)
    clusterer = make_clusterer(choice, n, seed=seed)
    spec = describe_choice(choice, n)
    clustering = partition_rows(reduced, vectors.ids, clusterer, made_by=choice.name, spec=spec)

    def fit(rows: NDArray[np.float32]) -> NDArray[np.int32]:
        again = make_clusterer(choice, n, seed=seed, share=len(rows) / n, k=clustering.k)
        return number_by_size(again.fit(rows).labels_)

    return Partitioned(clustering=clustering, reduced=reduced, fit=fit)


def make_clusterer(
    choice: ClusterChoice, n: int, *, seed: int, share: float = 1.0, k: int = 0
) -> Any:
    """Make the estimator; for a share of the rows, with sizes cut down and k as it was found."""
    whole = share == 1.0
    if isinstance(choice, KMeansOptions):
        from discovery.clusterers.kmeans import KMeans

        return KMeans(choice.n_clusters if whole else k, random_state=seed)
    if isinstance(choice, AgglomerativeOptions):
        from discovery.clusterers.agglomerative import Agglomerative

        return Agglomerative(
            choice.n_clusters if whole else k, linkage=choice.linkage, random_state=seed
        )
    from discovery.clusterers.hdbscan import HDBSCAN

    size = max(2, round(find_min_cluster_size(choice, n) * share))
    if isinstance(choice, AutoOptions):
        return HDBSCAN(size, random_state=seed)
    return HDBSCAN(
        size,
        min_samples=choice.min_samples,
        cluster_selection_method=choice.cluster_selection_method,
        random_state=seed,
    )


def _reduce(
    vectors: Vectors, neighbours: Neighbours, choice: ClusterChoice, seed: int
) -> NDArray[np.float32]:
    if isinstance(choice, KMeansOptions | AgglomerativeOptions):
        return reduce_pca(vectors.values, PCA_DIMENSIONS, seed=seed)
    return embed_umap(
        vectors.values, neighbours, UMAP_DIMENSIONS, seed=seed, n_neighbors=UMAP_NEIGHBOURS
    )


def map_vectors(vectors: Vectors, neighbours: Neighbours, *, seed: int) -> NDArray[np.float32]:
    """Lay the images out in two dimensions, (n, 2), for the eye alone."""
    width = min(UMAP_NEIGHBOURS, len(vectors) - 1)
    return embed_umap(
        vectors.values, neighbours, 2, seed=seed, n_neighbors=width, min_dist=MAP_MIN_DIST
    )
