"""The loop, played: how many images of a new type pass before it is proposed as one.

    python benchmarks/loop.py --data ../shared/data --weights FILE --cache FOLDER

A classifier is trained on the first lots, which hold every type but one. In the lots after them
one image in ten is of the new type. After each lot, all that the classifier has called unknown or
undecided so far goes to discovery (`--only`), and nothing else; the type counts as proposed once
a proposal is of it by majority. The figure is how many of its images have passed by then; beside
it, how many images were sent back in all. Each type takes its turn as the new one.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.classifier.examples import Examples, read_examples
from discovery.classifier.options import TrainOptions
from discovery.classifier.predict import predict_images
from discovery.classifier.train import train_classifier
from discovery.flow import RoundOptions, discover_types
from embeddings.errors import InputError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.store import store_exists

SETS = ("neu_det", "magnetic_tile")
LABELLED = 30  # images a known type in the first lots, or half of a rarer one
LOT, NEW_A_LOT = 40, 4  # images a lot, and how many of them are of the new type


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How one type fared as the new one; `passed` is None where it was never proposed."""

    label: str
    passed: int | None
    of: int
    sent_back: int
    refused_known: float


def main() -> None:
    """Play every type of every set and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    options = parser.parse_args()
    extract = ExtractOptions(weights=str(options.weights))
    for name in options.sets:
        table = options.data / name / "labels.csv"
        store = options.cache / f"{name}-store"
        if not store_exists(store):
            extract_vectors(table, store, options=extract)
        print(f"### {name}\n")
        print("| new type | its images that passed | of | sent back to discovery | known refused |")
        print("|---|---|---|---|---|", flush=True)
        examples = read_examples(table)
        for label in np.unique(examples.labels).tolist():
            played = play_type(examples, label, store=store, work=options.cache, extract=extract)
            passed = "never" if played.passed is None else str(played.passed)
            print(
                f"| {label} | {passed} | {played.of} | {played.sent_back} | "
                f"{played.refused_known:.1%} |",
                flush=True,
            )
        print()


def play_type(
    examples: Examples, label: str, *, store: Path, work: Path, extract: ExtractOptions
) -> Played:
    """Train without a type, let lots pass, and count until it is proposed."""
    rng = np.random.default_rng(0)
    train, lots = divide(examples.labels, label, rng)
    model = train_classifier(examples.take(train), options=TrainOptions(extract=extract))
    truth: dict[str, str] = {}
    open_ids: list[str] = []
    passed: int | None = None
    for lot in lots:
        now = examples.take(lot)
        said = predict_images(model, now.parts, keep_rows=False).predictions
        ids = [part.image_id for part in now.parts]
        truth |= dict(zip(ids, now.labels.tolist(), strict=True))
        open_ids += said.ids[said.verdicts != "named"].tolist()
        if label in set(propose_majorities(open_ids, truth, store=store, work=work)):
            passed = sum(one == label for one in truth.values())
            break
    known = [name for name, one in truth.items() if one != label]
    back = set(open_ids)
    return Played(
        label=label,
        passed=passed,
        of=int((examples.labels == label).sum()),
        sent_back=len(back),
        refused_known=float(np.mean([name in back for name in known])),
    )


def divide(
    labels: NDArray[np.str_], new: str, rng: np.random.Generator
) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """Return the labelled images of the known types, and the lots that come after them."""
    train, rest = [], []
    for label in np.unique(labels).tolist():
        members = rng.permutation(np.flatnonzero(labels == label))
        count = 0 if label == new else min(LABELLED, len(members) // 2)
        train.append(members[:count])
        if label != new:
            rest.append(members[count:])
    known = rng.permutation(np.concatenate(rest))
    strange = rng.permutation(np.flatnonzero(labels == new))
    count = min(len(strange) // NEW_A_LOT, len(known) // (LOT - NEW_A_LOT))
    lots = [
        np.concatenate(
            [
                strange[i * NEW_A_LOT : (i + 1) * NEW_A_LOT],
                known[i * (LOT - NEW_A_LOT) : (i + 1) * (LOT - NEW_A_LOT)],
            ]
        )
        for i in range(count)
    ]
    return np.sort(np.concatenate(train)), lots


def propose_majorities(
    ids: list[str], truth: dict[str, str], *, store: Path, work: Path
) -> Iterator[str]:
    """Run a round on what was sent back, and yield the majority type of each proposal."""
    listed, run = work / "only.csv", work / "loop-run"
    pd.DataFrame({"image_id": ids}).to_csv(listed, index=False)
    shutil.rmtree(run, ignore_errors=True)
    try:
        found = discover_types(
            store, run, options=RoundOptions(extract=ExtractOptions(only=listed), thumbnails=0)
        )
    except InputError:
        return  # too few images to group yet
    images = found.run.load_images()
    for cluster, members in images.groupby("cluster_id"):
        if cluster >= 0:
            types = Counter(truth[name] for name in members["image_id"].tolist())
            label, count = types.most_common(1)[0]
            if 2 * count > len(members):
                yield label


if __name__ == "__main__":
    main()
