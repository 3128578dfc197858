"""The default route in figures; what they rest on is in docs/log.md (benchmarks/routes.py).

Apart from the route itself, so that a run whose artefacts are current loads no clusterer.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from discovery.flow.options import (
    AgglomerativeOptions,
    AutoOptions,
    ClusterChoice,
    HDBSCANOptions,
    KMeansOptions,
)

NEIGHBOURS_K = 30  # of the cached graph: UMAP takes its first 14, a sweep may take more
UMAP_NEIGHBOURS = 15
UMAP_DIMENSIONS = 5
PCA_DIMENSIONS = 50
MIN_IMAGES = 5  # below this there is nothing to group
DRAWS = 20  # of the bootstrap


def describe_choice(choice: ClusterChoice, n: int) -> dict[str, Any]:
    """Return the route's parameters as JSON-ready values, for the provenance."""
    spec: dict[str, Any] = {"clusterer": choice.name, **asdict(choice)}
    if isinstance(choice, KMeansOptions | AgglomerativeOptions):
        return spec | {"reducer": "pca", "dimensions": PCA_DIMENSIONS}
    spec |= {"reducer": "umap", "dimensions": UMAP_DIMENSIONS, "n_neighbors": UMAP_NEIGHBOURS}
    return spec | {"min_cluster_size": find_min_cluster_size(choice, n)}


def find_min_cluster_size(choice: AutoOptions | HDBSCANOptions, n: int) -> int:
    """Return the smallest group worth a name among n images: as asked for, or by the rule."""
    given = getattr(choice, "min_cluster_size", None)
    return int(given) if given is not None else default_min_cluster_size(n)


def default_min_cluster_size(n: int) -> int:
    """Return the rule's smallest group."""
    return int(np.clip(n // 60, 5, 15)) if n < 5_000 else int(15 * (n / 5_000) ** 0.5)
