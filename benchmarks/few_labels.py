"""The cascade beside each of its members from few labels: many draws, several sets.

    python benchmarks/few_labels.py --data ../shared/data --cache FOLDER [--weights FILE]

Up to `--images` pictures of each set are described once, into FOLDER, as `discovery.classify train`
describes them (varied copies too); without `--weights` by `lite`. In each draw images of two to
four types are learned and all others answered. A line a set is printed when it is done: accuracy of
the cascade and of each member alone, the difference to the best member's mean, ECE. Draws are
numbered: `--draws 0 2 4` were looked at when the members were chosen, others vouch for them.

tile    magnetic tiles, a defect or none
types   magnetic tiles, two to four types
steel   NEU-DET
wafer   WM-811K
boards  DeepPCB, crops of boxes
scans   drawn SEM scans (`python -m discovery.synthetic`, seed 100), a defect or none
kinds   the same, two to four types
"""

import argparse
import subprocess  # nosec B404 # the project's own command, without a shell
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from discovery.classifier.augment import AugmentOptions
from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.describe import DescribeOptions, describe_images
from discovery.classifier.evaluation import score_predictions
from discovery.classifier.examples import Examples, read_examples
from discovery.classifier.features import open_feature_source
from embeddings.extract import ExtractOptions
from embeddings.files import hash_file
from embeddings.reader import read_parts

LABELS = (60, 100, 200, 300)
SETS = {
    "tile": ("magnetic_tile", True), "types": ("magnetic_tile", False), "steel": ("neu_det", False),
    "wafer": ("wm811k", False), "boards": ("deeppcb", False), "scans": ("synthetic", True),
    "kinds": ("synthetic", False),
}  # fmt: skip
NORMAL = ("MT_Free", "no_defect")
LEAST_TESTED, LEAST_OF_A_TYPE = 60, 15
VARIED, FEW = 8, 300  # as training has them
CROPS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A set's rows (n, copies, d), their blocks, how many copies are orientations, labels."""

    rows: NDArray[np.float32]
    blocks: tuple[int, ...]
    orientations: int
    labels: NDArray[np.str_]


