"""Reduced rows become clusters: any estimator with `fit` and `labels_` serves.

Memberships are taken from `probabilities_` or `membership_strengths_`, outlier scores from
`outlier_scores_`, where the estimator has them; duck-typed on attributes, never on class names.
Without outlier scores of its own an image is as strange as its neighbours are far for its cluster.
What is not a number is 0: hdbscan gives NaN to vectors that coincide, which nothing is odd about.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.graph.distances import score_outliers
from discovery.records import Clustering, Neighbours, number_by_size


def partition_rows(
    reduced: NDArray[np.float32],
    ids: NDArray[np.str_],
    clusterer: Any,
    *,
    made_by: str,
    spec: Mapping[str, Any],
    neighbours: Neighbours | None = None,
    graph: Neighbours | None = None,
) -> Clustering:
    """Cluster rows.

    Parameters
    ----------
    reduced : (n, p) float32
    ids : (n,) array of str
    clusterer : object with `fit` and `labels_`
        Not fitted yet; it is fitted here.
    made_by, spec
        Kept in the clustering: the clusterer's name and its parameters.
    neighbours : Neighbours, optional
        The graph of these very rows, for a clusterer whose `fit` takes it.
    graph : Neighbours, optional
        A graph of the same images, for the outlier scores of a clusterer that has none. Without
        either, they are 1 - the membership.
    """
    if neighbours is None:
        clusterer.fit(reduced)
    else:
        clusterer.fit(reduced, neighbours=neighbours)
    labels = number_by_size(np.asarray(clusterer.labels_))  # (n,) the largest cluster is 0
    memberships = _find_memberships(clusterer, labels)
    graph = neighbours if graph is None else graph
    # The best that there is: the estimator's own scores, else distances, else the doubt.
    if hasattr(clusterer, "outlier_scores_"):
        scores = _to_unit_interval(clusterer.outlier_scores_)
    elif graph is not None:
        scores = score_outliers(graph, labels)
    else:
        scores = 1 - memberships
    return Clustering(
        ids=ids,
        labels=labels,
        memberships=memberships,
        outlier_scores=scores,
        spec=dict(spec),
        made_by=made_by,
    )


def _find_memberships(clusterer: Any, labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return (n,) memberships; an estimator that says nothing of them is sure of each member."""
    for name in ("probabilities_", "membership_strengths_"):
        if hasattr(clusterer, name):
            given = _to_unit_interval(getattr(clusterer, name))
            return np.where(labels >= 0, given, np.float32(0))
    return (labels >= 0).astype(np.float32)


def _to_unit_interval(values: Any) -> NDArray[np.float32]:
    return np.clip(np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0), 0, 1)
