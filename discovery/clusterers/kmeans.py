"""k-means from Ward's means or k-means++, and a number of clusters that need not be given.

scikit-learn does the work: Lloyd's algorithm on small sets, mini-batches above. A Ward tree gives
the starts, and with ``n_clusters="auto"`` the number (`discovery.clusterers.choice`).
"""

import warnings
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans as Lloyd
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from discovery.clusterers.choice import choose_n_clusters
from discovery.clusterers.groups import Groups, find_nearest, measure_memberships
from discovery.clusterers.linkages import link_rows
from discovery.clusterers.options import check_choice, check_n_clusters
from discovery.clusterers.tree import cut_tree

_LLOYD_BELOW = 200_000  # rows; above, mini-batches. From Ward's means Lloyd needs few rounds
_STARTS = 4  # of k-means++; the tightest clustering is kept
_TREE_ROWS = 5_000  # a sample of so many is linked, at least 10 a cluster


class KMeans(ClusterMixin, BaseEstimator):
    """k-means (Lloyd 1982; Sculley 2010 on large sets).

    Parameters
    ----------
    n_clusters : "auto" or int
    init : {"ward", "k-means++"}
        Ward's means find small clusters that random starts miss: on blobs of uneven size, ARI
        .99 where the best of 4 k-means++ starts has .80 to .97.
    random_state : int, RandomState instance or None

    Attributes
    ----------
    labels_ : (n,) int32
    n_clusters_ : int
        Fewer than asked for where there are fewer distinct vectors.
    cluster_centers_ : (k, d) float64
    membership_strengths_ : (n,) float32 in [0, 1]
        1 - own / next: how much nearer the own centre is than the next one.
    """

    def __init__(
        self,
        n_clusters: Literal["auto"] | int = "auto",
        *,
        init: Literal["ward", "k-means++"] = "ward",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Cluster the rows of X, an (n, d) array.

        Raises
        ------
        OptionError
            A parameter is out of range.
        """
        check_choice("init", self.init, ("ward", "k-means++"))
        values = validate_data(self, X, dtype=[np.float64, np.float32])
        k = check_n_clusters(self.n_clusters, len(values))
        seed = int(check_random_state(self.random_state).randint(1 << 30))
        k, start = _plan(values, k, self.init, seed)
        centres = _find_centres(values, k, start, seed)
        # An empty cluster (fewer distinct vectors than k) is no cluster.
        used, labels = np.unique(find_nearest(values, centres), return_inverse=True)
        self.cluster_centers_ = centres[used]
        self.labels_ = labels.astype(np.int32)
        self.n_clusters_ = len(used)
        self.membership_strengths_ = measure_memberships(
            values, self.cluster_centers_, self.labels_
        )
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:  # noqa: N803
        """Return the (n,) label of the centre nearest to each row of X."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return find_nearest(values, self.cluster_centers_)


def _plan(
    values: NDArray[Any], k: int | None, init: str, seed: int
) -> tuple[int, str | NDArray[np.float64]]:
    """Return the number of clusters and where they start."""
    if k is not None and init == "k-means++":
        return k, init
    n = len(values)
    if n > _TREE_ROWS:
        picked = np.random.default_rng(seed).choice(
            n, max(_TREE_ROWS, min(n, 10 * (k or 0))), False
        )
        values = values[np.sort(picked)]
    groups = Groups.from_rows(values)
    tree = link_rows(values, "ward")
    k = choose_n_clusters(groups, tree) if k is None else k
    if init == "k-means++":
        return k, init
    return k, groups.merge(cut_tree(tree, k)).means


def _find_centres(
    values: NDArray[Any], k: int, start: str | NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the (k, d) centres."""
    starts = _STARTS if isinstance(start, str) else 1
    options = {"n_clusters": k, "init": start, "n_init": starts, "random_state": seed}
    large = len(values) >= _LLOYD_BELOW
    model = MiniBatchKMeans(**options, batch_size=4096) if large else Lloyd(**options)
    with warnings.catch_warnings():
        # Coincident vectors: the empty clusters are dropped by the caller.
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        model.fit(values)
    return np.asarray(model.cluster_centers_, dtype=np.float64)
