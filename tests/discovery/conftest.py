"""What tests share: blobs of rows and short trainings of the classifier, and a small run."""

import numpy as np
import pytest

from discovery.classifier import folds, networks
from discovery.records import Clustering, Layout, Proposal
from discovery.runs import Provenance, create_run


@pytest.fixture(scope="module")
def few_steps():
    """Train networks for few of their steps, and three folds: blobs are learned by then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "FOLDS", 3)
        patch.setattr(networks, "_LEAST_STEPS", 25)
        yield


@pytest.fixture(scope="session")
def make_blobs():
    """Return a function that draws rows (n, d) around one corner a label, and their labels."""

    def make(labels, *, size=16, gap=6.0, d=12, seed=0):
        rng = np.random.default_rng(seed)
        corners = gap * np.eye(d)[: len(labels)]
        rows = np.repeat(corners, size, axis=0) + rng.normal(size=(len(labels) * size, d))
        return rows.astype(np.float32), np.repeat(np.array(labels, dtype=np.str_), size)

    return make


@pytest.fixture(scope="session")
def measure_modularity():
    """Return a function that measures a partition of a graph by the definition, pair by pair."""

    def measure(graph, labels, resolution):
        dense = graph.toarray()
        degrees, total = dense.sum(axis=1), dense.sum()
        gains = dense - resolution * np.outer(degrees, degrees) / total
        return gains[labels[:, None] == labels[None, :]].sum() / total

    return measure


@pytest.fixture
def make_run(tmp_path):
    """Return a function that makes a run of images that are grouped already."""
    from discovery.records import Clustering, Layout, Proposal
    from discovery.runs import Provenance, create_run

    made_by = Provenance(command="discovery.cluster", spec={}, seed=0, inputs={})

    def make(ids, paths, labels, *, store=None):
        run = create_run(tmp_path / "run")
        ids, labels = np.array(ids), np.array(labels, np.int32)
        clustering = Clustering(
            ids=ids,
            labels=labels,
            memberships=np.where(labels < 0, 0, 0.75).astype(np.float32),
            outlier_scores=np.zeros(len(ids), np.float32),
            spec={},
            made_by="hdbscan",
        )
        paths = tuple((str(path),) for path in paths)
        xy = np.zeros((len(ids), 2), np.float32)
        run.save_clustering(clustering, Layout(ids=ids, paths=paths, xy=xy), made_by)
        proposals = [
            Proposal(
                proposal_id=f"P-{cluster}", cluster_id=cluster, rank=cluster + 1,
                size=int((labels == cluster).sum()), cohesion=0.5, separation=0.5, stability=0.5,
                novelty=0.5, nearest_known="", medoid=str(ids[labels == cluster][0]),
                exemplars={"central": (), "edge": (), "diverse": ()},
            )
            for cluster in range(labels.max() + 1)
        ]  # fmt: skip
        run.save_proposals(proposals, made_by)
        if store is not None:
            run.set_store({"path": str(store)})
        return run

    return make


@pytest.fixture(scope="session")
def make_small_run():
    """Return a function that makes a run of twelve images, in three groups and noise."""
    clusters = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, -1, -1]
    provenance = Provenance(command="discovery.cluster", spec={}, seed=0, inputs={})

    def make(path, clusters=clusters, ids=None, names=("Pa", "Pb", "Pc")):
        run = create_run(path)
        labels = np.array(clusters, np.int32)
        n = len(labels)
        ids = np.array(ids if ids is not None else [f"{i:016x}" for i in range(n)])
        clustering = Clustering(
            ids=ids,
            labels=labels,
            memberships=(labels >= 0).astype(np.float32),
            outlier_scores=np.zeros(n, np.float32),
            spec={},
            made_by="kmeans",
        )
        paths = tuple((f"{i}.png",) for i in range(n))
        layout = Layout(ids=ids, paths=paths, xy=np.zeros((n, 2), np.float32))
        members = [np.flatnonzero(labels == cluster) for cluster in range(labels.max() + 1)]
        proposals = [
            Proposal(
                proposal_id=name,
                cluster_id=cluster,
                rank=cluster + 1,
                size=len(members[cluster]),
                cohesion=0.5,
                separation=0.5,
                stability=0.5,
                novelty=0.5,
                nearest_known="",
                medoid=str(ids[members[cluster][0]]),
                exemplars={"central": (), "edge": (), "diverse": ()},
            )
            for cluster, name in zip(range(len(members)), names, strict=True)
        ]
        run.save_clustering(clustering, layout, provenance)
        run.save_proposals(proposals, provenance)
        return run

    return make
