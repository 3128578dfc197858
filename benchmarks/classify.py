"""The hierarchical classifier on real images: accuracy a level, few labels, handoffs, the unknown.

    python benchmarks/classify.py --data ../shared/data --weights FILE --cache FOLDER

Features are computed once, into FOLDER. Each section prints its figures as Markdown when it is
done; they are kept in benchmarks/results/classify.md. `--only loo` runs one section.

tile    magnetic tiles, rows sorted by path, fold = index % 5: no_defect, then five types
few     NEU-DET from 10 labels a type, three draws
handoff NEU-DET: clusters named by majority and nothing else, against the true labels
loo     one type left out at a time: is it found to be unknown?
aside   WM-811K, five folds: no setting was chosen on it
seconds training from 1,000 synthetic images, by the command
"""

import argparse
import platform
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.describe import DescribeOptions, describe_images
from discovery.classifier.evaluation import score_novelty, score_predictions, score_variant
from discovery.classifier.examples import Examples, read_examples
from discovery.classifier.features import open_feature_source
from discovery.classifier.options import TrainOptions
from discovery.classifier.train import train_classifier
from discovery.flow import RoundOptions, discover_types
from discovery.records import NOISE
from embeddings.extract import ExtractOptions
from embeddings.files import hash_file
from embeddings.reader import Preparation, read_parts

FOLDS = 5
SHOTS, DRAWS = 10, 3
VARIANTS = {
    "fused": "network on all features", "deep": "on deep ones", "classical": "on GLCM and Zernike",
    "linear": "linear classifier",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A described set: its examples, their rows (n, copies, d) and the blocks of columns."""

    examples: Examples
    rows: NDArray[np.float32]
    blocks: tuple[int, ...]

    @property
    def labels(self) -> NDArray[np.str_]:
        """True label paths, (n,)."""
        return self.examples.labels

    def fit(self, positions: NDArray[np.intp], labels: NDArray[np.str_] | None = None) -> Any:
        """Train on these images."""
        labels = self.labels if labels is None else labels
        return CascadeClassifier(blocks=self.blocks).fit(self.rows[positions], labels[positions])

    def answer(self, cascade: CascadeClassifier, positions: NDArray[np.intp]) -> Any:
        """Answer these images."""
        ids = np.array([self.examples.parts[i].image_id for i in positions.tolist()])
        return cascade.answer(self.rows[positions], ids)


class Bench:
    """One run: the options, and the sets that were described."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.sets = options, {}
        self.extract = ExtractOptions(weights=str(options.weights))

    def open(self, name: str) -> Set:
        """Describe a set, or take it from the cache."""
        if name not in self.sets:
            examples = rename(name, read_examples(self.options.data / name / "labels.csv"))
            weights = hash_file(self.options.weights)[:8]
            cache = self.options.cache / f"{name}-{weights}.npz"
            if not cache.is_file():
                self._describe(examples, cache)
            stored = np.load(cache)
            self.sets[name] = Set(
                examples=examples, rows=stored["rows"], blocks=tuple(stored["blocks"].tolist())
            )
        return self.sets[name]

    def _describe(self, examples: Examples, cache: Path) -> None:
        source = open_feature_source(examples.parts, {}, options=self.extract, ignore=True)
        reading = Preparation(spec=source.spec, windows=source.windows, max_pixels=10**8, workers=2)
        described = describe_images(
            read_parts(examples.parts, reading),
            source.extractor,
            options=DescribeOptions(),
            total=len(examples),
        )
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, rows=described.rows, blocks=described.blocks)


def rename(name: str, examples: Examples) -> Examples:
    """Give the magnetic tiles' labels the two levels: a defect or none, then its type."""
    if name != "magnetic_tile":
        return examples
    paths = ["no_defect" if x == "MT_Free" else f"defect/{x[3:]}" for x in examples.labels.tolist()]
    return replace(examples, labels=np.array(paths))


