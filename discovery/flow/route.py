"""Which reduction and which clusterer: the default route and the user's own choices.

The figures behind the default are in docs/log.md; benchmarks/routes.py makes them again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from discovery.clusterers.auto import AutoOptions
from discovery.clusterers.base import ClustererOptions
from discovery.flow.settings import (
    PCA_DIMENSIONS,
    UMAP_DIMENSIONS,
    UMAP_NEIGHBOURS,
    describe_choice,
    describe_graph,
)
from discovery.flow.space import fit_space
from discovery.graph import Granularity
from discovery.graph.levels import Levels
from discovery.graph.neighbours import find_neighbours
from discovery.records import Clustering, Neighbours, Sweep, number_by_size
from discovery.stages.levels import find_levels
from discovery.stages.partition import partition_rows
from discovery.stages.reduce import embed_umap, reduce_pca
from discovery.stages.stability import Fit
from discovery.stages.sweep import sweep_groups
from embeddings.console import get_logger
from embeddings.records import Vectors

if TYPE_CHECKING:
    from discovery.estimators.communities import GraphCommunities

_COMPARED = {"coarse": "coarser", "fine": "finer"}
MAP_MIN_DIST = 0.1  # points of a dense group stay apart enough to be hovered over


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioned:
    """Clusters, the rows they were found in, and how to find them again in a part of the rows.

    `sweep` tells of groups that come and go over the resolutions, where the clusterer looks at it,
    given the clusters that were made of them in the end. `levels` gives the groups at every
    resolution.
    """

    clustering: Clustering
    reduced: NDArray[np.float32]
    fit: Fit
    levels: Callable[[], Levels]
    sweep: Callable[[NDArray[np.int32]], Sweep] | None = None


def reduce_vectors(vectors: Vectors, *, seed: int) -> NDArray[np.float32]:
    """Reduce the vectors to the rows whose neighbour graph every stage shares, (n, p)."""
    return fit_space([vectors], seed=seed).rows


def partition_vectors(
    vectors: Vectors,
    graph_rows: NDArray[np.float32] | None,
    neighbours: Neighbours,
    *,
    choice: ClustererOptions,
    seed: int,
    rows: NDArray[np.float32] | None = None,
) -> Partitioned:
    """Cluster, by the default route or the user's choice.

    Parameters
    ----------
    vectors : Vectors of n images
    graph_rows : (n, p) float32 or None
        The reduced rows that `neighbours` is the graph of; not needed where `rows` are given.
    rows : (n, q) float32, optional
        What `choose_rows` gives, where it is there already.

    Raises
    ------
    OptionError
        There are fewer images than the clusters asked for.
    """
    n = len(vectors)
    if rows is None:
        if graph_rows is None:
            raise ValueError("graph_rows are needed where there are no rows")
        rows = choose_rows(vectors, graph_rows, neighbours, choice=choice, seed=seed)
    # Found once, whether it says how many groups there are, or the levels, or both. The graph says
    # all: the rows are not looked at.
    find_lasting = cache(partial(find_lasting_groups, rows, seed=seed, neighbours=neighbours))
    k = _count_lasting(find_lasting()) if choice.is_k_counted else None
    clusterer = choice.build(n, seed=seed, k=k)
    clustering = partition_rows(
        rows,
        vectors.ids,
        clusterer,
        made_by=choice.name,
        spec=describe_choice(choice, n),
        neighbours=neighbours if choice.takes_graph else None,
        graph=neighbours,
    )
    if getattr(clusterer, "is_as_auto_", False):
        get_logger().info(
            "--granularity %s: the groups are those of auto, as none that are %s last long enough",
            clusterer.granularity, _COMPARED[clusterer.granularity],
        )  # fmt: skip
    # Only what looks over all resolutions has a sweep to show; the report leaves it out else.
    found = getattr(clusterer, "persistence_", None)
    sweep = None if found is None else partial(sweep_groups, found, clusterer.labels_)
    fit = make_fit(choice, clustering, seed=seed)
    levels = partial(find_levels, clusterer, find_lasting, seed=seed)
    return Partitioned(clustering=clustering, reduced=rows, fit=fit, levels=levels, sweep=sweep)


def make_fit(choice: ClustererOptions, clustering: Clustering, *, seed: int) -> Fit:
    """Return a function that clusters part of the rows as all of them were clustered."""
    n = len(clustering)

    def fit(part: NDArray[np.float32]) -> NDArray[np.int32]:
        # k stays as it was found: what is tested is the groups, not their number. A graph of all
        # images does not fit a part of them, so that the estimator finds one of its own.
        k = min(clustering.k, len(part))
        again = choice.build(n, seed=seed, share=len(part) / n, k=k)
        return number_by_size(again.fit(part).labels_)

    return fit


def find_lasting_groups(
    rows: NDArray[np.float32],
    *,
    seed: int,
    granularity: Granularity = "auto",
    of: int | None = None,
    neighbours: Neighbours | None = None,
) -> "GraphCommunities":
    """Find the groups of the neighbour graph that last, whatever the clusterer of the round.

    They are an instrument, too: how many there are, how long they last, and what falls together.

    Parameters
    ----------
    rows : (m, p) float32
    of : int, optional
        How many rows there are in all, where these are a part of them.
    neighbours : Neighbours, optional
        Their graph, where it is there already.

    Returns
    -------
    GraphCommunities
        Fitted.
    """
    m = len(rows)
    if neighbours is None:
        neighbours = find_neighbours(rows, describe_graph(m)["k"], seed=seed)
    # Sizes are cut down by the share, as in a draw of the bootstrap.
    n = m if of is None else of
    options = AutoOptions(granularity=granularity)
    clusterer: GraphCommunities = options.build(n, seed=seed, share=m / n)
    return clusterer.fit(rows, neighbours=neighbours)


def _count_lasting(found: "GraphCommunities") -> int:
    """Return how many groups last over the resolutions, for clusterers that are told k."""
    labels = found.labels_
    return max(1, len(np.unique(labels[labels >= 0])))


def choose_rows(
    vectors: Vectors,
    graph_rows: NDArray[np.float32],
    neighbours: Neighbours,
    *,
    choice: ClustererOptions,
    seed: int,
) -> NDArray[np.float32]:
    """Return the rows that the clusterer wants, (n, p)."""
    if choice.rows == "pca":  # of the vectors themselves: k-means wants the spread that there is
        return reduce_pca(vectors.values, PCA_DIMENSIONS, seed=seed)
    if choice.rows == "graph":
        return graph_rows
    return embed_rows(graph_rows, neighbours, seed=seed)


def embed_rows(
    graph_rows: NDArray[np.float32], neighbours: Neighbours, *, seed: int
) -> NDArray[np.float32]:
    """Lay the images out in a few dimensions, (n, 5), in which dense groups lie together."""
    width = min(UMAP_DIMENSIONS, graph_rows.shape[1])  # a handful of images has fewer
    return embed_umap(graph_rows, neighbours, width, seed=seed, n_neighbors=UMAP_NEIGHBOURS)


def map_rows(
    graph_rows: NDArray[np.float32], neighbours: Neighbours, *, seed: int
) -> NDArray[np.float32]:
    """Lay the images out in two dimensions, (n, 2), for the eye alone."""
    width = min(UMAP_NEIGHBOURS, len(graph_rows) - 1)
    return embed_umap(
        graph_rows, neighbours, 2, seed=seed, n_neighbors=width, min_dist=MAP_MIN_DIST
    )
