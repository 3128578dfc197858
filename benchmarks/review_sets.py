"""The runs that `review.py` reviews: made once a set and seed, and copied for each way."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from image_sets import ASIDE, Images, load_set
from numpy.typing import NDArray
from review_engineer import Engineer, Point, Way

from discovery.flow import RoundOptions, discover_types
from discovery.review import open_review
from discovery.review.advisor import Advisor
from discovery.runs import open_run
from embeddings.extract import ExtractOptions

HEAVY = ("store", "views", "report.html", "peers.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSet:
    """A run and the truth of its images, in the order of its clustering."""

    run: Path
    truth: NDArray[np.str_]
    vectors: NDArray[np.float32]

    def play(self, way: Way, target: float) -> list[Point]:
        """Let a fresh engineer review a copy of the run."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "run"
            shutil.copytree(self.run, copy, ignore=shutil.ignore_patterns(*HEAVY))
            for name in ("store", "views"):
                if (self.run / name).exists():
                    (copy / name).symlink_to(self.run.resolve() / name)
            with open_review(copy, by="engineer") as review:
                engineer = Engineer(review, self.truth, Advisor(review))
                way(engineer, target)
                return engineer.curve


def open_set(name: str, seed: int, *, data: Path, weights: Path | None, cache: Path) -> OpenSet:
    """Make the run of a set with a seed where there is none yet, and read its truth."""
    images = _find_images(name, data)
    kind = "lite" if weights is None else "weights"
    run = cache / f"{kind}-{name.replace(' ', '-')}-{seed}"
    first = cache / f"{kind}-{name.replace(' ', '-')}-0"
    if seed and not run.exists() and first.exists():
        shutil.copytree(first, run, ignore=shutil.ignore_patterns("peers.json"))  # its store
    options = (
        ExtractOptions(extractor="lite")
        if weights is None
        else ExtractOptions(weights=str(weights))
    )
    options = replace(options, boxes=images.boxes)
    discover_types(
        images.source, run, options=RoundOptions(seed=seed, extract=options, thumbnails=0)
    )
    with open_review(run, by="engineer") as review:
        ids, vectors = review.state.ids, review.data.vectors
    listed, truth = load_set(images, open_run(run).path / "store", options=options)
    type_of = dict(zip(listed.ids.tolist(), truth.tolist(), strict=True))
    # An image whose copies disagree about its type has none, and counts as wrong whatever is said.
    known = np.array([type_of.get(one, "no one type") for one in ids.tolist()], dtype=np.str_)
    return OpenSet(run=run, truth=known, vectors=vectors)


def _find_images(name: str, data: Path) -> Images:
    if name == ASIDE:
        boxes = data / "deeppcb" / "boxes.csv"
        return Images(source=boxes, boxes=boxes)
    return Images(source=data / name / "labels.csv")
