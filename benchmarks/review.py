"""What a review takes: label accuracy against interactions, beside what else a person could do.

    python benchmarks/review.py --data ../shared/data --weights FILE --cache FOLDER

A simulated engineer (review_engineer.py) works through `discovery.open_review` on runs of four
sets, three seeds each, with one set of defaults; two peers (review_peers.py) label the same
vectors. Without --weights the images are seen by `lite`. Prints tables; --picture draws the curves.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from review_engineer import WAYS, Point
from review_peers import name_clusters, sample_margins
from review_sets import open_set
from review_tables import Curves, draw_curves, tabulate

SETS = ("neu_det", "magnetic_tile", "wm811k", "deeppcb crops")
TARGETS = {"neu_det": 0.98}
TARGET = 0.95


def main() -> None:
    """Measure what is not in the cache yet, print the tables, draw the curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    found: dict[str, Curves] = {}
    for name in options.sets:
        target = TARGETS.get(name, TARGET)
        curves = [measure(name, seed, options, target=target) for seed in options.seeds]
        found[name] = {way: [one[way] for one in curves] for way in curves[0]}
        print(tabulate(name, found[name], target=target), flush=True)
    if options.picture:
        draw_curves(found, {name: TARGETS.get(name, TARGET) for name in found}, options.picture)


def measure(
    name: str, seed: int, options: argparse.Namespace, *, target: float
) -> dict[str, list[Point]]:
    """Return the curve of every way on one run; peers are kept in the cache."""
    opened = open_set(name, seed, data=options.data, weights=options.weights, cache=options.cache)
    curves = {way: opened.play(work, target) for way, work in WAYS}
    kept = opened.run / "peers.json"
    if not kept.exists():
        made = {
            "UMAP + HDBSCAN": name_clusters(opened.vectors, opened.truth, seed=seed),
            "margin sampling": sample_margins(
                opened.vectors, opened.truth, seed=seed, target=target
            ),
        }
        rows = {way: [asdict(point) for point in curve] for way, curve in made.items()}
        kept.write_text(json.dumps(rows), encoding="utf-8")
    rows = json.loads(kept.read_text(encoding="utf-8"))
    return curves | {way: [Point(**row) for row in of] for way, of in rows.items()}


if __name__ == "__main__":
    main()
