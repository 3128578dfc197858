"""What becomes of a set of which only few images are at hand: draws of runs, clustered anew.

    python benchmarks/small_sets.py RUN=TRUTH.csv ... [--draws 24] [--seed 17] [--tiny]

Each draw has 60 to 250 images (`--tiny`: 20 to 60) of four to six types (two to four) in uneven
shares, of the vectors that the run has already, and goes through the default route. Held against
the run's own groups of the whole set: label accuracy as a share of the whole's, coverage, decisions
a type, and which types of 20 images and more that the whole finds are found. TRUTH has path and
label; with xmin, ymin, xmax, ymax its rows are the crops of a run made with --boxes. Prints
Markdown, means over the draws.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from regroup import find_majority
from regroup import read_types as read_types_by_path

from discovery.flow.route import find_lasting_groups
from discovery.flow.space import fit_space
from discovery.records import number_by_size
from discovery.review.data import ReviewData
from discovery.runs import open_run
from discovery.stages.score import score_clustering
from embeddings.extract import ExtractOptions
from embeddings.extract.recipe import make_recipe
from embeddings.records import Vectors
from embeddings.tables.locate import resolve_path

FEWEST_COUNTED = 20  # images of a type that is asked for
FEWEST_DRAWN = 8  # of a type that is drawn at all
HEAD = "| run | label accuracy of all | share of it | coverage | decisions a type | types | ARI |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How small sets are drawn: their sizes, numbers of types, and how even the shares are."""

    sizes: tuple[int, ...] = (60, 100, 150, 200, 250)
    types: tuple[int, int] = (4, 6)
    evenness: float = 2.0

    def draw(self, truth: NDArray[np.str_], count: int, seed: int) -> Iterator[NDArray[np.intp]]:
        """Yield the places of the images of each draw, in their order."""
        rng = np.random.default_rng(seed)
        names = np.unique(truth)
        for _ in range(count):
            size = int(rng.choice(self.sizes))
            wanted = int(min(len(names), rng.integers(self.types[0], self.types[1] + 1)))
            chosen = rng.choice(names, wanted, replace=False)
            shares = rng.dirichlet(np.full(wanted, self.evenness))
            parts = []
            for name, share in zip(chosen, shares, strict=True):
                places = np.flatnonzero(truth == name)
                of = min(len(places), max(FEWEST_DRAWN, round(share * size)))
                parts.append(rng.choice(places, of, replace=False))
            yield np.sort(np.concatenate(parts))


TINY = Draws(sizes=(20, 30, 40, 60), types=(2, 4), evenness=3.0)


def judge_run(run: Path, table: Path, draws: Draws, *, count: int, seed: int) -> str:
    """Draw small sets of a run, cluster each, and return the run's row of the table."""
    data = ReviewData(open_run(run))
    truth = read_types(data, table)
    whole = data.clustering.labels
    accuracy = score_clustering(whole, truth)["label_accuracy"]
    known = find_types(whole, truth)
    rows = []
    for places in draws.draw(truth, count, seed):
        labels, types = cluster(take(data.views, places)), truth[places]
        score = score_clustering(labels, types)
        names, sizes = np.unique(types, return_counts=True)
        asked = known & set(names[sizes >= FEWEST_COUNTED].tolist())
        found = len(asked & find_types(labels, types)) / len(asked) if asked else np.nan
        rows.append(
            (
                score["label_accuracy"] / accuracy,
                score["coverage"],
                score["decisions"] / len(names),
                found,
                score["ari"],
            )
        )
    cells = [f"{mean:.3f}" for mean in np.nanmean(np.array(rows), axis=0)]
    return f"| {run.name} | {accuracy:.3f} | {' | '.join(cells)} |"


def cluster(views: Sequence[Vectors], *, seed: int = 0) -> NDArray[np.int32]:
    """Return the groups that the default route finds, (n,)."""
    rows = fit_space(views, seed=seed).rows
    return number_by_size(find_lasting_groups(rows, seed=seed).labels_)


def take(views: Sequence[Vectors], places: NDArray[np.intp]) -> list[Vectors]:
    """Return the views of some of the images."""
    return [
        replace(view, ids=view.ids[places], values=view.values[places], rows=view.rows.iloc[places])
        for view in views
    ]


def find_types(labels: NDArray[np.int32], truth: NDArray[np.str_]) -> set[str]:
    """Return the types that are the majority of a group."""
    return {find_majority(truth[labels == label]) for label in np.unique(labels[labels >= 0])}


def read_types(data: ReviewData, table: Path) -> NDArray[np.str_]:
    """Return the true type of each image of a run, by its path, or by its box."""
    truth = pd.read_csv(table)
    if "xmin" not in truth:
        return read_types_by_path(data, table)
    truth["path"] = [str(resolve_path(path, table.parent).resolve()) for path in truth["path"]]
    recipe = make_recipe(ExtractOptions(boxes=table))
    files = {image_id[:16]: paths[0] for image_id, paths in zip(data.ids, data.paths, strict=True)}
    file_of = {str(Path(path).resolve()): name for name, path in files.items()}
    of_crop: dict[str, str] = {}
    for path, labels in truth.groupby("path")["label"]:
        crops = recipe.crop_ids(str(path), file_of[str(path)])
        of_crop.update(zip(crops, labels, strict=True))
    return np.array([of_crop[image_id] for image_id in data.ids.tolist()])


def main() -> None:
    """Print one row a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN=TRUTH.csv")
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--tiny", action="store_true", help="20 to 60 images")
    options = parser.parse_args()
    print(f"{HEAD}\n{'|---' * HEAD.count(' | ')}|---|")
    for pair in options.runs:
        run, _, truth = pair.partition("=")
        draws = TINY if options.tiny else Draws()
        print(
            judge_run(Path(run), Path(truth), draws, count=options.draws, seed=options.seed),
            flush=True,
        )


if __name__ == "__main__":
    main()
