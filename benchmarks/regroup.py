"""How good and how fast other groupings of a run are: levels, splits, likely merges, the rest.

    python benchmarks/regroup.py --images 50000
    python benchmarks/regroup.py RUN=TRUTH.csv ... [--named 0.6]

The first draws rows of 60 unequal groups, each of four parts, and times what a page asks for, in
milliseconds. The second holds finished runs against their truth (`path,label`): the purity of all
proposals before each is split once and after; how many of the first ten pairs offered to be merged
have one majority type; and, where the best-ranked share of the proposals is named, what becomes of
the rest. Prints Markdown.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.flow.route import find_lasting_groups
from discovery.flow.settings import describe_graph
from discovery.graph.neighbours import find_neighbours
from discovery.review.data import ReviewData
from discovery.review.regroup import (
    inside,
    look_alikes,
    merge_pairs,
    open_levels,
    regroup_rest,
    split_members,
)
from discovery.runs import open_run
from discovery.stages.levels import find_graph_levels, format_levels, read_levels
from embeddings.records import unit_rows

GROUPS, PARTS, WIDTH = 60, 4, 100
PURE = 0.7  # a proposal less pure than this gets no name from the simulated person
Members = list[NDArray[np.int64]]


def draw_rows(n: int, seed: int) -> NDArray[np.float32]:
    """Draw n unit rows of groups of very different sizes, some of them near each other."""
    rng = np.random.default_rng(seed)
    families = rng.normal(size=(12, WIDTH)) * 0.8
    centres = families[rng.integers(0, 12, GROUPS)] + rng.normal(size=(GROUPS, WIDTH)) * 0.5
    parts = centres[:, None] + rng.normal(size=(GROUPS, PARTS, WIDTH)) * 0.25
    groups = rng.choice(GROUPS, n, p=rng.dirichlet(np.full(GROUPS, 0.7)))
    rows = parts[groups, rng.integers(0, PARTS, n)] + rng.normal(size=(n, WIDTH)) * 0.75
    return unit_rows(rows.astype(np.float32))


def time_regrouping(n: int, repeats: int, seed: int) -> dict[str, list[float]]:
    """Time what a page asks for on n images, each call in milliseconds."""
    taken: dict[str, list[float]] = {}

    def clock(name: str, call: Callable[[], object]) -> None:
        started = time.perf_counter()
        call()
        taken.setdefault(name, []).append(1000 * (time.perf_counter() - started))

    rows = draw_rows(n, seed)
    neighbours = find_neighbours(rows, describe_graph(n)["k"], seed=seed)
    found = find_lasting_groups(rows, seed=seed, neighbours=neighbours)
    levels = find_graph_levels(found, seed=seed)
    clock("levels: make", lambda: find_graph_levels(found, seed=seed))
    data = format_levels(levels, "")
    points = np.random.default_rng(seed).uniform(-1, 1, (20 * n, 2)).astype(np.float32)
    angles = np.linspace(0, 2 * np.pi, 400)
    lasso = 0.7 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for _ in range(repeats):
        clock("levels: read", lambda: read_levels(data))
        for position in levels.positions:
            clock("slider: cut", lambda index=position.index: levels.cut(index))
        for group in range(int(found.labels_.max()) + 1):
            members = np.flatnonzero(found.labels_ == group)
            clock("split", lambda some=members: split_members(levels, some, rows))
        clock("merge pairs", lambda: merge_pairs(found.labels_, neighbours))
        clock("look-alikes", lambda: look_alikes(rows, 0, 60))
        clock(f"lasso of 400 corners, {len(points)} points", lambda: inside(lasso, points))
    return taken


def measure_purity(groups: Members, types: NDArray[np.str_]) -> float:
    """Return the share of the images that are of the majority type of their group."""
    hits = sum(int(np.unique(types[g], return_counts=True)[1].max()) for g in groups)
    return hits / sum(map(len, groups))


def judge_run(path: Path, truth: Path, share: float) -> list[str]:
    """Hold one run against its truth: the cells of its row."""
    run = open_run(path)
    data, levels = ReviewData(run), open_levels(run)
    types, clustering = read_types(data, truth), data.clustering
    members = [clustering.members(cluster) for cluster in range(clustering.k)]
    splits = [split_members(levels, some, data.rows) for some in members]
    parts = [part for split in splits for part in split.parts]
    major = [find_majority(types[some]) for some in members]
    pairs = merge_pairs(clustering.labels, data.neighbours)[:10]
    ranked = [members[one.cluster_id] for one in run.load_proposals()]
    named = ranked[: round(share * len(ranked))]
    codes, excluded = name_groups(named, types)
    left = np.flatnonzero(codes < 0)
    rest = regroup_rest(data.rows, left, codes, levels=levels, excluded=excluded)
    new = [part.images for part in rest.parts if part.label < 0]
    was = [some[codes[some] < 0] for some in members]
    was = [some for some in was if len(some)]
    return [
        path.name,
        f"{len(members)} → {len(parts)}",
        f"{measure_purity(members, types):.3f} → {measure_purity(parts, types):.3f}",
        f"{sum(major[a] == major[b] for a, b, _ in pairs)} of {len(pairs)}",
        f"{len(left)}",
        f"{len(was)} → {len(new)}",
        f"{measure_purity(was, types):.3f} → {measure_purity(new, types):.3f}",
    ]


def read_types(data: ReviewData, truth: Path) -> NDArray[np.str_]:
    """Return the true type of each image, by its path."""
    table = pd.read_csv(truth)
    places = [str((truth.parent / path).resolve()) for path in table["path"]]
    of_path = dict(zip(places, table["label"], strict=True))
    return np.array([of_path[str(Path(paths[0]).resolve())] for paths in data.paths])


def find_majority(types: NDArray[np.str_]) -> str:
    """Return the type of most."""
    names, counts = np.unique(types, return_counts=True)
    return str(names[counts.argmax()])


def name_groups(
    groups: Members, types: NDArray[np.str_]
) -> tuple[NDArray[np.int32], dict[int, NDArray[np.int64]]]:
    """Name pure groups as a person would, who throws out what differs."""
    codes, names = np.full(len(types), -1, np.int32), np.unique(types).tolist()
    thrown: dict[int, list[int]] = {}
    for some in groups:
        major = find_majority(types[some])
        if (types[some] == major).mean() >= PURE:
            code = names.index(major)
            codes[some[types[some] == major]] = code
            thrown.setdefault(code, []).extend(some[types[some] != major].tolist())
    return codes, {code: np.array(images, np.int64) for code, images in thrown.items()}


def main() -> None:
    """Time or judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", metavar="RUN=TRUTH.csv")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--named", type=float, default=0.6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.runs:
        print("| call | median, ms | worst, ms |\n|---|---|---|")
        for name, times in time_regrouping(options.images, options.repeats, options.seed).items():
            print(f"| {name} | {np.median(times):.1f} | {max(times):.1f} |")
        return
    print(
        "| run | proposals → parts | purity | pairs of one type | left | its groups | purity |\n"
        "|---|---|---|---|---|---|---|"
    )
    for pair in options.runs:
        run, _, truth = pair.partition("=")
        print(f"| {' | '.join(judge_run(Path(run), Path(truth), options.named))} |")


if __name__ == "__main__":
    main()
