"""Agglomerative clustering, Ward or average, of any number of images in bounded memory.

Exact below `exact_below` rows; above, the rows are packed into some thousand micro-clusters, which
are then linked by their sizes.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from discovery.estimators.checks import check_choice, check_count, check_n_clusters
from discovery.estimators.linkages import (
    Groups,
    Linkage,
    cut_tree,
    link_groups,
    link_rows,
    measure_memberships,
    summarise_rows,
)
from embeddings.errors import OptionError

# Rows below which single rows are linked: average linkage needs all distances, 100 MB of 5,000.
_EXACT_BELOW: dict[Linkage, int] = {"ward": 20_000, "average": 5_000}


class Agglomerative(ClusterMixin, BaseEstimator):
    """Agglomerative clustering (Ward 1963; UPGMA, Sokal and Michener 1958).

    Parameters
    ----------
    n_clusters : int
    linkage : {"ward", "average"}
        Average is over squared L2: on unit rows twice the cosine distance.
    exact_below : int, optional
        Rows from which on micro-clusters are linked instead of single rows. None: 20,000 for Ward,
        5,000 for average linkage.
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
    leaves_ : (n,) int64
        The leaf each row is in: its own position in an exact tree.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        linkage: Linkage = "ward",
        exact_below: int | None = None,
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
        below = _EXACT_BELOW[self.linkage] if self.exact_below is None else self.exact_below
        check_count("exact_below", below)
        # Both kept as they are: vectors are float32, and twice their memory is not worth a digit.
        values = validate_data(self, X, dtype=[np.float64, np.float32])
        k = check_n_clusters(self.n_clusters, len(values))
        seed = int(check_random_state(self.random_state).randint(1 << 30))
        if len(values) < below:
            self.leaves_ = np.arange(len(values))
            self.linkage_ = link_rows(values, self.linkage)
        else:
            groups, self.leaves_ = summarise_rows(values, seed=seed)
            self.linkage_ = link_groups(groups, self.linkage)
        leaves = len(self.linkage_) + 1
        if k > leaves:
            raise OptionError(
                f"n_clusters is {k}, but the tree has {leaves} leaves (micro-clusters): "
                "raise exact_below or ask for fewer"
            )
        # The tree is over leaves: a row is where its leaf is.
        self.labels_ = cut_tree(self.linkage_, k)[self.leaves_].astype(np.int32)
        self.n_clusters_ = k
        means = Groups.from_labels(values, self.labels_).means
        self.membership_strengths_ = measure_memberships(values, means, self.labels_)
        return self
