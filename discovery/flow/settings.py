"""The default route in figures; what they rest on is in docs/log.md (benchmarks/routes.py).

Apart from the route itself, so that a run whose artefacts are current loads no clusterer.
"""

from pathlib import Path
from typing import Any

from discovery.clusterers.base import ClustererOptions
from discovery.graph import choose_n_neighbors

COMMAND = "discovery.cluster"  # in run.json, under whichever name a round was started

# All vectors are reduced once: partly whitened, what most images share (background, lighting)
# weighs less. The neighbour graph of these rows serves communities, UMAP and the map.
GRAPH_DIMENSIONS, GRAPH_WHITEN = 100, 0.75
NEIGHBOURS_K = 30  # of the cached graph, at least: UMAP takes its first 14
UMAP_NEIGHBOURS = 15  # the image itself counted, as in UMAP
UMAP_DIMENSIONS = 5
PCA_DIMENSIONS = 50  # of the rows that are not whitened
MIN_IMAGES = 5  # below this there is nothing to group


def describe_choice(choice: ClustererOptions, n: int) -> dict[str, Any]:
    """Return the clusterer, its parameters and its rows as JSON-ready values, for provenance."""
    if choice.rows == "pca":
        rows: dict[str, Any] = {"reducer": "pca", "dimensions": PCA_DIMENSIONS}
    else:
        rows = describe_graph(n)
    if choice.rows == "umap":
        rows |= {"reducer": "umap", "dimensions": UMAP_DIMENSIONS, "n_neighbors": UMAP_NEIGHBOURS}
    return rows | choice.describe(n) | {"clusterer": choice.name}


def describe_graph(n: int) -> dict[str, Any]:
    """Return what the neighbour graph of n images is made with."""
    return {
        "k": min(max(NEIGHBOURS_K, choose_n_neighbors(n) - 1), n - 1),
        "graph_dimensions": choose_dimensions(n),
        "graph_whiten": GRAPH_WHITEN,
    }


def choose_dimensions(n: int) -> int:
    """Return to how many dimensions n images are reduced: a tenth of n, 20 to 100.

    Whitened to more, a small set is mostly noise, and its images are near to none of their type.
    Above 250 images it grows faster, to a fifth of 450; never more than a fifth.
    """
    return max(2, min(GRAPH_DIMENSIONS, n // 5, max(20, n // 10) + max(0, n - 250) // 4))


def name_view(store: Path) -> str:
    """Return what a store of a run is a view of, as its stages are named: by its folder."""
    return "given" if store.name == "store" else store.name
