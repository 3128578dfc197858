"""Agglomerative clustering, Ward or average, of any number of images in O(n d) memory.

Exact up to `exact_below` rows; above, the rows are packed into some thousand micro-clusters, which
are then linked by their sizes. The tree is kept: `labels_at(k)` answers any other k at once.
"""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from discovery.clusterers.choice import choose_n_clusters
from discovery.clusterers.groups import Groups, measure_memberships, summarise_rows
from discovery.clusterers.linkages import Linkage, link_groups, link_rows
from discovery.clusterers.options import check_choice, check_count, check_n_clusters
from discovery.clusterers.tree import cut_tree
from embeddings.errors import OptionError


class Agglomerative(ClusterMixin, BaseEstimator):
    """Agglomerative clustering (Ward 1963; UPGMA, Sokal and Michener 1958).

    Parameters
    ----------
    n_clusters : "auto" or int
    linkage : {"ward", "average"}
        Average is over squared L2: on unit rows twice the cosine distance.
    exact_below : int
        Rows from which on micro-clusters are linked instead of single rows.
    random_state : int, RandomState instance or None
        Of the micro-clusters.

    Attributes
    ----------
    labels_ : (n,) int32
    n_clusters_ : int
    membership_strengths_ : (n,) float32 in [0, 1]
        How much nearer the own cluster's mean is than the next one; 0 where another is nearer.
    linkage_ : (m - 1, 4) float64
        scipy's linkage matrix over the leaves.
    children_ : (m - 1, 2) int64
        Its first two columns, as scikit-learn names them.
    leaves_ : (n,) int64
        The leaf each row is in: its own position in an exact tree.
    """

    def __init__(
        self,
        n_clusters: Literal["auto"] | int = "auto",
        *,
        linkage: Linkage = "ward",
        exact_below: int = 20_000,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.linkage = linkage
        self.exact_below = exact_below
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Cluster the rows of X, an (n, d) array.

        Raises
        ------
        OptionError
            A parameter is out of range.
        """
        check_choice("linkage", self.linkage, ("ward", "average"))
        check_count("exact_below", self.exact_below)
        values = validate_data(self, X, dtype=[np.float64, np.float32])
        k = check_n_clusters(self.n_clusters, len(values))
        seed = int(check_random_state(self.random_state).randint(1 << 30))
        groups, self.leaves_ = summarise_rows(values, exact_below=self.exact_below, seed=seed)
        exact = len(values) < self.exact_below
        self.linkage_ = (
            link_rows(values, self.linkage) if exact else link_groups(groups, self.linkage)
        )
        self.children_ = self.linkage_[:, :2].astype(np.int64)
        self.n_clusters_ = choose_n_clusters(groups, self.linkage_) if k is None else k
        self.labels_ = self.labels_at(self.n_clusters_)
        means = Groups.from_labels(values, self.labels_).means
        self.membership_strengths_ = measure_memberships(values, means, self.labels_)
        return self

    def labels_at(self, n_clusters: int) -> NDArray[np.int32]:
        """Return the (n,) labels of another number of clusters.

        Raises
        ------
        OptionError
            There are fewer leaves than that.
        """
        check_is_fitted(self, "linkage_")
        leaves = len(self.linkage_) + 1
        if check_count("n_clusters", n_clusters) > leaves:
            raise OptionError(
                f"n_clusters is {n_clusters}, but the tree has {leaves} leaves (micro-clusters): "
                "raise exact_below or ask for fewer"
            )
        return cut_tree(self.linkage_, n_clusters)[self.leaves_].astype(np.int32)
