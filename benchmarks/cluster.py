"""Clusterers side by side with their peers: time, agreement and peak memory.

`python benchmarks/cluster.py` runs every case in a process of its own and prints a table a job;
`python benchmarks/cluster.py ward` only some. Every case has one thread, and cases are
compared by processor time, so that other work on the machine does not count. Results are kept
in benchmarks/results/cluster.txt.
"""

import argparse
import json
import os
import platform
import resource
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

Fit = Callable[[NDArray[np.float32]], Any]

ROOT = Path(__file__).resolve().parent.parent


def make_mixture(
    n: int, d: int, k: int, *, noise: float = 0.05, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw k clusters of uneven size and width, in families of 4 that lie close, and noise.

    Returns
    -------
    (n, d) float32 and (n,) int64, -1 for noise
    """
    rng = np.random.default_rng(seed)
    families = np.repeat(rng.normal(size=(-(-k // 4), d)), 4, axis=0)[:k]
    centres = families + 0.4 * rng.normal(size=(k, d))
    n_noise = int(noise * n)
    labels = rng.choice(k, n - n_noise, p=rng.dirichlet(np.full(k, 5.0)))
    widths = rng.uniform(0.15, 0.4, k)[labels, None]
    members = centres[labels] + widths * rng.normal(size=(len(labels), d))
    strays = 1.3 * members.std(axis=0) * rng.normal(size=(n_noise, d))
    values = np.concatenate((members, strays)).astype(np.float32)
    truth = np.concatenate((labels, np.full(n_noise, -1)))
    order = rng.permutation(n)
    return values[order], truth[order]


def _kmeans_sklearn(values: NDArray[np.float32]) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(100, random_state=0).fit(values).labels_


def _minibatch_sklearn(values: NDArray[np.float32]) -> Any:
    from sklearn.cluster import MiniBatchKMeans

    return MiniBatchKMeans(100, random_state=0).fit(values).labels_


def _kmeans_here(values: NDArray[np.float32]) -> Any:
    from discovery.estimators.kmeans import KMeans

    return KMeans(100).fit(values).labels_


def _ward_sklearn(values: NDArray[np.float32]) -> Any:
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(100).fit(values).labels_


def _ward_fastcluster(values: NDArray[np.float32]) -> Any:
    import fastcluster
    from scipy.cluster.hierarchy import fcluster

    linkage = fastcluster.linkage_vector(values, method="ward")
    return fcluster(linkage, 100, criterion="maxclust")


def _ward_here(values: NDArray[np.float32]) -> Any:
    from discovery.estimators.agglomerative import Agglomerative

    return Agglomerative(100).fit(values).labels_


def _ward_micro(values: NDArray[np.float32]) -> Any:
    from discovery.estimators.agglomerative import Agglomerative

    return Agglomerative(100, exact_below=1).fit(values).labels_


# job -> number of rows, and its cases; the first is the one compared with
JOBS: dict[str, tuple[int, dict[str, Fit]]] = {
    "kmeans": (
        50_000,
        {
            "scikit-learn KMeans": _kmeans_sklearn,
            "scikit-learn MiniBatchKMeans": _minibatch_sklearn,
            "defect-discovery": _kmeans_here,
        },
    ),
    "ward": (
        10_000,
        {
            "scikit-learn": _ward_sklearn,
            "fastcluster.linkage_vector": _ward_fastcluster,
            "defect-discovery": _ward_here,
            "defect-discovery, micro-clusters": _ward_micro,
        },
    ),
}


def run_case(job: str, case: str, out: Path) -> None:
    """Fit one case, after a small warm-up, and write its labels; print what it took."""
    n, cases = JOBS[job]
    fit = cases[case]
    fit(make_mixture(2_000, 50, 10, seed=1)[0])  # imports and thread pools
    values = make_mixture(n, 50, 100)[0]
    started, used = time.perf_counter(), time.process_time()
    labels = fit(values)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    np.save(out, labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak}))


def run_job(job: str, folder: Path) -> None:
    """Run a job's cases one after the other and print its table."""
    n, cases = JOBS[job]
    truth = make_mixture(n, 50, 100)[1]
    print(f"\n{job}: {n} x 50, 100 clusters of uneven size and width in families of 4, 5 % noise")
    heads = {"seconds": 9, "CPU s": 8, "faster": 8, "ARI to 1st": 12, "ARI truth": 11, "peak MB": 9}
    print(" " * 34 + "".join(f"{head:>{width}}" for head, width in heads.items()))
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    first: tuple[float, NDArray[Any]] | None = None
    for case in cases:
        out = folder / "labels.npy"
        command = [sys.executable, __file__, "--case", job, case, str(out)]
        done = subprocess.run(  # nosec B603 # this Python, words of this file
            command, check=True, capture_output=True, text=True, cwd=ROOT, env=env
        )
        measured, labels = json.loads(done.stdout.splitlines()[-1]), np.load(out)
        first = first or (measured["cpu"], labels)
        faster = first[0] / measured["cpu"]
        agreement = adjusted_rand_score(first[1], labels)
        print(
            f"{case:34}{measured['seconds']:9.2f}{measured['cpu']:8.2f}{faster:7.1f}x{agreement:12.4f}"
            f"{adjusted_rand_score(truth, labels):11.4f}{measured['peak_mb']:9.0f}",
            flush=True,
        )


def main() -> None:
    """Run the jobs named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", choices=[*JOBS, []], help="default: all")
    parser.add_argument("--case", nargs=3, metavar=("JOB", "CASE", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        job, case, out = options.case
        run_case(job, case, Path(out))
        return
    packages = ("numpy", "scipy", "scikit-learn", "faiss-gpu", "fastcluster")
    print(f"{platform.processor() or platform.machine()}, CPU only, Python", end=" ")
    print(platform.python_version(), *(f"{name} {version(name)}" for name in packages), sep=", ")
    with tempfile.TemporaryDirectory() as folder:
        for job in options.jobs or JOBS:
            run_job(job, Path(folder))


if __name__ == "__main__":
    main()
