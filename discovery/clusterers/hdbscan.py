"""HDBSCAN: clusters of any shape and number, and noise, from how dense the vectors lie.

Small sets go through the `hdbscan` package, exactly. Larger ones take a FAISS neighbour graph (the
run's own, if it is passed to `fit`) and the spanning tree over it, which is some 20 times faster
at 50,000 x 50 with the same answer but for a few borderline images. Either way the tree is kept:
`tree_.labels_at(min_cluster_size)` answers any other minimum size in milliseconds.
"""

import math
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from discovery.clusterers.condensed import LinkageTree, SelectionMethod
from discovery.clusterers.knn import find_neighbours
from discovery.clusterers.options import check_amount, check_choice, check_count
from discovery.clusterers.spanning import span_graph
from discovery.records import Neighbours
from embeddings.errors import OptionError

DEFAULT_MIN_SAMPLES = 5
GRAPH_K = 15  # neighbours a row; 30 gave the same clusters at 50,000 x 50
# n^2 d up to which the exact algorithm takes a second or so: 10,000 x 50, or 1,500 x 2,048.
_EXACT_WORK = 5e9
_COMPLETE_BELOW = 32  # the complete graph is exact too, and has no smallest n


class HDBSCAN(ClusterMixin, BaseEstimator):
    """Hierarchical density-based clustering (Campello, Moulavi and Sander 2013).

    Parameters
    ----------
    min_cluster_size : int, optional
        The smallest group of images worth a name. None: n ** 0.4, at least 5 (15 of 900 images,
        76 of 50,000): a rule of thumb between the 5 of a first look and the 1 % of a big lot.
    min_samples : int, optional
        How many neighbours make a region dense; larger calls more images noise. None: 5 whatever
        the minimum cluster size, so that one tree serves all sizes.
    cluster_selection_method : {"eom", "leaf"}
        The most persistent clusters, or the finest ones.
    cluster_selection_epsilon : float
        Clusters that come apart only below this distance stay together.
    exact : {"auto", True, False}
        "auto" is exact on small sets when no graph is passed to `fit`.
    random_state : int, RandomState instance or None
        Of the approximate neighbour search.

    Attributes
    ----------
    labels_ : (n,) int32
        -1 is noise.
    probabilities_ : (n,) float64 in [0, 1]
    outlier_scores_ : (n,) float64 in [0, 1]
        GLOSH; 0 for coincident vectors.
    tree_ : LinkageTree
    min_cluster_size_ : int
    exact_ : bool

    Notes
    -----
    Identical rows only are one cluster, not noise. One connected group without any split is noise,
    as in the `hdbscan` package with `allow_single_cluster=False`.
    """

    def __init__(
        self,
        min_cluster_size: int | None = None,
        *,
        min_samples: int | None = None,
        cluster_selection_method: SelectionMethod = "eom",
        cluster_selection_epsilon: float = 0.0,
        exact: Literal["auto"] | bool = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.cluster_selection_method = cluster_selection_method
        self.cluster_selection_epsilon = cluster_selection_epsilon
        self.exact = exact
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None, *, neighbours: Neighbours | None = None) -> Self:  # noqa: ARG002, N803
        """Cluster the rows of X.

        Parameters
        ----------
        X : (n, d) array
        neighbours : Neighbours, optional
            The graph of these very rows, with at least `min_samples` neighbours: it is used
            instead of a new search.

        Raises
        ------
        OptionError
            A parameter is out of range, or the graph does not fit.
        """
        self._check_options()
        values = validate_data(self, X, dtype=[np.float64, np.float32])
        n, d = values.shape
        size = self.min_cluster_size
        self.min_cluster_size_ = default_min_cluster_size(n) if size is None else int(size)
        samples = DEFAULT_MIN_SAMPLES if self.min_samples is None else int(self.min_samples)
        samples = min(samples, n - 1)
        self.exact_ = bool(self.exact)
        if self.exact == "auto":
            self.exact_ = neighbours is None and float(n) * n * d <= _EXACT_WORK
        if self.exact_:
            linkage = _link_exactly(values, samples)
        else:
            if neighbours is None:
                seed = int(check_random_state(self.random_state).randint(1 << 30))
                neighbours = find_neighbours(values, max(GRAPH_K, samples), seed=seed)
            _check_graph(neighbours, n, samples)
            linkage = _link_graph(values, neighbours, samples)
        self.tree_ = LinkageTree(linkage=linkage)
        flat = self.tree_.cut(
            self.min_cluster_size_,
            method=self.cluster_selection_method,
            epsilon=self.cluster_selection_epsilon,
        )
        self.labels_ = flat.labels
        self.probabilities_ = flat.probabilities
        self.outlier_scores_ = flat.outlier_scores
        return self

    def _check_options(self) -> None:
        if self.min_cluster_size is not None:
            check_count("min_cluster_size", self.min_cluster_size, least=2)
        if self.min_samples is not None:
            check_count("min_samples", self.min_samples)
        check_choice("cluster_selection_method", self.cluster_selection_method, ("eom", "leaf"))
        check_amount("cluster_selection_epsilon", self.cluster_selection_epsilon)
        check_choice("exact", self.exact, ("auto", True, False))


def default_min_cluster_size(n: int) -> int:
    """Return the minimum cluster size for n images where none was given."""
    return max(5, round(math.pow(n, 0.4)))


def _check_graph(neighbours: Neighbours, n: int, min_samples: int) -> None:
    rows, k = neighbours.indices.shape
    if rows != n:
        raise OptionError(f"the neighbours are of {rows} vectors, expected those of the {n} in X")
    if k < min_samples:
        raise OptionError(
            f"min_samples is {min_samples}, but the graph has {k} neighbours a row: "
            f"lower min_samples or build the graph with k={min_samples}"
        )


def _link_graph(
    values: NDArray[Any], neighbours: Neighbours, min_samples: int
) -> NDArray[np.float64]:
    if len(values) == 1:
        return np.empty((0, 4))
    return span_graph(values.astype(np.float32, copy=False), neighbours, min_samples)


def _link_exactly(values: NDArray[Any], min_samples: int) -> NDArray[np.float64]:
    """Return exact single linkage over mutual reachability distances."""
    n = len(values)
    if n < _COMPLETE_BELOW:
        complete = find_neighbours(values.astype(np.float32), max(1, n - 1))
        return _link_graph(values, complete, min_samples)
    from hdbscan import HDBSCAN as Reference  # noqa: N811 - slow, and small sets only

    fitted = Reference(min_cluster_size=2, min_samples=min_samples, approx_min_span_tree=False).fit(
        np.require(values, requirements=["C", "W"])
    )  # it refuses read-only input
    return np.asarray(fitted.single_linkage_tree_.to_numpy(), dtype=np.float64)
