"""The hierarchy a fitted clusterer leaves, for levels.npz: every resolution is a cut of it.

What has none of its own, as k-means, has the levels of the neighbour graph: the communities that
every round can be asked for, whatever clusters it.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from discovery.graph.hierarchy import (
    condense,
    join_linkage,
    measure_firmness,
    refine_communities,
)
from discovery.graph.levels import Levels, make_levels
from discovery.graph.persistence import COARSEST, FINEST, MergeTree, merge_communities
from embeddings.bounded import parse_npz
from embeddings.errors import RunError

if TYPE_CHECKING:
    from discovery.estimators.communities import GraphCommunities

_MOST_GROUPS = 100  # of a position of a linkage, which goes down to single images

# The arrays of levels.npz as they are in `Levels` and in its tree.
_OF_TREE = ("sizes", "children", "levels")
_OF_LEVELS = ("leaves", "firm", "resolutions", "groups", "lasts")


def find_levels(
    clusterer: Any, find_lasting: Callable[[], "GraphCommunities"], *, seed: int = 0
) -> Levels:
    """Return the levels of a fitted clusterer, duck-typed on what it has.

    Parameters
    ----------
    clusterer : object
        With ``condensed_tree_`` (HDBSCAN), ``linkage_`` (agglomerative), ``communities_`` (the
        default), or none of them.
    find_lasting : callable
        Gives the communities of the neighbour graph; called only where there is nothing else.
    """
    if hasattr(clusterer, "condensed_tree_"):
        return _of_condensed_tree(clusterer)
    if hasattr(clusterer, "linkage_"):
        return _of_linkage(clusterer)
    communities = clusterer if hasattr(clusterer, "communities_") else find_lasting()
    return find_graph_levels(communities, seed=seed)


def find_graph_levels(found: "GraphCommunities", *, seed: int) -> Levels:
    """Return the levels of fitted communities, divided further to have something to split."""
    graph, labels = found.graph_, found.communities_
    # None: of a handful of images, where all are tied to all.
    tree = (
        merge_communities(graph, labels) if found.persistence_ is None else found.persistence_.tree
    )
    firm = measure_firmness(graph, labels, tree)
    leaves, finer = refine_communities(graph, labels, tree, seed=seed)
    return make_levels(
        "communities",
        finer,
        leaves.astype(np.int32),
        firm=firm,
        smallest=found.min_community_size,
        within=(COARSEST, FINEST),
    )


def format_levels(levels: Levels, ids_sha256: str) -> bytes:
    """Return levels.npz.

    Parameters
    ----------
    ids_sha256 : str
        Of the images' ids in their order.
    """
    file = io.BytesIO()
    arrays = {name: getattr(levels.tree, name) for name in _OF_TREE}
    arrays |= {name: getattr(levels, name) for name in _OF_LEVELS}
    np.savez(
        file,
        **arrays,
        smallest=np.array(levels.smallest),
        kind=np.array(levels.kind),
        ids_sha256=np.array(ids_sha256),
    )
    return file.getvalue()


def read_levels(data: bytes) -> tuple[Levels, str]:
    """Read levels.npz: the levels, and the sha256 of the ids they belong to.

    Raises
    ------
    RunError
        It cannot be read.
    """
    try:
        arrays = parse_npz(data)
        levels = Levels(
            kind=str(arrays["kind"]),
            smallest=int(arrays["smallest"]),
            tree=MergeTree(**{name: arrays[name] for name in _OF_TREE}),
            **{name: arrays[name] for name in _OF_LEVELS},
        )
        return levels, str(arrays["ids_sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"levels.npz cannot be read ({error}): remove it, or run discovery.cluster into the "
            "folder again"
        ) from error


def _of_condensed_tree(clusterer: Any) -> Levels:
    n = len(clusterer.labels_)
    leaves, tree, firm = condense(clusterer.condensed_tree_.to_numpy(), n)
    coarsest, finest = _find_range(tree)
    return make_levels(
        "condensed tree",
        tree,
        leaves,
        firm=firm,
        smallest=int(clusterer.min_cluster_size),
        # Beyond the last fork nothing happens but that images fall out.
        within=(coarsest, max(finest, float(np.median(firm)))),
    )


def _of_linkage(clusterer: Any) -> Levels:
    leaves, tree = join_linkage(clusterer.linkage_, clusterer.leaves_)
    return make_levels("linkage", tree, leaves, within=_find_range(tree))


def _find_range(tree: MergeTree) -> tuple[float, float]:
    """Return the resolutions at which there are two groups, and a hundred or all there are."""
    if not len(tree.levels):
        return 1.0, 1.0
    return float(tree.levels[-1]), float(tree.levels[-_MOST_GROUPS:][0])
