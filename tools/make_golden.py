"""Make what the present version writes, for tests/golden: small, and read by every later version.

    python tools/make_golden.py tests/golden/version_NAME --root /data

The pictures are those of tests/golden/version_0_1, as `ROOT/lot1` and `ROOT/lot2`, and are not
kept a second time. ROOT must not exist: its paths stand in what is made.
"""

import argparse
import json
import os
import shutil
import subprocess  # nosec B404 # commands of this project, without a shell
import sys
from pathlib import Path

import torch

from discovery import open_review
from discovery.detector.boxes import Boxes
from discovery.detector.model import MODEL_JSON, save_detector
from discovery.detector.network import build_detector
from discovery.detector.options import DetectorTrainOptions
from discovery.detector.predict import Detector
from discovery.detector.presentation import Presentation
from discovery.detector.spec import choose_spec

FIRST = Path(__file__).resolve().parents[1] / "tests/golden/version_0_1"
# What is kept; the rest is drawn anew, or too large.
KEPT = (
    "run", "handoff", "model", "assigned.csv", "predictions.csv", "evaluation.json", "metrics.json",
    "search.txt", "detector.json", "detector_tensors.json",
)  # fmt: skip
DROPPED = ("report.html", "types.xlsx", ".defect-discovery.lock", "lock")
TYPES = 3


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    options = parser.parse_args()
    root = options.root
    root.mkdir(parents=True)
    try:
        lay_out(root)
        make(root)
        make_detector(root)
        options.out.mkdir(parents=True)
        for name in KEPT:
            if (root / name).is_dir():
                dropped = shutil.ignore_patterns(*DROPPED)
                shutil.copytree(root / name, options.out / name, ignore=dropped)
            else:
                shutil.copy(root / name, options.out / name)
    finally:
        shutil.rmtree(root)


def lay_out(root: Path) -> None:
    """Put the pictures and the tables of version 0.1 in their places."""
    for number in (1, 2):
        shutil.copytree(FIRST / f"images{number}", root / f"lot{number}")
    shutil.copy(FIRST / "metadata.csv", root / "metadata.csv")
    for name, number in (("truth.csv", 1), ("truth2.csv", 2)):
        text = (FIRST / name).read_text(encoding="utf-8")
        (root / name).write_text(text.replace(f"images{number}/", f"lot{number}/"), "utf-8")


def make(root: Path) -> None:
    """Run every command that writes something that another one reads."""
    cluster = ["discovery.cluster", "lot1", "--out", "run", "--extractor", "texture",
               "--metadata", "metadata.csv"]  # fmt: skip
    run(root, *cluster)
    with open_review(root / "run", by="root") as review:
        for proposal in review.state.proposals[:TYPES]:
            kind = Path(review.data.paths[int(proposal.images[0])][0]).name.partition("_")[0]
            review.accept(proposal.proposal_id, f"defect/{kind}", shown=proposal.images)
    run(root, *cluster)
    run(root, "discovery.evaluate", "run", "truth.csv", "--out", "metrics.json")
    run(root, "discovery.handoff", "run", "--out", "handoff")
    run(root, "discovery.assign", "run", "lot2", "--out", "assigned.csv")
    run(root, "discovery.classify", "train", "truth.csv", "--out", "model",
        "--extractor", "texture")  # fmt: skip
    run(root, "discovery.classify", "predict", "model", "lot2", "--out", "predictions.csv")
    run(root, "discovery.classify", "evaluate", "model", "truth2.csv", "--out", "evaluation.json")
    found = run(root, "embeddings.search", "run/store", "lot2/blob_00.png", "-k", "5")
    (root / "search.txt").write_text(found, encoding="utf-8")


def make_detector(root: Path) -> None:
    """Keep what describes a detector; its tensors are too large."""
    spec = choose_spec(
        [Boxes.make([(0, 0, 6, 6)], [0])], [(48, 48)], labels=["pit"], norm="group",
        has_reference=False, how=Presentation(windows={"uint8": (0.0, 255.0)}),
        options=DetectorTrainOptions(),
    )  # fmt: skip
    network = build_detector(spec)
    detector = Detector(
        spec=spec, network=network, device=torch.device("cpu"), threshold=0.5, overlap=0.25,
        facts={"seed": 0},
    )  # fmt: skip
    save_detector(detector, root / "detector")
    shutil.copy(root / "detector" / MODEL_JSON, root / "detector.json")
    shapes = {
        name: [str(value.dtype).removeprefix("torch."), *value.shape]
        for name, value in network.state_dict().items()
    }
    text = json.dumps(shapes, indent=1) + "\n"
    (root / "detector_tensors.json").write_text(text, encoding="utf-8")


def run(root: Path, module: str, *words: str) -> str:
    """Run a command in the root, at one thread, and return what it printed."""
    here = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(  # nosec B603 # this Python, words of this file
        [sys.executable, "-m", module, *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": here, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    main()
