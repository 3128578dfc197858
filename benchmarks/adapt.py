"""What `--adapt` is worth: runs that were made with it, grouped as they are seen with and without.

    python benchmarks/adapt.py RUN=TRUTH.csv ...

TRUTH is as for `small_sets.py`. Of each run the default route groups the same images twice, in
the vectors as they are and through what was learned, whether the evidence took it or not. Prints
Markdown: the share of held-out variants that find their image, and ARI, label accuracy, coverage
and decisions, without / with, means of three seeds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from small_sets import cluster, read_types

from discovery.flow.adaptation import ADAPTATION, project_vectors, read_adaptation
from discovery.review.data import ReviewData
from discovery.runs import open_run
from discovery.stages.score import score_clustering
from embeddings.records import Vectors

SEEDS = (0, 1, 2)
FIGURES = ("ari", "label_accuracy", "coverage", "decisions")
HEAD = "| run | views | variants found | taken | ARI | label accuracy | coverage | decisions |"


def judge_run(run: Path, table: Path) -> str:
    """Return the run's row of the table."""
    found = read_adaptation(run / ADAPTATION)
    if found is None:
        raise SystemExit(f"{run} has no {ADAPTATION}: run discovery.cluster --adapt")
    data = ReviewData(open_run(run))
    truth = read_types(data, table)
    plain = [store.load_vectors(data.ids) for store in data.stores]
    seen = [
        project_vectors(view, found.projections[view.spec.hash])
        if view.spec.hash in found.projections
        else view
        for view in plain
    ]
    both = zip(_score(plain, truth), _score(seen, truth), strict=True)
    told = [found.evidence[view.spec.hash] for view in plain if view.spec.hash in found.evidence]
    shares = ", ".join(f"{e.before / e.variants:.3f} / {e.after / e.variants:.3f}" for e in told)
    taken = ", ".join("yes" if one.is_better else "no" for one in told)
    cells = " | ".join(f"{before:.3f} / {after:.3f}" for before, after in both)
    return f"| {run.name} | {len(plain)} | {shares} | {taken} | {cells} |"


def _score(views: Sequence[Vectors], truth: NDArray[np.str_]) -> NDArray[np.float64]:
    scores = [score_clustering(cluster(views, seed=seed), truth) for seed in SEEDS]
    means: NDArray[np.float64] = np.mean([[one[f] for f in FIGURES] for one in scores], axis=0)
    return means


def main() -> None:
    """Print one row a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN=TRUTH.csv")
    print(f"{HEAD}\n{'|---' * HEAD.count(' | ')}|---|")
    for pair in parser.parse_args().runs:
        run, _, truth = pair.partition("=")
        print(judge_run(Path(run), Path(truth)), flush=True)


if __name__ == "__main__":
    main()
