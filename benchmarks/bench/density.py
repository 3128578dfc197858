"""Part d: HDBSCAN of (n, 50) rows."""

from typing import Any

from bench import data
from bench.case import Case, Figures, Part, Task
from bench.meter import measure, measure_twice

MIN_SAMPLES = 5  # a round's default


def prepare(task: Task) -> None:
    """Draw the rows."""
    data.make_matrix(task)


def choose_sizes(task: Task) -> dict[str, Any]:
    """Return the smallest cluster of a round of so many images, and its neighbours."""
    from discovery.clusterers.hdbscan import HDBSCANOptions

    # Nothing is built, which would import a peer before its time is taken.
    least = HDBSCANOptions().describe(task.size)["min_cluster_size"]
    return {"min_cluster_size": int(least), "min_samples": MIN_SAMPLES}


def cluster_as_a_round(values: Any, stages: dict[str, float]) -> Any:
    """Return the labels of `discovery.cluster ... hdbscan`, from its reduced rows on.

    That is what `discovery.flow.route.partition_vectors` does, and the graph before it, which a
    round makes for all its stages.
    """
    from discovery.clusterers.hdbscan import HDBSCANOptions
    from discovery.flow.route import embed_rows
    from discovery.flow.settings import describe_graph
    from discovery.graph.neighbours import find_neighbours

    choice, n = HDBSCANOptions(), len(values)
    k = describe_graph(n)["k"]
    graph, took = measure(lambda: find_neighbours(values, k, seed=0))
    stages["graph"] = took["seconds"]
    rows = values
    if choice.rows == "umap":
        rows, took = measure(lambda: embed_rows(values, graph, seed=0))
        stages["layout"] = took["seconds"]
    model, asked = choice.build(n, seed=0), {"neighbours": graph} if choice.takes_graph else {}
    _, took = measure(lambda: model.fit(rows, **asked))
    stages["clusters"] = took["seconds"]
    return model.labels_


def run_ours(task: Task) -> Figures:
    """Cluster as a round does, and say what each stage took."""
    values, truth = data.make_matrix(task)
    stages: dict[str, float] = {}
    labels, figures = measure_twice(lambda: cluster_as_a_round(values, stages), warm=task.warm)
    said = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stages.items())
    return figures | data.score(truth, labels) | {"note": said}


def fit(task: Task, make: Any, *, compiled: bool) -> Figures:
    """Fit a peer's estimator; a second time where it is compiled in the process."""
    values, truth = data.make_matrix(task)
    asked = choose_sizes(task)
    labels, figures = measure_twice(
        lambda: make(asked).fit_predict(values), warm=task.warm and compiled
    )
    return figures | data.score(truth, labels)


def run_hdbscan(task: Task) -> Figures:
    """Fit the hdbscan package's."""

    def make(asked: dict[str, Any]) -> Any:
        import hdbscan

        return hdbscan.HDBSCAN(**asked)

    return fit(task, make, compiled=False)


def run_sklearn(task: Task) -> Figures:
    """Fit scikit-learn's, with every core."""

    def make(asked: dict[str, Any]) -> Any:
        from sklearn.cluster import HDBSCAN

        return HDBSCAN(**asked, n_jobs=-1, copy=True)

    return fit(task, make, compiled=False)


def run_fast_hdbscan(task: Task) -> Figures:
    """Fit fast_hdbscan's."""

    def make(asked: dict[str, Any]) -> Any:
        import fast_hdbscan

        return fast_hdbscan.HDBSCAN(**asked)

    return fit(task, make, compiled=True)


def run_plscan(task: Task) -> Figures:
    """Fit PLSCAN, which looks for the smallest cluster by itself."""

    def make(asked: dict[str, Any]) -> Any:
        import fast_plscan

        return fast_plscan.PLSCAN(min_samples=asked["min_samples"])

    return fit(task, make, compiled=True)


def run_evoc(task: Task) -> Figures:
    """Fit EVoC, which reduces and clusters by itself."""

    def make(_: dict[str, Any]) -> Any:
        import evoc

        return evoc.EVoC()

    return fit(task, make, compiled=True)


PART = Part(
    letter="d",
    title="HDBSCAN",
    text=(
        "A mixture of 100 groups in 50 dimensions, 5 % noise (`benchmarks/cluster.py`). Ours is "
        "what `discovery.cluster ... hdbscan` does with its reduced rows: the neighbour graph, "
        "which a round makes anyway, a layout in 5 dimensions, and clusters of it. The others "
        "are given the rows and, where they take them, the same `min_cluster_size` and "
        "`min_samples`; PLSCAN and EVoC choose sizes themselves. Cold: the package is imported "
        "and compiles what it has not kept on disk; warm: a second fit in the process, of those "
        "that compile."
    ),
    unit="rows",
    prepare=prepare,
    cases=(
        Case(name="**ours**", run=run_ours),
        Case(name="hdbscan", run=run_hdbscan, needs=("hdbscan",)),
        Case(name="scikit-learn", run=run_sklearn),
        Case(name="fast_hdbscan", run=run_fast_hdbscan, needs=("fast-hdbscan",)),
        Case(name="fast-plscan", run=run_plscan, needs=("fast-plscan",)),
        Case(name="EVoC", run=run_evoc, needs=("evoc",)),
    ),
    sizes={"quick": (400,), "bench": (10_000, 50_000), "large": (50_000, 200_000)},
)
