"""The default route in figures; what they rest on is in docs/log.md (benchmarks/routes.py).

Apart from the route itself, so that a run whose artefacts are current loads no clusterer.
"""

import math
from dataclasses import asdict
from typing import Any

from discovery.flow.options import (
    AgglomerativeOptions,
    AutoOptions,
    ClusterChoice,
    HDBSCANOptions,
    KMeansOptions,
)

# All vectors are reduced once: partly whitened, what most images share (background, lighting)
# weighs less. The neighbour graph of these rows serves communities, UMAP and the map.
GRAPH_DIMENSIONS, GRAPH_WHITEN = 100, 0.75
NEIGHBOURS_K = 30  # of the cached graph, at least: UMAP takes its first 14
UMAP_NEIGHBOURS = 15  # the image itself counted, as in UMAP
UMAP_DIMENSIONS = 5
PCA_DIMENSIONS = 50  # of KMeans and agglomerative, not whitened
MIN_COMMUNITY = 5  # images; smaller groups are noise
MIN_IMAGES = 5  # below this there is nothing to group
DRAWS = 20  # of the bootstrap


def describe_choice(choice: ClusterChoice, n: int) -> dict[str, Any]:
    """Return the route's parameters as JSON-ready values, for the provenance."""
    spec: dict[str, Any] = {"clusterer": choice.name, **asdict(choice)}
    if isinstance(choice, KMeansOptions | AgglomerativeOptions):
        if choice.n_clusters == "auto":
            spec |= {"counted": "groups that last", "ties": find_ties(n)}
        return spec | {"reducer": "pca", "dimensions": PCA_DIMENSIONS}
    spec |= describe_graph(n)
    if isinstance(choice, AutoOptions):
        return spec | {"communities": "leiden, those that last", "ties": find_ties(n)}
    spec |= {"reducer": "umap", "dimensions": UMAP_DIMENSIONS, "n_neighbors": UMAP_NEIGHBOURS}
    return spec | {"min_cluster_size": find_min_cluster_size(choice, n)}


def describe_graph(n: int) -> dict[str, Any]:
    """Return what the neighbour graph of n images is made with."""
    return {
        "k": min(max(NEIGHBOURS_K, find_ties(n) - 1), n - 1),
        "graph_dimensions": find_dimensions(n),
        "graph_whiten": GRAPH_WHITEN,
    }


def find_dimensions(n: int) -> int:
    """Return to how many dimensions n images are reduced: a fifth of n, 100 at most.

    Whitened to more, a small set is mostly noise.
    """
    return max(2, min(GRAPH_DIMENSIONS, n // 5))


def find_ties(n: int) -> int:
    """Return how many images one is tied to in the graph, itself counted.

    15 of up to 1,000 images, then half the square root of n up to 50: with too few, large
    groups come apart. Below 225 images a fifteenth of them, 10 at least, lest all be tied to all.
    """
    wanted = min(max(15, round(math.sqrt(n) / 2)), 50)
    return min(wanted, max(10, n // 15), n)


def find_min_cluster_size(choice: HDBSCANOptions, n: int) -> int:
    """Return the smallest group worth a name among n images: as asked for, or by a rule of thumb.

    The rule is 0.65 times the square root of n, at least 5: 20 of 1,000 images, 145 of 50,000.
    """
    if choice.min_cluster_size is not None:
        return choice.min_cluster_size
    return max(5, round(0.65 * math.sqrt(n)))