def fold(n: int, which: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Training and test positions; the examples are sorted by path already."""
    folds = np.arange(n) % FOLDS
    return np.flatnonzero(folds != which), np.flatnonzero(folds == which)


def cross_validate(images: Set, title: str) -> Iterator[str]:
    """Five folds: the cascade, the flat baseline and the ablation, every level, coverage."""
    yield f"### {title}\n"
    yield "| fold | accuracy | flat | levels | named | of them right | unknown | ECE | AURC |"
    yield "|---|---|---|---|---|---|---|---|---|"
    rows, variants = [], {name: [] for name in VARIANTS}
    for which in range(FOLDS):
        train, test = fold(len(images.labels), which)
        cascade = images.fit(train)
        flats = {name: cascade.predict_flat(images.rows[test], name) for name in VARIANTS}
        truth = images.labels[test]
        flat = cascade.predict_flat(images.rows[test])
        found = score_predictions(images.answer(cascade, test), truth, flat=flat)
        for name, answers in flats.items():
            variants[name].append(score_variant(name, answers, truth)["accuracy"])
        rows.append(found)
        yield write_fold(str(which), [found])
    yield write_fold("**mean**", rows)
    ablation = (f"{VARIANTS[name]} {np.mean(values):.3f}" for name, values in variants.items())
    yield f"\nAblation of the flat one: {', '.join(ablation)}.\n"


def write_fold(name: str, rows: list[dict[str, Any]]) -> str:
    """Write one line of the table: a fold, or the mean of several."""

    def mean(key: str) -> float:
        return float(np.mean([row[key] for row in rows]))

    levels = " ".join(
        f"{level} {np.mean([row['levels'][level]['accuracy'] for row in rows]):.3f}"
        for level in rows[0]["levels"]
    )
    unknown = np.mean([row["rejected"]["unknown"] for row in rows])
    return (
        f"| {name} | {mean('accuracy'):.3f} | {mean('flat_accuracy'):.3f} | {levels} | "
        f"{mean('coverage'):.3f} | {mean('accuracy_named'):.3f} | {unknown:.3f} | "
        f"{mean('ece'):.3f} | {mean('aurc'):.4f} |"
    )


def run_tile(bench: Bench) -> Iterator[str]:
    """Magnetic tiles: a defect or none, then which."""
    yield from cross_validate(bench.open("magnetic_tile"), "Magnetic tiles, five folds")


def run_aside(bench: Bench) -> Iterator[str]:
    """Wafer maps, on which no setting was chosen."""
    yield from cross_validate(bench.open("wm811k"), "WM-811K, five folds (kept aside)")


def run_few(bench: Bench) -> Iterator[str]:
    """Train as the command does from 10 labels a type, and answer all other images."""
    images = bench.open("neu_det")
    yield f"### NEU-DET from {SHOTS} labels a type\n"
    yield "| draw | accuracy | flat | named | of them right |"
    yield "|---|---|---|---|---|"
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        chosen = [
            rng.choice(np.flatnonzero(images.labels == label), SHOTS, replace=False)
            for label in np.unique(images.labels)
        ]
        train = np.sort(np.concatenate(chosen))
        test = np.setdiff1d(np.arange(len(images.labels)), train)
        options = TrainOptions(seed=draw, extract=bench.extract)
        cascade = train_classifier(images.examples.take(train), options=options).cascade
        flat = cascade.predict_flat(images.rows[test])
        found = score_predictions(images.answer(cascade, test), images.labels[test], flat=flat)
        yield (
            f"| {draw} | {found['accuracy']:.3f} | {found['flat_accuracy']:.3f} | "
            f"{found['coverage']:.3f} | {found['accuracy_named']:.3f} |"
        )
    yield ""


def run_handoff(bench: Bench) -> Iterator[str]:
    """Name the clusters of four fifths by majority, learn from that alone, answer the last."""
    images = bench.open("neu_det")
    train, test = fold(len(images.labels), 0)
    work = bench.options.cache / "handoff"
    work.mkdir(parents=True, exist_ok=True)
    listed = work / "lot.csv"
    paths = [images.examples.parts[i].path for i in train.tolist()]
    pd.DataFrame({"path": paths}).to_csv(listed, index=False)
    run = discover_types(listed, work / "run", options=RoundOptions(extract=bench.extract)).run
    clusters = run.load_images()[["image_id", "cluster_id", "membership"]]
    truth = {images.examples.parts[i].image_id: images.labels[i] for i in train.tolist()}
    named, weights = name_clusters(clusters, truth)
    kept = np.array([i for i in train if images.examples.parts[i].image_id in named], np.intp)
    labels = images.labels.astype("<U64").copy()
    labels[kept] = [named[images.examples.parts[i].image_id] for i in kept.tolist()]
    share = np.array([weights[images.examples.parts[i].image_id] for i in kept.tolist()])
    from_handoff = CascadeClassifier(blocks=images.blocks).fit(
        images.rows[kept], labels[kept], sample_weight=share
    )
    from_truth = images.fit(train)
    wrong = float((labels[kept] != images.labels[kept]).mean())
    yield "### NEU-DET, learned from clusters named by majority\n"
    yield (
        f"{len(set(named.values()))} types from {clusters['cluster_id'].nunique()} groups, "
        f"{len(kept)} of {len(train)} images, {wrong:.1%} of their labels wrong.\n"
    )
    yield "| learned from | accuracy on the other images |"
    yield "|---|---|"
    for name, cascade in (("the handoff", from_handoff), ("the true labels", from_truth)):
        right = cascade.predict(images.rows[test]) == images.labels[test]
        yield f"| {name} | {right.mean():.3f} |"
    yield ""


def name_clusters(
    clusters: pd.DataFrame, truth: dict[str, str]
) -> tuple[dict[str, str], dict[str, float]]:
    """Give each image of a cluster the majority's type, and its membership; noise gets none."""
    named: dict[str, str] = {}
    weights: dict[str, float] = {}
    for cluster, members in clusters.groupby("cluster_id"):
        if cluster == NOISE:
            continue
        ids = members["image_id"].tolist()
        majority = Counter(truth[name] for name in ids).most_common(1)[0][0]
        named |= dict.fromkeys(ids, majority)
        weights |= dict(zip(ids, members["membership"].tolist(), strict=True))
    return named, weights


def run_loo(bench: Bench) -> Iterator[str]:
    """Leave one type out of four fifths; the novelty of its images against the last fifth."""
    for name in ("neu_det", "magnetic_tile"):
        images = bench.open(name)
        yield f"### {name}: one type left out\n"
        yield "| type | AUROC | found at 5 % false alarms | called unknown | known called so |"
        yield "|---|---|---|---|---|"
        rows = []
        train, test = fold(len(images.labels), 0)
        for label in np.unique(images.labels).tolist():
            known = images.labels != label
            cascade = images.fit(train[known[train]])
            old = images.answer(cascade, test[known[test]])
            new = images.answer(cascade, np.flatnonzero(~known))
            found = score_novelty(old.novelties, new.novelties)
            values = (
                found["auroc"],
                found["recall_at_5_false_alarms"],
                float((new.verdicts == "unknown").mean()),
                float((old.verdicts == "unknown").mean()),
            )
            rows.append(values)
            yield f"| {label} | " + " | ".join(f"{value:.3f}" for value in values) + " |"
        means = np.mean(rows, axis=0)
        yield "| **mean** | " + " | ".join(f"{value:.3f}" for value in means) + " |\n"


def run_seconds(bench: Bench) -> Iterator[str]:
    """Time the command on 1,000 images, start and features included."""
    folder = bench.options.cache / "synthetic-1000"
    if not (folder / "truth.csv").is_file():
        command = [sys.executable, "-m", "discovery.synthetic", str(folder), "--n", "1000"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # nosec B603 # this Python, words of this file
    command = [
        sys.executable, "-m", "discovery.classify", "train", str(folder / "truth.csv"), "--out",
        str(bench.options.cache / "model-1000"), "--weights", str(bench.options.weights),
    ]  # fmt: skip
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # nosec B603 # this Python, words of this file
    yield f"### Training from 1,000 images: {time.monotonic() - start:.0f} s\n"


SECTIONS: dict[str, Callable[[Bench], Iterator[str]]] = {
    "tile": run_tile,
    "few": run_few,
    "handoff": run_handoff,
    "loo": run_loo,
    "aside": run_aside,
    "seconds": run_seconds,
}


def main() -> None:
    """Run the sections that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--only", choices=SECTIONS, nargs="*", default=list(SECTIONS))
    options = parser.parse_args()
    bench = Bench(options)
    print(
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"{platform.machine()}, weights {options.weights.name}\n",
        flush=True,
    )
    for name in options.only:
        for line in SECTIONS[name](bench):
            print(line, flush=True)


if __name__ == "__main__":
    main()
