"""Communities of the neighbour graph: groups whose images are tied to each other more than chance.

The graph is weighted as UMAP weighs it, without drawing it in a few dimensions: a group that is
dense for its surroundings holds together, at whatever density. Leiden finds fine communities,
those groups of them that last over many resolutions are the clusters, and an image with fewer
than half of its ties inside its own belongs to none.
"""

from operator import itemgetter
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from discovery.estimators.checks import check_amount, check_choice, check_count
from discovery.graph import Granularity
from discovery.graph.crowds import find_crowds
from discovery.graph.distances import measure_excess
from discovery.graph.leiden import partition_repeatedly
from discovery.graph.neighbours import find_neighbours, weigh_graph
from discovery.graph.persistence import (
    FINEST,
    PREFERENCES,
    Persistence,
    add_apart,
    merge_communities,
    select_persistent,
)
from discovery.records import NOISE, Neighbours
from embeddings.errors import OptionError

_LEAST_INSIDE = 0.5  # share of its ties: below, an image is tied more to others than to its own
_RUNS, _RUNS_LARGE, _LARGE = 10, 3, 5_000  # of Leiden; rows above which they hardly differ
_COMPLETE_RESOLUTION = 0.75  # for a handful of images, where all are tied to all
_ROUNDING = 1e-12  # of sums of ties
_SETTLING = 5  # sweeps at most; after two or three hardly an image moves


