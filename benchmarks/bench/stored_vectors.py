"""Parts c and g: from stored vectors to proposals and a map."""

from typing import Any

from bench import data
from bench.case import Case, Figures, Part, Task
from bench.meter import measure_command, measure_twice
from bench.recipe import cluster_and_map

MOST_GB = 12
MOST_WARM = 10_000  # above, the 20 seconds that UMAP compiles are a small part of the job


def prepare(task: Task) -> None:
    """Make the store, and its vectors as a file."""
    data.make_vectors(task)


def prepare_store(task: Task) -> None:
    """Make the store alone."""
    data.make_store(task)


def run_ours(task: Task) -> Figures:
    """Run a round on the store, and score its clusters."""
    store, run = data.find_store(task), task.scratch / "run"
    figures = measure_command(["discovery.cluster", str(store), "--out", str(run)])
    import numpy as np

    from discovery.runs import open_run

    found = open_run(run).load_clustering()
    numbers = [int(name, 16) for name in found.ids.tolist()]
    return figures | data.score(np.load(store.parent / "truth.npy")[numbers], found.labels)


def run_script(task: Task) -> Figures:
    """Load the vectors, reduce, cluster and map."""
    place = data.make_vectors(task)

    def work() -> Any:
        import numpy as np

        values = np.load(place / "values.npy").astype(np.float32)
        return cluster_and_map(values, quick=task.quick)

    warm = task.warm and task.size <= MOST_WARM
    labels, figures = measure_twice(work, warm=warm)
    import numpy as np

    return figures | data.score(np.load(place / "truth.npy"), labels)


def run_bounded(task: Task) -> Figures:
    """Run a round on the store, and say whether it kept the bound on memory."""
    figures = run_ours(task)
    kept = figures["peak_mb"] <= MOST_GB * 1024
    return figures | {"note": f"{'within' if kept else '**over**'} {MOST_GB} GB"}


_STORE = (
    "100 groups of uneven size and width in families of 4, with 5 % noise, in 50 dimensions turned "
    "into 2,048 with a little noise, fp16 (`benchmarks/speed.py mixture`)"
)
PART = Part(
    letter="c",
    title="From stored vectors to proposals and map",
    text=(
        f"{_STORE}. Ours is `python -m discovery.cluster` on the store, with evidence, stability "
        "and report; the peer loads the same vectors and runs UMAP, HDBSCAN and UMAP as in b; "
        "warm to 10,000 alone, as the seconds that UMAP compiles are a small part above."
    ),
    unit="vectors",
    prepare=prepare,
    cases=(
        Case(name="**ours**", run=run_ours),
        Case(name="UMAP, HDBSCAN, UMAP", run=run_script, needs=("umap-learn", "hdbscan")),
    ),
    sizes={"quick": (60,), "bench": (10_000, 50_000), "large": (50_000, 200_000)},
)
MILLION = Part(
    letter="g",
    title="A million stored vectors",
    text=f"{_STORE}: 4 GB on disk. Ours alone, which must be done within {MOST_GB} GB of memory.",
    unit="vectors",
    prepare=prepare_store,
    cases=(Case(name="**ours**", run=run_bounded),),
    sizes={"quick": (60,), "bench": (), "large": (1_000_000,)},
)
