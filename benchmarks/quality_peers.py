"""The peers' recipes for `quality.py`: what a user would do without this toolkit.

Each takes (n, d) unit rows, the number of true types (only the recipes marked `knows_k` look at
it) and a seed, and returns (n,) labels, -1 for noise. Parameters are the peers' own defaults.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA

from embeddings.records import unit_rows

Rows = NDArray[np.float32]
Labels = NDArray[np.int32]

PCA_WIDTH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A recipe; `needs` is the package it cannot do without."""

    name: str
    cluster: Callable[[Rows, int, int], Labels]
    knows_k: bool = False
    needs: str = "sklearn"

    @property
    def is_installed(self) -> bool:
        """Whether the recipe can be run here."""
        return find_spec(self.needs) is not None


def cluster_as_bertopic(rows: Rows, _: int, seed: int) -> Labels:
    """Cluster with the UMAP and the HDBSCAN that BERTopic takes when nothing is said."""
    import hdbscan
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a seed leaves UMAP one thread
        reducer = umap.UMAP(
            n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed
        )
        embedded = reducer.fit_transform(rows)  # (n, 5)
    model = hdbscan.HDBSCAN(min_cluster_size=10, metric="euclidean", cluster_selection_method="eom")
    return np.asarray(model.fit_predict(embedded), dtype=np.int32)


def cluster_with_evoc(rows: Rows, _: int, seed: int) -> Labels:
    """Cluster with EVoC, which reduces and clusters by itself."""
    import evoc

    return np.asarray(evoc.EVoC(random_state=seed).fit_predict(rows), dtype=np.int32)


def cluster_with_ward(rows: Rows, k: int, seed: int) -> Labels:
    """Cut Ward's tree of PCA-50 rows, made unit again, at the true number of types."""
    model = AgglomerativeClustering(k, linkage="ward")
    return np.asarray(model.fit_predict(_reduce(rows, seed)), dtype=np.int32)


def cluster_with_kmeans(rows: Rows, k: int, seed: int) -> Labels:
    """Run KMeans on PCA-50 rows, made unit again, with the true number of types."""
    model = KMeans(k, n_init=10, random_state=seed)
    return np.asarray(model.fit_predict(_reduce(rows, seed)), dtype=np.int32)


def _reduce(rows: Rows, seed: int) -> Rows:
    width = min(PCA_WIDTH, *rows.shape)
    return unit_rows(PCA(width, random_state=seed).fit_transform(rows).astype(np.float32))


PEERS = (
    Peer(name="UMAP-5, HDBSCAN 10 (BERTopic)", cluster=cluster_as_bertopic, needs="umap"),
    Peer(name="EVoC", cluster=cluster_with_evoc, needs="evoc"),
    Peer(name="PCA-50, Ward", cluster=cluster_with_ward, knows_k=True),
    Peer(name="PCA-50, KMeans", cluster=cluster_with_kmeans, knows_k=True),
)
