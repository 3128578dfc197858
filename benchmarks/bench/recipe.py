"""What a user of FiftyOne or BERTopic runs on vectors: UMAP, HDBSCAN, UMAP for the map."""

import os
from typing import Any


def prepare_quick(*, quick: bool) -> None:
    """Let numba compile nothing, where only a handful of rows is to be gone through."""
    if quick:
        os.environ["NUMBA_DISABLE_JIT"] = "1"


def cluster_and_map(values: Any, *, quick: bool = False) -> Any:
    """Return the labels, -1 for noise; the map is made and left.

    Parameters are BERTopic's defaults; there is no seed, which would leave UMAP one thread.
    """
    prepare_quick(quick=quick)
    import hdbscan
    import umap

    epochs = 2 if quick else None
    asked = {"n_neighbors": 15, "metric": "cosine", "n_epochs": epochs}
    reduced = umap.UMAP(n_components=5, min_dist=0.0, **asked).fit_transform(values)
    model = hdbscan.HDBSCAN(min_cluster_size=10, metric="euclidean", cluster_selection_method="eom")
    labels = model.fit_predict(reduced)
    umap.UMAP(n_components=2, min_dist=0.1, **asked).fit_transform(values)
    return labels
