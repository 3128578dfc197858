"""Whether `discovery.assign` says of new images what clustering them would have said.

    python benchmarks/assign.py --data ../shared/data --weights FILE --stores FOLDER

Two questions a set. *Copies*: the images of the run, encoded again (JPEG 95, wafer maps as PNG),
are placed in the run's clusters as if they were new; how many come to the cluster of their
original? *Refit*: a fifth of the images is held out, placed in the clusters of the others, and
clustered with them; clusters of the two are matched by the images that both fits have seen. Counted
are images that are in a cluster by both (outside noise). Stores and runs are those of
benchmarks/quality.py, which must have run before. Prints Markdown.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from alarm import fit_views, load_views
from image_sets import ASIDE
from numpy.typing import NDArray
from PIL import Image
from quality_sets import GIVEN_NORMALS, GIVEN_REFERENCES, Case, find_cases

from discovery.flow.assignment import assign_images
from discovery.flow.new_images import AssignOptions
from discovery.flow.space import join_views
from discovery.graph import choose_n_neighbors
from discovery.runs import open_run
from discovery.stages.place import NAMED, Fitted, NeighborVotes, answer_rows, calibrate_limits
from embeddings.images import is_wafer_map
from embeddings.records import Vectors

HELD_OUT = 0.2


def compare_copies(case: Case, weights: str) -> tuple[float, float]:
    """Return the share of copies in a cluster, and the share of these in the right one."""
    run = open_run(case.place(case.options(), "run"))
    clustering, layout = run.load_clustering(), run.load_layout()
    with tempfile.TemporaryDirectory() as folder:
        for i, paths in enumerate(layout.paths):
            with Image.open(paths[0]) as opened:
                if is_wafer_map(np.asarray(opened)):
                    # Other bytes, so that no content is known again.
                    opened.save(Path(folder) / f"{i:05d}.png", compress_level=1)
                else:
                    opened.convert("L").save(Path(folder) / f"{i:05d}.jpg", quality=95)
        found = assign_images(run, Path(folder), options=AssignOptions(weights=weights))
    own = np.array([int(Path(paths[0]).stem) for paths in found.paths])
    both = (found.placement.cluster_ids >= 0) & (clustering.labels[own] >= 0)
    right = found.placement.cluster_ids[both] == clustering.labels[own][both]
    return float(both.sum() / (clustering.labels[own] >= 0).sum()), float(right.mean())


def compare_refit(views: list[Vectors], seed: int) -> tuple[float, float, float]:
    """Return the held-out images in a cluster by both, what agrees of them, and of the others.

    The last is of images that both fits have seen: no placing can be expected to do better.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(views[0]))
    cut = round(HELD_OUT * len(order))
    out, kept = np.sort(order[:cut]), np.sort(order[cut:])
    space, clustering = fit_views([view.take(kept) for view in views], seed)
    _, whole = fit_views(views, seed)
    vectors = join_views(views)
    fitted = Fitted.of(clustering, space.rows, full_vectors=vectors[kept])
    lot = [view.take(out) for view in views]
    votes = NeighborVotes(fitted, n_neighbors=choose_n_neighbors(len(kept)) - 1)
    limits = calibrate_limits(fitted, votes)
    placed = answer_rows(space.place(lot), vectors[out], votes=votes, limits=limits)
    name_of = _match(whole.labels[kept], clustering.labels)
    again = name_of[whole.labels[out]]
    seen = (clustering.labels >= 0) & (whole.labels[kept] >= 0)
    stays = clustering.labels[seen] == name_of[whole.labels[kept][seen]]
    both = (placed.verdicts == NAMED) & (whole.labels[out] >= 0)
    agrees = placed.cluster_ids[both] == again[both]
    return float(both.mean()), float(agrees.mean()), float(stays.mean())


def _match(refit: NDArray[np.int32], fit: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return for each cluster of the refit the one of the fit with most of its images."""
    shared = np.zeros((int(refit.max()) + 1, int(fit.max()) + 1), np.int64)
    both = (refit >= 0) & (fit >= 0)
    np.add.at(shared, (refit[both], fit[both]), 1)
    matched: NDArray[np.int64] = shared.argmax(axis=1)
    return matched


def main() -> None:
    """Measure every set and print one row each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--stores", type=Path, required=True)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    cases = find_cases(options.data, options.stores, str(options.weights))
    heads = (
        "set", "copies in a cluster", "of these rightly", "held out, by both", "as the refit",
        "images of both fits alike",
    )  # fmt: skip
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, case in cases.items():
        if name in (GIVEN_NORMALS, GIVEN_REFERENCES):
            continue
        # Crops would need boxes of the copies.
        copies = (np.nan, np.nan) if name == ASIDE else compare_copies(case, str(options.weights))
        views, _ = load_views(case)
        refit = np.mean([compare_refit(views, seed) for seed in options.seeds], axis=0)
        cells = ["" if np.isnan(one) else f"{one:.3f}" for one in (*copies, *refit)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
