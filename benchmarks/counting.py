"""Counting: what a detector trained on this machine reaches, as `discovery.detect` trains it.

`python benchmarks/counting.py synthetic --minutes 60` trains on 600 synthetic images (seed 0) and
scores on others: 300 of another seed, and 240 with up to 12 defects each, where as many pictures
have 12 as have 1. `--weights FILE` starts from these, `--weights none` from nothing. `deeppcb`
trains on three quarters of ../shared/data/deeppcb with its golden references and scores on the
rest. Models and tables go into --work; `--model FOLDER` scores a model that is there already.
Results are kept in benchmarks/results/counting.txt.
"""

import argparse
import json
import platform
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from discovery.synthetic import Picture, plan_pictures
from discovery.synthetic.folder import write_folder

ROOT = Path(__file__).resolve().parent.parent
DEEPPCB = ROOT.parent / "shared" / "data" / "deeppcb"
# Types of which a picture may hold 12 without covering itself; counts as discovery.synthetic
# allows them at most for the others.
MOST = {"particle_small": 12, "void": 4, "bridge": 3, "particle_large": 2}


@dataclass(frozen=True, kw_only=True)
class Set:
    """Boxes, and the list of all pictures."""

    name: str
    boxes: Path
    images: Path


def make_synthetic(work: Path) -> tuple[Set, list[Set]]:
    """Write the pictures to learn from and the two sets to score on."""
    crowded = [crowd(picture, number) for number, picture in enumerate(choose_crowded(240))]
    plans: dict[str, tuple[Sequence[Picture], int]] = {
        "600 to learn from": (plan_pictures(600, seed=0), 0),
        "300 as the demo's": (plan_pictures(300, seed=1), 1),
        "240 crowded, 1-12 each": (crowded, 2),
    }
    sets = []
    for name, (pictures, seed) in plans.items():
        folder = work / f"synthetic-{seed}"
        if not (folder / "truth.csv").exists():
            write_folder(pictures, folder, seed=seed)
        sets.append(Set(name=name, boxes=folder / "boxes.csv", images=folder / "images"))
    return sets[0], sets[1:]


def choose_crowded(n: int) -> list[Picture]:
    """Plan pictures of the types that come in numbers."""
    pictures = [picture for picture in plan_pictures(4 * n, seed=2) if picture.label in MOST]
    return [replace(picture, index=number) for number, picture in enumerate(pictures[:n])]


def crowd(picture: Picture, number: int) -> Picture:
    """Give a picture as many defects as its turn says, 12 at most."""
    return replace(picture, count=number % MOST[picture.label] + 1)


def make_deeppcb(work: Path) -> tuple[Set, list[Set]]:
    """Write tables of three quarters of the pairs and of the rest, by every fourth path."""
    pairs = pd.read_csv(DEEPPCB / "labels.csv").sort_values("path").reset_index(drop=True)
    boxes = pd.read_csv(DEEPPCB / "boxes.csv")
    sets = []
    for name, mask in (("learnt", pairs.index % 4 != 0), ("scored", pairs.index % 4 == 0)):
        part = pairs[mask]
        mine = boxes[boxes["path"].isin(part["path"])]
        tables = work / f"{name}-boxes.csv", work / f"{name}-images.csv"
        prefix = f"{DEEPPCB}/"
        mine.assign(path=prefix + mine["path"]).to_csv(tables[0], index=False)
        listed = {"path": prefix + part["path"], "reference": prefix + part["template"]}
        pd.DataFrame(listed).to_csv(tables[1], index=False)
        sets.append(Set(name=f"{len(part)} {name}", boxes=tables[0], images=tables[1]))
    return sets[0], sets[1:]


def detect(*words: object) -> float:
    """Run the command; returns minutes."""
    start = time.monotonic()
    command = [sys.executable, "-m", "discovery.detect", *map(str, words)]
    print("$ python", *command[1:], flush=True)
    subprocess.run(command, cwd=ROOT, check=True)  # nosec B603 # this Python, words of this file
    return (time.monotonic() - start) / 60


def score(model: Path, some: Set, work: Path) -> dict[str, Any]:
    """Score a model on a set."""
    out = work / "metrics.json"
    detect("evaluate", model, some.boxes, "--images", some.images, "--out", out)
    scores: dict[str, Any] = json.loads(out.read_text())
    return scores


def print_table(rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Print a line a set, and the count error by the true count."""
    columns = ("images", "boxes", "AP50", "any type", "AP", "MAE", "exact")
    print("\n" + " " * 26 + "".join(f"{column:>9}" for column in columns))
    for name, scores in rows:
        print(
            f"{name:<26}{scores['images']:>9}{scores['boxes']:>9}{scores['ap50']:>9.3f}"
            f"{scores['ap50_any_type']:>9.3f}{scores['ap']:>9.3f}{scores['count_mae']:>9.3f}"
            f"{scores['count_exact']:>9.1%}"
        )
        errors = scores["count_mae_by_true_count"].items()
        print(
            "  count error by true count: " + ", ".join(f"{k}: {v['mae']:.2f}" for k, v in errors)
        )
        precisions = scores["ap50_by_label"].items()
        told = ", ".join(f"{k} {v:.2f}" for k, v in precisions if v is not None)
        print(f"  AP50 by type: {told}")


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=("synthetic", "deeppcb"))
    parser.add_argument("--weights", default="none")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--model", type=Path, help="score this one, train none")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="counting-"))
    work.mkdir(parents=True, exist_ok=True)
    learnt, scored = (make_synthetic if options.job == "synthetic" else make_deeppcb)(work)
    model, minutes = options.model, 0.0
    if model is None:
        model = work / f"model-{options.job}-{Path(options.weights).stem}"
        minutes = detect(
            "train", learnt.boxes, "--images", learnt.images, "--out", model, "--weights",
            options.weights, "--max-minutes", options.minutes, "--epochs", 200, "--holdout", 0.1,
            "--batch-size", options.batch_size,
        )  # fmt: skip
    rows = [(some.name, score(model, some, work)) for some in scored]
    print(
        f"\n{options.job}, weights {Path(options.weights).name}, {minutes:.0f} minutes of training;"
        f" {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    print_table(rows)


if __name__ == "__main__":
    main()
