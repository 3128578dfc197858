"""What a round takes, stage by stage: cold processes, compiled loops warm.

    python benchmarks/speed.py demo --folder DIR
    python benchmarks/speed.py store --source STORE --folder DIR
    python benchmarks/speed.py mixture --rows 50000 --folder DIR

*demo* draws the 600 pictures of `make demo` and runs its round; *store* runs a round on a store, or
on any folder of images; *mixture* makes a store of vectors without pictures (100 groups of uneven
size and width in families of 4, 5 % noise, 50 dimensions turned into 2,048 with a little noise,
fp16) and says how well the groups agree with the truth, and with those of an earlier `--before
RUN`. Each runs twice: from nothing, and again with all of it there. Prints the machine and the
tables of `--profile`.
"""

import argparse
import os
import platform
import shutil
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from cluster import make_mixture
from sklearn.metrics import adjusted_rand_score

from discovery.graph.compiled import compile_all
from discovery.runs import open_run
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.store import create_store

ROOT = Path(__file__).resolve().parent.parent
INNER, WIDTH, GROUPS = 50, 2048, 100
BLOCK = 5_000


def make_store(rows: int, folder: Path) -> Path:
    """Make the mixture's store, and truth.npy beside it, once."""
    place = folder / f"mixture-{rows}"
    if (place / "truth.npy").exists():
        return place / "store"
    shutil.rmtree(place, ignore_errors=True)
    values, truth = make_mixture(rows, INNER, GROUPS)
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(WIDTH, INNER)))[0].T.astype(np.float32)
    spec = ExtractorSpec(
        name="resnet50", dim=WIDTH, layers=("layer3", "layer4"), weights="none, made up",
        weights_sha256="0" * 64,
    )  # fmt: skip
    store = create_store(
        place / "store", spec, vector_dtype="fp16", windows={"uint8": (0.0, 255.0)}
    )
    with store.write() as writer:
        for first in range(0, rows, BLOCK):
            numbers = range(first, min(first + BLOCK, rows))
            noise = 0.02 * rng.normal(size=(len(numbers), WIDTH))
            block = unit_rows(values[first : first + BLOCK] @ axes + noise)
            ids = [f"{number:016x}" for number in numbers]
            paths = [str(place / "images" / f"{number:06d}.png") for number in numbers]
            writer.set_files(
                pd.DataFrame({"path": paths, "file_id": ids, "size": 1, "mtime_ns": 1})
            )
            known = {
                "file_id": ids, "region": "", "width": 200, "height": 200, "bit_depth": 8,
                "channels": 1, "nan_pixels": 0, "um_per_pixel": np.nan, "page": 0, "x0": 0,
                "y0": 0, "metadata": "", "parent_id": "", "defect_px": np.nan,
            }  # fmt: skip
            texts = dict.fromkeys(("file_id", "region", "metadata", "parent_id"), "str")
            writer.append(np.array(ids, np.str_), block, pd.DataFrame(known).astype(texts))
    np.save(place / "truth.npy", truth)
    return place / "store"


def run_round(source: Path, run: Path, *words: str) -> None:
    """Run a round in a process of its own, and print what it took."""
    command = [sys.executable, "-m", "discovery.cluster", str(source), "--out", str(run)]
    started = time.perf_counter()
    done = subprocess.run(  # nosec B603 # this Python, words of this file
        [*command, "--profile", *words], check=True, capture_output=True, text=True, cwd=ROOT
    )
    print(done.stdout, f"the whole process: {time.perf_counter() - started:.1f} s", sep="")


def compare_groups(run: Path, truth: Path, before: Path | None) -> None:
    """Print the agreement of a mixture's groups with the truth, and with an earlier run's."""
    found = open_run(run).load_clustering()
    real = np.load(truth)[[int(name, 16) for name in found.ids.tolist()]]
    print(f"ARI with the truth {adjusted_rand_score(real, found.labels):.4f}")
    if before is not None:
        other = open_run(before).load_clustering()
        of = dict(zip(other.ids.tolist(), other.labels.tolist(), strict=True))
        theirs = [of[name] for name in found.ids.tolist()]
        print(f"ARI with {before} {adjusted_rand_score(theirs, found.labels):.4f}")


def main() -> None:
    """Run one of the three, from nothing and again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["demo", "store", "mixture"])
    parser.add_argument("--folder", type=Path, required=True, help="for all that is made")
    parser.add_argument("--source", type=Path, help="of store: a store, or a folder of images")
    parser.add_argument("--rows", type=int, default=50_000, help="of the mixture")
    parser.add_argument("--before", type=Path, help="of the mixture: a run to compare with")
    parser.add_argument("--weights", help="a file of ResNet-50's weights; else lite")
    options = parser.parse_args()
    packages = ("numpy", "scipy", "scikit-learn", "numba", "faiss-gpu", "torch")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python", end=" ")
    print(platform.python_version(), *(f"{name} {version(name)}" for name in packages), sep=", ")
    compile_all()  # once a machine, and so not part of what a round takes
    options.folder.mkdir(parents=True, exist_ok=True)
    words = ["--weights", options.weights] if options.weights else ["--extractor", "lite"]
    source = options.source
    if options.what == "demo":
        from discovery.synthetic import plan_pictures
        from discovery.synthetic.folder import write_folder

        drawn = options.folder / "demo"
        if not drawn.exists():
            write_folder(plan_pictures(600, seed=0), drawn, seed=0)
        source = drawn / "images"
        words += ["--metadata", str(drawn / "metadata.csv")]
    elif options.what == "mixture":
        source, words = make_store(options.rows, options.folder), []
    elif source is None:
        parser.error("store needs --source STORE")
    elif (source / "store.json").exists():
        words = []
    run = options.folder / f"run-{options.what}"
    shutil.rmtree(run, ignore_errors=True)
    for which in ("from nothing", "again"):
        print(f"\n{which}: {source}")
        run_round(source, run, *words)
    if options.what == "mixture":
        compare_groups(run, source.parent / "truth.npy", options.before)


if __name__ == "__main__":
    main()
