"""Part b: from a folder of images to proposals and a map."""

import csv
import json
from pathlib import Path
from typing import Any

from bench import data
from bench.case import Case, Figures, Part, Task
from bench.extraction import embed_eager, make_torchvision, make_transforms
from bench.meter import measure, measure_command
from bench.recipe import cluster_and_map, prepare_quick


def prepare(task: Task) -> None:
    """Draw the images and make the weights."""
    data.make_synthetic(task)
    data.find_weights(task)


def run_round(task: Task, *words: str) -> Figures:
    """Run the command on the images, and score its clusters."""
    images, truth = data.make_synthetic(task)
    run, out = task.scratch / "run", task.scratch / "metrics.json"
    figures = measure_command(["discovery.cluster", str(images), "--out", str(run), *words])
    measure_command(["discovery.evaluate", str(run), str(truth), "--out", str(out)])
    scores = json.loads(out.read_text(encoding="utf-8"))
    return figures | {"ari": scores["ari"], "groups": scores["k_found"]}


def run_ours(task: Task) -> Figures:
    """Run a round on ResNet-50."""
    return run_round(task, "--weights", data.find_weights(task))


def run_lite(task: Task) -> Figures:
    """Run a round on what is installed with the package."""
    return run_round(task, "--extractor", "lite")


def open_picture(path: Path) -> Any:
    """Return a picture of 8 bits: one of more is stretched, which Pillow would clip."""
    import numpy as np
    from PIL import Image

    image = Image.open(path)
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, np.float32)
    low, high = values.min(), values.max()
    return Image.fromarray((255 * (values - low) / max(1.0, high - low)).astype(np.uint8))


def embed(task: Task, files: list[Path]) -> Any:
    """Return the vectors of files, (n, 2048)."""
    transforms = make_transforms()
    network = make_torchvision(task)
    return embed_eager(network, transforms, files, open_picture)


def run_script(task: Task) -> Figures:
    """Embed, reduce, cluster and map as a script does; a warm one has compiled UMAP before."""
    files, truth = list_labelled(*data.make_synthetic(task))
    prepare_quick(quick=task.quick)

    def work() -> Any:
        values, took = measure(lambda: embed(task, files))
        kept.append((values, took["seconds"]))
        return cluster_and_map(values, quick=task.quick)

    kept: list[tuple[Any, float]] = []
    labels, figures = measure(work)
    if task.warm:
        # What differs in a warm process is what UMAP compiles: pictures are not embedded again.
        values, embedding = kept[0]
        figures["warm"] = embedding + measure(lambda: cluster_and_map(values))[1]["seconds"]
    return figures | data.score(truth, labels)


def list_labelled(images: Path, table: Path) -> tuple[list[Path], list[str]]:
    """Return the files of a table that lie in the folder, and the label of each."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [(table.parent / row["path"], row["label"]) for row in csv.DictReader(file)]
    root = images.resolve()
    kept = [(path, label) for path, label in rows if path.resolve().is_relative_to(root)]
    return [path for path, _ in kept], [label for _, label in kept]


PART = Part(
    letter="b",
    title="The whole job, from images to proposals and map",
    text=(
        "The synthetic images of `python -m discovery.synthetic` (seed 0), with their truth. "
        "Ours is `python -m discovery.cluster`, which on these looks at each picture twice (the "
        "whole, and what stands out of it), looks for copies, tests stability and writes "
        "evidence, thumbnails and a report, too. The peer is what a user of FiftyOne or "
        "BERTopic runs: eager torchvision in batches of 16, UMAP to 5 dimensions, HDBSCAN "
        "(`min_cluster_size` 10), UMAP to 2 for the map; pictures of 16 bits, which Pillow "
        "clips, are stretched for it. Warm: UMAP is compiled; of embedding, the cold seconds."
    ),
    unit="images",
    prepare=prepare,
    cases=(
        Case(name="**ours**, ResNet-50", run=run_ours, quick=False),
        Case(name="**ours**, lite", run=run_lite),
        Case(name="torchvision, UMAP, HDBSCAN, UMAP", run=run_script,
             needs=("umap-learn", "hdbscan")),
    ),
    sizes={"quick": (24,), "bench": (300, 900), "large": (900, 5_000)},
)  # fmt: skip
