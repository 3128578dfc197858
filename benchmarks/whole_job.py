"""The whole job beside what a user would write: images to groups and a map, process by process.

    python benchmarks/whole_job.py TRUTH.csv --weights FILE --folder DIR [--rounds 3]

The peer is the script one finds in tutorials of FiftyOne or BERTopic: torchvision's ResNet-50 in
eager float32, batches of 16, layer4's mean; UMAP to 5 dimensions and HDBSCAN as BERTopic has them;
a second UMAP for the map. Ours is `python -m discovery.cluster`, which also looks for copies,
measures stability, makes proposals with evidence, pictures and a report. Both begin in a cold
process (the compiled loops of either are warm where it keeps any) and take turns; ratios are taken
round by round. Prints Markdown: seconds, processor seconds, the ratio, and what each came to.
"""

import argparse
import csv
import os
import platform
import resource
import statistics
import subprocess  # nosec B404 # this Python, words of this file
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from extract import BATCH

from discovery.graph.compiled import compile_all
from discovery.stages.score import score_clustering
from embeddings.tables.locate import resolve_path

PEER = "eager torchvision, UMAP-5, HDBSCAN, UMAP map"
OURS = "`discovery.cluster`"
SCORES = ("ari", "label_accuracy", "coverage", "decisions")


def run_peer(table: Path, weights: str, out: Path) -> None:
    """Embed, cluster and lay out as a tutorial does; write path, label, x, y."""
    import hdbscan
    import torch
    import umap
    from PIL import Image
    from torchvision.models import resnet50
    from torchvision.transforms import v2

    from embeddings.extractors.resnet50 import EXTRACTOR

    net = resnet50()
    net.load_state_dict(dict(EXTRACTOR.read_weights("resnet50", weights).tensors), strict=False)
    net.fc = torch.nn.Identity()
    net.eval()
    prepare = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize((224, 224), antialias=True),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    paths = read_paths(table)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            images = [Image.open(path).convert("RGB") for path in paths[start : start + BATCH]]
            parts.append(net(torch.stack([prepare(image) for image in images])).numpy())
    rows = np.concatenate(parts)
    near = umap.UMAP(n_components=5, min_dist=0.0, metric="cosine").fit_transform(rows)
    labels = hdbscan.HDBSCAN(min_cluster_size=10).fit_predict(near)
    places = umap.UMAP(metric="cosine").fit_transform(rows)
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "cluster_id", "x", "y"])
        cells = zip(paths, labels.tolist(), places.tolist(), strict=True)
        writer.writerows([path, label, x, y] for path, label, (x, y) in cells)


def read_paths(table: Path) -> list[str]:
    """Return the images of a table, as whole paths."""
    return [str(resolve_path(path, table.parent)) for path in pd.read_csv(table)["path"]]


def measure(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; return its seconds and processor seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(  # nosec B603 # this Python, words of this file
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used


def score(found: pd.DataFrame, table: Path) -> dict[str, float]:
    """Score path and cluster_id against the table's types."""
    truth = dict(zip(read_paths(table), pd.read_csv(table)["label"], strict=True))
    types = np.array([truth[path] for path in found["path"]], dtype=np.str_)
    return score_clustering(found["cluster_id"].to_numpy(np.int32), types)


def format_row(name: str, taken: list[tuple[float, float]], ratio: str, made: pd.DataFrame,
               table: Path) -> str:  # fmt: skip
    """Return a row of the table."""
    seconds, used = (statistics.median(column) for column in zip(*taken, strict=True))
    scores = score(made, table)
    cells = [f"{scores[one]:.3f}" if one != "decisions" else f"{scores[one]:.0f}" for one in SCORES]
    return f"| {name} | {seconds:.1f} | {used:.1f} | {ratio} | {' | '.join(cells)} |"


def main() -> None:
    """Take turns, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, metavar="TRUTH.csv", help="path and label")
    parser.add_argument("--weights", required=True, help="a file of ResNet-50's weights")
    parser.add_argument("--folder", type=Path, required=True, help="for all that is made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--as-peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_peer is not None:
        run_peer(options.table, options.weights, options.as_peer)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    compile_all()
    python, table = sys.executable, str(options.table)
    peer_csv = options.folder / "peer.csv"
    peer = [
        python, __file__, table, "--weights", options.weights, "--folder", str(options.folder),
        "--as-peer", str(peer_csv),
    ]  # fmt: skip
    theirs, ours, again = [], [], []
    for number in range(options.rounds):
        run = options.folder / f"run{number}"
        own = [python, "-m", "discovery.cluster", table, "--out", str(run)]
        own += ["--weights", options.weights]
        theirs.append(measure(peer))
        ours.append(measure(own))
        again.append(measure(own))
    ratios = [one[0] / other[0] for one, other in zip(theirs, ours, strict=True)]
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    made = pd.read_parquet(options.folder / "run0" / "clustering.parquet")
    packages = ("torch", "torchvision", "umap-learn", "hdbscan", "numba", "faiss-gpu")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          + ", ".join(f"{name} {version(name)}" for name in packages))  # fmt: skip
    print(f"{len(made)} images of {table}, {options.rounds} rounds, medians\n")
    print(
        "| | seconds | processor s | times as fast | ARI | label accuracy | coverage | decisions |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(format_row(PEER, theirs, "1", pd.read_csv(peer_csv), options.table))
    print(format_row(OURS, ours, f"{middle:.2f} ({low:.2f} to {high:.2f})", made, options.table))
    print(format_row(f"{OURS} again, nothing new", again, "", made, options.table))


if __name__ == "__main__":
    main()