class GraphCommunities(ClusterMixin, BaseEstimator):
    """Leiden communities of the fuzzy k-nearest-neighbour graph.

    Parameters
    ----------
    resolution : float or "auto"
        "auto": the groups that last over many resolutions (`persistence`). A number: the
        communities at that one; larger finds more and smaller groups.
    granularity : {"coarse", "auto", "fine"}
        With resolution "auto": whether fewer and larger, or more and smaller groups are preferred
        where both last about as long.
    n_neighbors : int
        Ties a row, the image itself counted, as in UMAP.
    min_community_size : int
        Smaller groups are noise.
    n_runs : int, optional
        Leiden is started so often, and the best modularity taken. None: 10, and 3 above 5,000
        rows, where runs hardly differ.
    random_state : int, RandomState instance or None

    Attributes
    ----------
    labels_ : (n,) int32
        -1 is noise.
    membership_strengths_ : (n,) float64 in [0, 1]
        Share of an image's ties that stay inside its community; 0 for noise.
    outlier_scores_ : (n,) float64 in [0, 1]
        The larger of: share of ties that leave the community; how much farther the neighbours
        are than the community's median.
    modularity_ : float
        Of the communities before any was joined or called noise.
    graph_ : (n, n) sparse
        The ties.
    communities_ : (n,) int64
        The communities before any was joined or called noise.
    persistence_ : Persistence or None
        The tree of groups over the resolutions and which were chosen; None with a
        number, or where all images are tied to all.
    is_as_auto_ : bool
        Another granularity was asked for than "auto", and none but auto's groups last.

    References
    ----------
    Traag, Waltman and van Eck (2019), From Louvain to Leiden: guaranteeing well-connected
    communities; Reichardt and Bornholdt (2006) for the resolution; McInnes, Healy and Melville
    (2018), UMAP, section 3.1, for the weights.
    """

    communities_: NDArray[np.int64]
    persistence_: Persistence | None
    is_as_auto_: bool

    def __init__(
        self,
        resolution: float | Literal["auto"] = "auto",
        *,
        granularity: Granularity = "auto",
        n_neighbors: int = 15,
        min_community_size: int = 5,
        n_runs: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.resolution = resolution
        self.granularity = granularity
        self.n_neighbors = n_neighbors
        self.min_community_size = min_community_size
        self.n_runs = n_runs
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None, *, neighbours: Neighbours | None = None) -> Self:  # noqa: ARG002, N803
        """Cluster the rows of X.

        Parameters
        ----------
        X : (n, d) array
        neighbours : Neighbours, optional
            The graph of these very rows with at least ``n_neighbors - 1`` a row: it is used
            instead of a new search.

        Raises
        ------
        OptionError
            A parameter is out of range, or the graph does not fit.
        """
        self._check_options()
        self.is_as_auto_ = False
        values = validate_data(self, X, dtype=np.float32)
        n = len(values)
        k = min(self.n_neighbors - 1, n - 1)
        seed = int(check_random_state(self.random_state).randint(1 << 30))
        if k == 0:
            return self._set_lone(n)
        if neighbours is None:
            neighbours = find_neighbours(values, k, seed=seed)
        _check_graph(neighbours, n, k)
        distances = neighbours.distances[:, :k]
        graph = weigh_graph(neighbours.indices[:, :k], distances)
        self.graph_ = graph
        labels = self._divide_apart(graph, find_crowds(values, least=k + 2), k=k, seed=seed)
        shares = _measure_shares_inside(graph, labels)
        sparsity = measure_excess(distances.mean(axis=1, dtype=np.float64), labels.astype(np.int32))
        kept = shares >= _LEAST_INSIDE
        # Counted after the loose ones are left out: what remains is what a person would name.
        sizes = np.bincount(labels, weights=kept)
        noise = ~kept | (sizes[labels] < self.min_community_size)
        self.labels_ = np.where(noise, NOISE, labels).astype(np.int32)
        self.membership_strengths_ = np.where(noise, 0.0, shares)
        # Either alone misses some: an image between two groups, and one far outside of its own.
        self.outlier_scores_ = np.maximum(1 - shares, sparsity)
        return self

    def _check_options(self) -> None:
        check_choice("granularity", self.granularity, tuple(PREFERENCES))
        if self.resolution != "auto" and not check_amount("resolution", self.resolution) > 0:
            raise OptionError(f"resolution is {self.resolution}, expected more than 0")
        check_count("n_neighbors", self.n_neighbors, least=2)
        check_count("min_community_size", self.min_community_size)
        if self.n_runs is not None:
            check_count("n_runs", self.n_runs)

    def _divide_apart(
        self, graph: sparse.csr_matrix, crowds: NDArray[np.int64], *, k: int, seed: int
    ) -> NDArray[np.int64]:
        """Divide what is in no crowd as if it were alone; each crowd is a group as it is."""
        rest = np.flatnonzero(crowds < 0)
        alone = graph[rest][:, rest].tocsr()
        if len(rest) in (0, len(crowds)) or (np.diff(alone.indptr) == 0).any():
            return self._divide(graph, is_complete=k == len(crowds) - 1, seed=seed)
        labels = self._divide(alone, is_complete=k >= len(rest) - 1, seed=seed)
        sizes = np.bincount(crowds[crowds >= 0])
        self.communities_ = _put_apart(self.communities_, crowds, rest)
        if self.persistence_ is not None:
            self.persistence_ = add_apart(self.persistence_, sizes)
        return _put_apart(labels, crowds, rest)

    def _divide(
        self, graph: sparse.csr_matrix, *, is_complete: bool, seed: int
    ) -> NDArray[np.int64]:
        """Return the (n,) group of each image, before any is called noise."""
        runs = _RUNS if graph.shape[0] <= _LARGE else _RUNS_LARGE
        if self.n_runs is not None:
            runs = self.n_runs
        # Where all are tied to all, as a dozen images are, no group lasts longer than another.
        is_joined = self.resolution == "auto" and not is_complete
        usual = FINEST if is_joined else _COMPLETE_RESOLUTION
        resolution = usual if self.resolution == "auto" else float(self.resolution)
        labels, self.modularity_ = find_communities(graph, resolution, seed=seed, runs=runs)
        self.communities_ = labels
        self.persistence_ = None
        return self._join(graph, labels) if is_joined else labels

    def _join(self, graph: sparse.csr_matrix, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Join fine communities to the groups that last."""
        tree = merge_communities(graph, labels)
        self.persistence_ = select_persistent(tree, preference=PREFERENCES[self.granularity])
        if self.granularity != "auto":
            auto = select_persistent(tree, preference=PREFERENCES["auto"])
            self.is_as_auto_ = set(auto.chosen.tolist()) == set(self.persistence_.chosen.tolist())
        return _settle(graph, self.persistence_.label_leaves()[labels])

    def _set_lone(self, n: int) -> Self:
        self.labels_ = np.full(n, NOISE, np.int32)
        self.membership_strengths_ = np.zeros(n)
        self.outlier_scores_ = np.zeros(n)
        self.modularity_ = 0.0
        self.graph_ = sparse.csr_matrix((n, n))
        self.communities_ = np.zeros(n, np.int64)
        self.persistence_ = None
        return self


def _put_apart(
    labels: NDArray[np.int64], crowds: NDArray[np.int64], rest: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Return the labels of all rows: those of the rest, then the crowds."""
    everywhere = crowds + int(labels.max()) + 1
    everywhere[rest] = labels
    return everywhere


def _check_graph(neighbours: Neighbours, n: int, k: int) -> None:
    rows, width = neighbours.indices.shape
    if rows != n or width < k:
        raise OptionError(
            f"the graph has {rows} rows of {width} neighbours, expected {n} rows of {k} neighbours "
            "or more"
        )


def find_communities(
    graph: sparse.csr_matrix, resolution: float, *, seed: int, runs: int = _RUNS
) -> tuple[NDArray[np.int64], float]:
    """Return (n,) labels of the best of several Leiden runs, and their modularity."""
    found = partition_repeatedly(graph, resolution, seeds=range(seed, seed + runs))
    return max(found, key=itemgetter(1))  # of equals the first


def _settle(graph: sparse.csr_matrix, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move images to the group that most of their ties lead to, until (nearly) all are there.

    An image at the rim of a fine community went where that community went.
    """
    n, k = len(labels), int(labels.max()) + 1
    for _ in range(_SETTLING):
        member = sparse.csr_matrix((np.ones(n), (np.arange(n), labels)), shape=(n, k))
        ties = (graph @ member).tocsr()  # (n, k), no empty row
        ties.sort_indices()
        strongest = np.maximum.reduceat(ties.data, ties.indptr[:-1])
        # Of equals the first; ufuncs go over all rows at once, argmax would take them one by one.
        is_most = ties.data == np.repeat(strongest, np.diff(ties.indptr))
        most = np.minimum.reduceat(np.where(is_most, ties.indices, k), ties.indptr[:-1])
        own = np.asarray(ties[np.arange(n), labels]).ravel()
        drawn = strongest > own + _ROUNDING
        if not drawn.any():
            break
        labels = np.where(drawn, most, labels)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _measure_shares_inside(
    graph: sparse.csr_matrix, labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share of each image's ties that stay inside its community, (n,)."""
    n = graph.shape[0]
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    own = labels[rows] == labels[graph.indices]
    inside = np.bincount(rows, weights=graph.data * own, minlength=n)
    whole = np.bincount(rows, weights=graph.data, minlength=n)
    shares: NDArray[np.float64] = inside / whole
    return shares
