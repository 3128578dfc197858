"""Routes from images to clusters side by side: the comparison that the default was chosen by.

    python benchmarks/routes.py --data ../shared/data --weights FILE --stores FOLDER

Four sets choose (NEU-DET, magnetic tiles, WM-811K, and synthetic images drawn on the spot); crops
of DeepPCB are kept aside and rank nothing. Vectors are extracted once, into stores in FOLDER.
Every route runs with three seeds, the default also on parts of each set. Prints Markdown, kept in
benchmarks/results/routes.md.
"""

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from image_sets import ASIDE, CHOOSING, Images, find_sets, load_set
from numpy.typing import NDArray
from scipy.stats import rankdata

from discovery.clusterers.auto import MIN_COMMUNITY
from discovery.clusterers.hdbscan import HDBSCANOptions
from discovery.estimators.agglomerative import Agglomerative
from discovery.estimators.communities import GraphCommunities
from discovery.estimators.kmeans import KMeans
from discovery.flow.settings import (
    GRAPH_WHITEN,
    PCA_DIMENSIONS,
    UMAP_DIMENSIONS,
    UMAP_NEIGHBOURS,
    choose_dimensions,
    describe_graph,
)
from discovery.graph import choose_n_neighbors
from discovery.graph.neighbours import find_neighbours
from discovery.records import Neighbours
from discovery.stages.reduce import embed_umap, reduce_pca
from discovery.stages.score import score_clustering
from embeddings.extract import ExtractOptions
from embeddings.records import unit_rows

Rows = NDArray[np.float32]
Cluster = Callable[[Rows, int, int], Any]  # vectors, number of true types, seed