class Bench:
    """One run: its options, and the set that was described last."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        weights = options.weights
        self.name = "lite" if weights is None else hash_file(weights)[:8]
        self.extract = (
            ExtractOptions(extractor="lite")
            if weights is None
            else ExtractOptions(weights=str(weights))
        )

    def open(self, source: str) -> Described:
        """Describe a set, or take it from the cache."""
        cache = self.options.cache / f"{source}-{self.name}-{self.options.images}.npz"
        if not cache.is_file():
            self._describe(self._read(source), cache)
        kept = np.load(cache)
        return Described(
            rows=kept["rows"].astype(np.float32),
            blocks=tuple(kept["blocks"].tolist()),
            orientations=int(kept["orientations"]),
            labels=kept["labels"],
        )

    def _read(self, source: str) -> Examples:
        table = self.options.data / source / "labels.csv"
        if source == "synthetic":
            table = self.options.cache / "scans" / "truth.csv"
            if not table.is_file():
                words = [str(table.parent), "--n", str(self.options.images), "--seed", "100"]
                subprocess.run([sys.executable, "-m", "discovery.synthetic", *words], check=True)  # nosec B603 # this Python, words of this file
        elif source == "deeppcb":
            table = cut_crops(self.options.data / source, self.options.cache / "boards")
        examples = read_examples(table)
        order = np.random.default_rng(0).permutation(len(examples))
        return examples.take(np.sort(order[: self.options.images]))

    def _describe(self, examples: Examples, cache: Path) -> None:
        source = open_feature_source(examples.parts, {}, options=self.extract, ignore=True)
        described = describe_images(
            read_parts(examples.parts, source.prepare(self.extract)),
            source.extractor,
            options=DescribeOptions(augment=AugmentOptions(copies=VARIED)),
            total=len(examples),
        )
        place = {part.image_id: i for i, part in enumerate(examples.parts)}
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            cache,
            rows=described.rows.astype(np.float16),
            blocks=described.blocks,
            orientations=described.n_orientations,
            labels=examples.labels[[place[name] for name in described.ids.tolist()]],
        )


def cut_crops(source: Path, folder: Path) -> Path:
    """Cut a square around each of some boxes, and write their labels."""
    table = folder / "labels.csv"
    if not table.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        boxes = pd.read_csv(source / "boxes.csv").sample(CROPS, random_state=0)
        rows = []
        for number, box in enumerate(boxes.itertuples()):
            with Image.open(source / box.path) as image:
                side = max(48, round(1.5 * max(box.xmax - box.xmin, box.ymax - box.ymin)))
                left = min(max(0, (box.xmin + box.xmax - side) // 2), image.width - side)
                top = min(max(0, (box.ymin + box.ymax - side) // 2), image.height - side)
                image.crop((left, top, left + side, top + side)).save(folder / f"{number:04}.png")
            rows.append((f"{number:04}.png", box.label))
        pd.DataFrame(rows, columns=["path", "label"]).to_csv(table, index=False)
    return table


def draw_images(
    labels: NDArray[np.str_], n: int, *, is_binary: bool, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.str_]] | None:
    """Draw n images to learn; return them, all others, and the labels; None of too few."""
    if is_binary:
        shown = np.where(np.isin(labels, NORMAL), "no_defect", "defect")
        inside = np.arange(len(labels))
    else:
        names, counts = np.unique(labels, return_counts=True)
        usual = names[counts >= LEAST_OF_A_TYPE]
        shown = labels
        chosen = rng.choice(usual, min(int(rng.integers(2, 5)), len(usual)), replace=False)
        inside = np.flatnonzero(np.isin(labels, chosen))
    order = rng.permutation(inside)
    if len(order) < n + LEAST_TESTED:
        return None
    return np.sort(order[:n]), np.sort(order[n:]), shown


def score_draw(images: Described, n: int, draw: int, *, is_binary: bool) -> dict[str, Any] | None:
    """Train as the command does from n labels, and score all members on the others."""
    rng = np.random.default_rng([draw, n])
    drawn = draw_images(images.labels, n, is_binary=is_binary, rng=rng)
    if drawn is None or len(np.unique(drawn[2][drawn[0]])) < 2:
        return None
    train, test, labels = drawn
    known = np.isin(labels[test], labels[train])  # a rare type may not be among those learned
    test = test[known]
    varied = len(train) < FEW
    rows = images.rows[train] if varied else images.rows[train][:, : images.orientations]
    cascade = CascadeClassifier(
        blocks=images.blocks if len(images.blocks) > 1 else None, n_eval_views=images.orientations
    ).fit(rows, labels[train])
    asked = images.rows[test][:, : images.orientations]
    answers = cascade.answer(asked, np.arange(len(test)).astype(np.str_))
    scores = score_predictions(answers, labels[test])
    alone = {
        name: float((cascade.predict_alone(asked, name) == labels[test]).mean())
        for name in cascade.members_
    }
    kept = {name: one.weight > 0 for name, one in cascade.calibration_.flat.members.items()}
    return {"cascade": scores["accuracy"], **alone, "ece": scores["ece"], "kept": kept}


def run_set(bench: Bench, name: str) -> Iterator[str]:
    """Draw after draw of one set; a line a number of labels, and their mean."""
    source, is_binary = SETS[name]
    images = bench.open(source)
    every: list[dict[str, Any]] = []
    for n in LABELS:
        found = [score_draw(images, n, draw, is_binary=is_binary) for draw in bench.options.draws]
        scored = [one for one in found if one is not None]
        every += scored
        if scored:
            yield write_line(f"{name}, {n}", scored)
    if every:
        yield write_line(f"**{name}**", every)


def write_line(name: str, found: list[dict[str, Any]]) -> str:
    """Write the means of some draws as a row of the table."""
    members = [key for key in found[0] if key not in ("cascade", "ece", "kept")]
    means = {key: float(np.mean([one[key] for one in found])) for key in ("cascade", *members)}
    difference = means["cascade"] - max(means[key] for key in members)
    left_out = sum(not kept for one in found for kept in one["kept"].values())
    cells = [f"{means[key]:.3f}" for key in ("cascade", *members)]
    ece = float(np.mean([one["ece"] for one in found]))
    return (
        f"| {name} | {len(found)} | {' | '.join(cells)} | {difference:+.3f} | {ece:.3f} | "
        f"{left_out} |"
    )


def main() -> None:
    """Run the sets that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--draws", type=int, nargs="*", default=list(range(10)))
    parser.add_argument("--only", choices=SETS, nargs="*", default=list(SETS))
    bench = Bench(parser.parse_args())
    print(
        "| set, labels | draws | cascade | fused | deep | linear | to the best | ECE | left out |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in bench.options.only:
        for line in run_set(bench, name):
            print(line, flush=True)


if __name__ == "__main__":
    main()
