"""The actions of a review, one by one, on a small run: twelve images in three groups and noise."""

import numpy as np
import pytest

from discovery import open_review
from discovery.records import Clustering, Layout, Proposal
from discovery.review import ConflictError
from discovery.runs import Provenance, create_run
from embeddings.errors import OptionError

PROVENANCE = Provenance(command="discovery.cluster", spec={}, seed=0, inputs={})
CLUSTERS = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, -1, -1]
A, B, C = "Pa", "Pb", "Pc"


def make_run(path, clusters=CLUSTERS, ids=None, names=(A, B, C)):
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
    run.save_clustering(clustering, layout, PROVENANCE)
    run.save_proposals(proposals, PROVENANCE)
    return run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


@pytest.fixture
def review(run):
    with open_review(run, by="eva") as review:
        yield review


def labels_of(state):
    return [state.labels[code] if code >= 0 else "" for code in state.label_codes.tolist()]


def status_of(state):
    return {one.number: one.status for one in state.proposals}


def test_a_run_without_decisions(review):
    state = review.state
    assert (len(state), state.labels, state.revision) == (12, (), 0)
    assert status_of(state) == {"1": "open", "2": "open", "3": "open"}
    assert (state.undoable, state.redoable, state.progress.named_share) == (None, None, 0.0)
    assert state.left.tolist() == list(range(12))


def test_accept_names_what_was_shown_as_a_persons(review):
    state = review.accept(A, "scratch", shown=[0, 1], thrown=[1], seconds=2.5)
    assert labels_of(state)[:5] == ["scratch", "", "scratch", "scratch", "scratch"]
    assert state.sources[:5].tolist() == [2, 0, 1, 1, 1]
    assert state.excluded["scratch"].tolist() == [1]
    assert state.undoable == "accept scratch on P1 (4 images)"
    assert (state.progress.decisions, state.progress.named, state.progress.seconds) == (1, 4, 2.5)


def test_undo_and_redo(review):
    start = review.state
    named = review.accept(A, "scratch", thrown=[1])
    undone = review.undo()
    assert labels_of(undone) == labels_of(start)
    assert (undone.undoable, undone.redoable) == (None, named.undoable)
    assert labels_of(review.redo()) == labels_of(named)
    with pytest.raises(OptionError, match="nothing to redo"):
        review.redo()


def test_two_people_meet(run, review):
    with open_review(run, by="max") as other:
        review.accept(A, "scratch")
        with pytest.raises(ConflictError, match="eva decided meanwhile: accept scratch on P1"):
            other.reject(A)
        assert labels_of(other.accept(B, "pit"))[:6] == ["scratch"] * 5 + ["pit"]