SEEDS = (0, 1, 2)
RESOLUTION = 0.75  # of one cut; "auto" takes the groups that last over many
LEAST_COVERAGE = 0.8  # a route that names less on any set is not ranked
BOTH = ("layer3", "layer4")
# Extractions, each into stores of its own; the first is the default of `embeddings.extract`.
VECTORS: dict[str, dict[str, Any]] = {
    "max": {"layers": BOTH, "pooling": "max"},
    "mean": {"layers": BOTH, "pooling": "mean"},
    "gem": {"layers": BOTH, "pooling": "gem"},
    "texture": {"extractor": "texture"},
}
SHARES = ("ari", "nmi", "acc", "coverage", "label_accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which vectors, and how they become (n,) labels; `knows_k` is told the number of types."""

    name: str
    vectors: str
    cluster: Cluster
    knows_k: bool = False


def find_communities(
    values: Rows,
    _: int,
    seed: int,
    *,
    whiten: float = GRAPH_WHITEN,
    resolution: float | str = "auto",
) -> Any:
    """Cluster as the default route does, or at one resolution."""
    rows, graph = _reduce(values, whiten, seed)
    communities = GraphCommunities(
        resolution,
        n_neighbors=choose_n_neighbors(len(rows)),
        min_community_size=MIN_COMMUNITY,
        random_state=seed,
    )
    return communities.fit(rows, neighbours=graph).labels_


def find_dense(
    values: Rows, _: int, seed: int, *, whiten: float | None, size: int, samples: int
) -> Any:
    """Cluster with HDBSCAN on UMAP; whiten None leaves the vectors as they are."""
    if whiten is None:
        rows, graph = values, find_neighbours(values, UMAP_NEIGHBOURS - 1, seed=seed)
    else:
        rows, graph = _reduce(values, whiten, seed)
    embedded = embed_umap(rows, graph, UMAP_DIMENSIONS, seed=seed, n_neighbors=UMAP_NEIGHBOURS)
    options = HDBSCANOptions(min_cluster_size=size, min_samples=samples)
    return options.build(len(embedded), seed=seed).fit(embedded).labels_


def find_compact(values: Rows, k: int, seed: int, *, model: type) -> Any:
    """Cluster with KMeans or Ward on PCA, told the number of types."""
    rows = reduce_pca(values, PCA_DIMENSIONS, seed=seed)
    return model(k, random_state=seed).fit(rows).labels_


def _reduce(values: Rows, whiten: float, seed: int) -> tuple[Rows, Neighbours]:
    n = len(values)
    rows = reduce_pca(values, choose_dimensions(n), whiten=whiten, seed=seed)
    return rows, find_neighbours(rows, describe_graph(n)["k"], seed=seed)


def _make_routes() -> list[Route]:
    recipe = partial(find_dense, whiten=None, size=15, samples=15)  # as BERTopic has it
    dense = partial(find_dense, whiten=GRAPH_WHITEN)
    routes = [
        Route(name="layer4 mean, UMAP-5, HDBSCAN 15 (baseline)", vectors="mean4", cluster=recipe),
        Route(name="**max, communities (default)**", vectors="max", cluster=find_communities),
    ]
    routes += [
        Route(
            name=f"max, whiten {power:g}, communities",
            vectors="max",
            cluster=partial(find_communities, whiten=power),
        )
        for power in (0.0, 0.5, 1.0)
    ]
    routes += [
        Route(
            name=f"max, communities at resolution {resolution:g}",
            vectors="max",
            cluster=partial(find_communities, resolution=resolution),
        )
        for resolution in (0.5, RESOLUTION, 1.0)
    ]
    routes += [
        Route(name=f"{name}, communities", vectors=vectors, cluster=find_communities)
        for name, vectors in (
            ("layer4 mean", "mean4"), ("mean", "mean"), ("gem", "gem"), ("texture", "texture"),
        )
    ]  # fmt: skip
    routes += [
        Route(
            name=f"max, UMAP-5, HDBSCAN {size}, samples {samples}",
            vectors="max",
            cluster=partial(dense, size=size, samples=samples),
        )
        for size, samples in ((15, 15), (15, 5), (30, 5))
    ]
    routes += [
        Route(
            name=f"max, PCA-50, {name}, true k",
            vectors="max",
            cluster=partial(find_compact, model=model),
            knows_k=True,
        )
        for name, model in (("Ward", Agglomerative), ("KMeans", KMeans))
    ]
    return routes


def load_all(sets: dict[str, Images], stores: Path, weights: str) -> dict[tuple[str, str], Any]:
    """Return vectors and types by set and kind of vectors."""
    loaded = {}
    for name, images in sets.items():
        for vectors in VECTORS:
            place = name.replace(" ", "-") + ("" if vectors == "max" else f"-{vectors}")
            needed = {} if vectors == "texture" else {"weights": weights}
            options = ExtractOptions(**(VECTORS[vectors] | needed))
            found, truth = load_set(images, stores / place, options=options)
            values = found.values
            loaded[name, vectors] = values, truth
            if vectors == "mean":  # each layer is made unit on its own: the second can be cut out
                loaded[name, "mean4"] = unit_rows(values[:, 1024:]), truth
    return loaded


def run_routes(
    routes: Sequence[Route], sets: Sequence[str], loaded: dict[tuple[str, str], Any]
) -> pd.DataFrame:
    """Return one row a route, set and seed."""
    rows = []
    for route in routes:
        for name in sets:
            values, truth = loaded[name, route.vectors]
            k = len(np.unique(truth))
            for seed in SEEDS:
                labels = np.asarray(route.cluster(values, k, seed), dtype=np.int32)
                scores = score_clustering(labels, truth)
                rows.append({"route": route.name, "set": name, "seed": seed, **scores})
        print(route.name, file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def print_ranks(scores: pd.DataFrame, routes: Sequence[Route]) -> None:
    """Print the mean rank by ARI of the routes that are told nothing and name enough."""
    mine = scores[scores["set"].isin(CHOOSING)]
    ari = mine.pivot_table("ari", "route", "set")  # the mean over seeds
    least = mine.groupby("route")["coverage"].min()
    named = mine.groupby(["route", "set"])["label_accuracy"].mean().groupby("route").mean()
    ranked = [r.name for r in routes if not r.knows_k and least[r.name] >= LEAST_COVERAGE]
    places = rankdata(-ari.loc[ranked].round(4), axis=0).mean(axis=1)
    rank = dict(zip(ranked, places, strict=True))
    print("\n## Mean rank by ARI over the four sets that choose\n")
    print(f"Ranked: routes that are not told k and name {LEAST_COVERAGE:.0%} of every set.\n")
    print("| route | mean rank | mean ARI | mean label accuracy | least coverage |")
    print("|---|---|---|---|---|")
    for route in sorted(routes, key=lambda r: rank.get(r.name, np.inf)):
        name = route.name
        place = "told k" if route.knows_k else "names too few"
        place = f"{rank[name]:.1f}" if name in rank else place
        mean = ari.loc[name].mean()
        print(f"| {name} | {place} | {mean:.3f} | {named[name]:.3f} | {least[name]:.3f} |")


def print_set(scores: pd.DataFrame, routes: Sequence[Route], name: str) -> None:
    """Print the mean and half the range over the seeds of every route on one set."""
    mine = scores[scores["set"] == name]
    first = mine.iloc[0]
    aside = ", kept aside" if name == ASIDE else ""
    print(f"\n## {name}{aside}: {first['n']} images, {first['k_true']} types\n")
    print("| route | " + " | ".join(SHARES) + " | decisions | types found |")
    print("|---" * (len(SHARES) + 3) + "|")
    for route in routes:
        of_route = mine[mine["route"] == route.name]
        cells = [f"{of_route[s].mean():.3f} ± {np.ptp(of_route[s]) / 2:.3f}" for s in SHARES]
        cells.append("/".join(str(k) for k in of_route["decisions"]))
        cells.append("/".join(f"{t:.0f}" for t in of_route["types_found"] * of_route["k_true"]))
        print(f"| {route.name} | " + " | ".join(cells) + " |")


def print_parts(sets: Sequence[str], loaded: dict[tuple[str, str], Any]) -> None:
    """Print the default on six draws of 90 % of each set: seeds alone understate the spread."""
    print("\n## The default on six draws of 90 % of the images: mean [least, most]\n")
    print("| set | " + " | ".join(SHARES) + " | decisions |")
    print("|---" * (len(SHARES) + 2) + "|")
    for name in sets:
        values, truth = loaded[name, "max"]
        found = []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            part = np.sort(rng.choice(len(values), round(0.9 * len(values)), replace=False))
            labels = np.asarray(find_communities(values[part], 0, seed), dtype=np.int32)
            found.append(score_clustering(labels, truth[part]))
        cells = []
        for key in SHARES:
            scores = [one[key] for one in found]
            cells.append(f"{np.mean(scores):.3f} [{min(scores):.3f}, {max(scores):.3f}]")
        cells.append("/".join(str(one["decisions"]) for one in found))
        print(f"| {name} | " + " | ".join(cells) + " |")


def print_head(data: Path, weights: Path) -> None:
    """Print what was run, with what, where and when."""
    packages = (
        "torch", "numpy", "scikit-learn", "numba", "umap-learn", "hdbscan", "faiss-gpu",
    )  # fmt: skip
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print("# Routes from images to clusters\n")
    command = f"python benchmarks/routes.py --data {data} --weights {weights} --stores FOLDER"
    print(f"`{command}`, {datetime.now(UTC):%Y-%m-%d}.\n")
    print(f"Device: {device}, {platform.machine()}; Python {platform.python_version()}, ", end="")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"{versions}; weights {weights.name}.\n")
    print(f"Mean and half the range over the seeds {', '.join(map(str, SEEDS))}. max, mean, gem:")
    print(
        "how layer3 and layer4 of ResNet-50 are pooled; texture: GLCM, LBP, Zernike. Where nothing"
    )
    print(f"else is said, the default's whitening {GRAPH_WHITEN} and groups that last.")
    print("Baseline: BERTopic's recipe. A decision is one cluster to name; noise is one cluster in")
    print("ARI and NMI, and wrong in acc.")


def main() -> None:
    """Extract, run every route, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the four real sets")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--stores", type=Path, required=True, help="kept, so that it is done once")
    args = parser.parse_args()
    sets = find_sets(args.data, args.stores)
    loaded = load_all(sets, args.stores, str(args.weights))
    routes = _make_routes()
    scores = run_routes(routes, list(sets), loaded)
    print_head(args.data, args.weights)
    print_ranks(scores, routes)
    print_parts(list(sets), loaded)
    for name in sets:
        print_set(scores, routes, name)


if __name__ == "__main__":
    main()
