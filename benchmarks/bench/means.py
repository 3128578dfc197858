"""Part f: k-means of (n, 50) rows."""

from typing import Any

from bench import data
from bench.case import Case, Figures, Part, Task
from bench.meter import measure_twice

K = data.GROUPS


def prepare(task: Task) -> None:
    """Draw the rows."""
    data.make_matrix(task)


def run(task: Task, cluster: Any) -> Figures:
    """Cluster twice where asked, and score."""
    values, truth = data.make_matrix(task)
    labels, figures = measure_twice(lambda: cluster(values), warm=task.warm)
    return figures | data.score(truth, labels)


def run_ours(task: Task) -> Figures:
    """Cluster by the estimator of `discovery.cluster ... kmeans`."""

    def cluster(values: Any) -> Any:
        from discovery.clusterers.kmeans import KMeansOptions

        return KMeansOptions(n_clusters=K).build(len(values), seed=0).fit(values).labels_

    return run(task, cluster)


def run_sklearn(task: Task) -> Figures:
    """Cluster by scikit-learn, from one k-means++ start."""

    def cluster(values: Any) -> Any:
        from sklearn.cluster import KMeans

        return KMeans(K).fit(values).labels_

    return run(task, cluster)


def run_batches(task: Task) -> Figures:
    """Cluster by scikit-learn's mini-batches."""

    def cluster(values: Any) -> Any:
        from sklearn.cluster import MiniBatchKMeans

        return MiniBatchKMeans(K).fit(values).labels_

    return run(task, cluster)


def run_faiss(task: Task) -> Figures:
    """Cluster by FAISS, from random starts, every row used."""

    def cluster(values: Any) -> Any:
        import faiss

        found = faiss.Kmeans(values.shape[1], K, niter=25, max_points_per_centroid=len(values))
        found.train(values)
        return found.index.search(values, 1)[1][:, 0]

    return run(task, cluster)


PART = Part(
    letter="f",
    title="k-means",
    text=(
        "The mixture of d, k = 100. Ours is the estimator of `discovery.cluster ... kmeans`, "
        "which starts from the means of a Ward tree; scikit-learn starts by k-means++ (one "
        "start, its default), FAISS from random rows, with 25 rounds over all rows. Cold: "
        "imports included."
    ),
    unit="rows",
    prepare=prepare,
    cases=(
        Case(name="**ours**", run=run_ours),
        Case(name="scikit-learn KMeans", run=run_sklearn),
        Case(name="scikit-learn MiniBatchKMeans", run=run_batches, quick=False),
        Case(name="FAISS", run=run_faiss),
    ),
    sizes={"quick": (400,), "bench": (10_000, 50_000), "large": (200_000, 1_000_000)},
    rounds=3,
)
