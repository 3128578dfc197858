"""Part e: Ward's clusters of (n, 50) rows."""

from typing import Any

from bench import data
from bench.case import Case, Figures, Part, Task
from bench.meter import measure_twice

GROUPS = data.GROUPS
MOST = 20_000
WHY = "needs all distances or the square of the rows in time: not asked for so many"


def prepare(task: Task) -> None:
    """Draw the rows."""
    data.make_matrix(task)


def run(task: Task, cluster: Any) -> Figures:
    """Cluster, and score."""
    values, truth = data.make_matrix(task)
    labels, figures = measure_twice(lambda: cluster(values), warm=False)
    return figures | data.score(truth, labels)


def run_ours(task: Task) -> Figures:
    """Cluster by the estimator of `discovery.cluster ... agglomerative`."""

    def cluster(values: Any) -> Any:
        from discovery.clusterers.agglomerative import AgglomerativeOptions

        model = AgglomerativeOptions(n_clusters=GROUPS).build(len(values), seed=0)
        return model.fit(values).labels_

    return run(task, cluster)


def run_sklearn(task: Task) -> Figures:
    """Cluster by scikit-learn."""

    def cluster(values: Any) -> Any:
        from sklearn.cluster import AgglomerativeClustering

        return AgglomerativeClustering(GROUPS).fit(values).labels_

    return run(task, cluster)


def run_scipy(task: Task) -> Figures:
    """Cluster by scipy."""

    def cluster(values: Any) -> Any:
        from scipy.cluster.hierarchy import fcluster, ward

        return fcluster(ward(values), GROUPS, criterion="maxclust")

    return run(task, cluster)


def run_fastcluster(task: Task) -> Figures:
    """Cluster by fastcluster, which keeps the rows alone in memory."""

    def cluster(values: Any) -> Any:
        import fastcluster
        from scipy.cluster.hierarchy import fcluster

        tree = fastcluster.linkage_vector(values, method="ward")
        return fcluster(tree, GROUPS, criterion="maxclust")

    return run(task, cluster)


PART = Part(
    letter="e",
    title="Ward",
    text=(
        "The mixture of d, told that there are 100 groups. Ours is the estimator of "
        "`discovery.cluster ... agglomerative`: exact below 20,000 rows, of micro-clusters from "
        "there on. fastcluster is `linkage_vector`. Large: ours alone, as the others need the "
        "square of the rows in memory or in time."
    ),
    unit="rows",
    prepare=prepare,
    cases=(
        Case(name="**ours**", run=run_ours),
        Case(name="scikit-learn", run=run_sklearn, most=MOST, why=WHY),
        Case(name="scipy", run=run_scipy, most=MOST, why=WHY),
        Case(name="fastcluster", run=run_fastcluster, needs=("fastcluster",), most=MOST, why=WHY),
    ),
    sizes={"quick": (300,), "bench": (5_000, 20_000), "large": (200_000, 1_000_000)},
)
