"""How often `discovery.assign` raises its alarm: each type in turn is withheld, then arrives.

    python benchmarks/alarm.py --data ../shared/data --weights FILE --stores FOLDER

Of each set 60 % of the images of the other types are clustered; the lot is the rest of them and up
to 60 images of the withheld type. Counted are the types that raise an alarm (a group most of which
is of the type), the images in these groups, and groups of other images; last a lot without anything
new. Stores are those of benchmarks/quality.py, which must have run before. Prints Markdown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from quality_sets import GIVEN_NORMALS, GIVEN_REFERENCES, Case, find_cases

from discovery.clusterers.auto import AutoOptions
from discovery.flow.alarm import LookAlikeGroup, find_new_groups
from discovery.flow.route import partition_vectors
from discovery.flow.settings import describe_graph
from discovery.flow.space import Space, fit_space, join_views
from discovery.graph import choose_n_neighbors
from discovery.graph.neighbours import find_neighbours
from discovery.records import Clustering
from discovery.runs import open_run
from discovery.stages.place import (
    NAMED,
    UNKNOWN,
    Fitted,
    NeighborVotes,
    PlaceOptions,
    answer_rows,
    calibrate_limits,
    measure_cluster_distances,
)
from embeddings.records import Vectors
from embeddings.store import open_store

NORMAL = {"MT_Free", "no_defect"}  # no type that could be new
FITTED, MOST = 0.6, 60


def load_views(case: Case) -> tuple[list[Vectors], NDArray[np.str_]]:
    """Load the views that the default round took, and the true types."""
    run = open_run(case.place(case.options(), "run"))
    stores = [Path(run.store["path"]), *(Path(one["path"]) for one in run.store.get("others", ()))]
    types = case.types
    ids = [i for i in open_store(stores[0]).ids().tolist() if i in types]
    views = [open_store(path).load_vectors(ids) for path in stores]
    return views, np.array([types[i] for i in ids])


def fit_views(views: Sequence[Vectors], seed: int) -> tuple[Space, Clustering]:
    """Cluster images by the default route; return their space too."""
    space = fit_space(views, seed=seed)
    graph = find_neighbours(space.rows, describe_graph(len(space.rows))["k"], seed=seed)
    found = partition_vectors(views[0], space.rows, graph, choice=AutoOptions(), seed=seed)
    return space, found.clustering


def raise_alarm(
    fit: Sequence[Vectors], lot: Sequence[Vectors], seed: int
) -> tuple[LookAlikeGroup, ...]:
    """Cluster one part, place the other, and look for new groups, as `assign_images` does."""
    space, clustering = fit_views(fit, seed)
    fitted = Fitted.of(clustering, space.rows, full_vectors=join_views(fit))
    votes = NeighborVotes(fitted, n_neighbors=choose_n_neighbors(len(fitted)) - 1)
    limits = calibrate_limits(fitted, votes, options=PlaceOptions())
    placed = answer_rows(space.place(lot), join_views(lot), votes=votes, limits=limits)
    return find_new_groups(
        lot,
        np.flatnonzero(placed.verdicts != NAMED),
        placed.verdicts == UNKNOWN,
        nearest=measure_cluster_distances(join_views(lot), fitted).min(axis=1),
        sibling_distance=float(limits.reaches.mean()),
        seed=seed,
    )


def withhold(
    views: Sequence[Vectors], types: NDArray[np.str_], hidden: str, seed: int
) -> tuple[int, int, int, int]:
    """Return 1 for an alarm, images in its groups, images that came, groups of others."""
    rng = np.random.default_rng(seed)
    known = rng.permutation(np.flatnonzero(types != hidden))
    new = rng.permutation(np.flatnonzero(types == hidden))[:MOST]
    cut = round(FITTED * len(known))
    lot = np.sort(np.concatenate([known[cut:], new]))
    fit = [view.take(np.sort(known[:cut])) for view in views]
    groups = raise_alarm(fit, [view.take(lot) for view in views], seed)
    inside = [types[lot][group.positions] == hidden for group in groups]
    hits = [one for one in inside if one.mean() > 0.5]
    return int(bool(hits)), sum(int(one.sum()) for one in hits), len(new), len(groups) - len(hits)


def main() -> None:
    """Measure every set and print one row each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--stores", type=Path, required=True)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    options = parser.parse_args()
    cases = find_cases(options.data, options.stores, str(options.weights))
    print("| set | alarms | images in them | groups of others | alarms with nothing new |")
    print("|---|---|---|---|---|")
    for name, case in cases.items():
        if name in (GIVEN_NORMALS, GIVEN_REFERENCES):
            continue
        views, types = load_views(case)
        hidden = [one for one in sorted(set(types.tolist())) if one not in NORMAL]
        rows = [withhold(views, types, one, seed) for one in hidden for seed in options.seeds]
        alarms, seen, came, others = np.array(rows).sum(axis=0).tolist()
        none = sum(withhold(views, types, "", seed)[3] for seed in options.seeds)
        print(
            f"| {name} | {alarms} of {len(rows)} | {seen} of {came} | {others} | "
            f"{none} in {len(options.seeds)} lots |",
            flush=True,
        )


if __name__ == "__main__":
    main()
