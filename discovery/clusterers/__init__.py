"""scikit-learn estimators that group vectors: GraphCommunities, HDBSCAN, KMeans, Agglomerative.

Loaded when first used (PEP 562), as FAISS and scikit-learn take a second.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discovery.clusterers.agglomerative import Agglomerative
    from discovery.clusterers.communities import GraphCommunities
    from discovery.clusterers.condensed import FlatClusters, LinkageTree
    from discovery.clusterers.hdbscan import HDBSCAN
    from discovery.clusterers.kmeans import KMeans

__all__ = ["HDBSCAN", "Agglomerative", "FlatClusters", "GraphCommunities", "KMeans", "LinkageTree"]

_HOMES = {
    "Agglomerative": "discovery.clusterers.agglomerative",
    "FlatClusters": "discovery.clusterers.condensed",
    "GraphCommunities": "discovery.clusterers.communities",
    "HDBSCAN": "discovery.clusterers.hdbscan",
    "KMeans": "discovery.clusterers.kmeans",
    "LinkageTree": "discovery.clusterers.condensed",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
