"""Any estimator with `fit` and `labels_` becomes a clustering, whatever else it says or omits."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN, AgglomerativeClustering

from discovery.clusterers.hdbscan import HDBSCANOptions
from discovery.estimators.kmeans import KMeans
from discovery.records import Neighbours
from discovery.stages.partition import partition_rows

# The machine may be busy: how long an example takes says nothing here.
calmly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


class Given:
    """An estimator that finds what it was told to find."""

    def __init__(self, labels, **attributes):
        self._found = {"labels_": labels, **attributes}

    def fit(self, rows):
        vars(self).update(self._found)
        return self


def partition(rows, clusterer):
    ids = np.array([f"image{i}" for i in range(len(rows))])
    return partition_rows(rows, ids, clusterer, made_by="test", spec={"a": 1})


def blobs(*centres, each=20, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(c, 0.1, (each, 2)) for c in centres]).astype(np.float32)


def test_labels_are_renumbered_by_size():
    found = partition(np.zeros((6, 2), np.float32), Given([7, 3, 3, -1, 3, 7]))
    assert [1, 0, 0, -1, 0, 1] == found.labels.tolist()
    assert np.int32 == found.labels.dtype


def test_the_clustering_says_how_it_was_made():
    found = partition(np.zeros((2, 2), np.float32), Given([0, 0]))
    assert ("test", {"a": 1}) == (found.made_by, found.spec)
    assert ["image0", "image1"] == found.ids.tolist()


def test_an_estimator_that_says_nothing_of_memberships_is_sure_of_each_member():
    found = partition(np.zeros((3, 2), np.float32), Given([0, -1, 0]))
    assert [1, 0, 1] == found.memberships.tolist()
    assert [0, 1, 0] == found.outlier_scores.tolist()


@pytest.mark.parametrize("name", ["probabilities_", "membership_strengths_"])
def test_memberships_are_taken_from_either_name_and_noise_has_none(name):
    found = partition(np.zeros((3, 2), np.float32), Given([0, -1, 0], **{name: [0.25, 0.5, 0.75]}))
    assert [0.25, 0, 0.75] == found.memberships.tolist()
    assert [0.75, 1, 0.25] == found.outlier_scores.tolist()


def test_outlier_scores_are_taken_where_the_estimator_has_them():
    found = partition(np.zeros((2, 2), np.float32), Given([0, 0], outlier_scores_=[0.125, 0.5]))
    assert [0.125, 0.5] == found.outlier_scores.tolist()


def test_what_is_not_a_number_counts_as_nothing_odd():
    # hdbscan gives coincident vectors NaN, scikit-learn's HDBSCAN what it cannot place.
    nan = float("nan")
    found = partition(
        np.zeros((3, 2), np.float32),
        Given([0, 0, -3], outlier_scores_=[nan, 0.5, nan], probabilities_=[nan, 1, nan]),
    )
    assert [0, 0.5, 0] == found.outlier_scores.tolist()
    assert [0, 1, 0] == found.memberships.tolist()
    assert [0, 0, -1] == found.labels.tolist()


def test_no_cluster_at_all():
    found = partition(np.zeros((4, 2), np.float32), Given([-1] * 4))
    assert (0, [-1] * 4) == (found.k, found.labels.tolist())


def test_a_clusterer_that_takes_the_graph_is_given_it():
    class OfGraph:
        def fit(self, rows, *, neighbours):
            self.labels_ = neighbours.indices[:, 0] % 2
            return self

    graph = Neighbours(
        indices=np.array([[1], [2], [3], [0]], np.int32), distances=np.zeros((4, 1), np.float32)
    )
    ids = np.array(["a", "b", "c", "d"])
    rows = np.zeros((4, 2), np.float32)
    found = partition_rows(rows, ids, OfGraph(), made_by="test", spec={}, neighbours=graph)
    assert [0, 1, 0, 1] == found.labels.tolist()


def test_labels_of_another_length_are_a_bug_that_shows():
    with pytest.raises(ValueError):
        partition(np.zeros((4, 2), np.float32), Given([0, 1]))


@pytest.mark.parametrize(
    "clusterer",
    [
        KMeans(3),
        HDBSCANOptions(min_cluster_size=5).build(60, seed=0),
        AgglomerativeClustering(3),
        DBSCAN(eps=0.5),
    ],
    ids=lambda one: type(one).__name__,
)
def test_our_own_and_foreign_estimators_serve_alike(clusterer):
    rows = blobs((0, 0), (5, 0), (0, 5))
    before = rows.copy()
    found = partition(rows, clusterer)
    assert 3 == found.k
    assert 3 == len({tuple(found.labels[i : i + 20]) for i in (0, 20, 40)})
    assert np.array_equal(before, rows)


@calmly
@given(
    st.lists(
        st.tuples(st.integers(-3, 6), st.sampled_from([-2, 0, 0.25, 1, 2, np.nan])), max_size=20
    )
)
def test_whatever_comes_memberships_and_scores_lie_between_0_and_1(members):
    labels = np.array([label for label, _ in members], int)
    strengths = [strength for _, strength in members]
    found = partition(
        np.zeros((len(members), 1), np.float32),
        Given(labels, probabilities_=strengths, outlier_scores_=strengths),
    )
    for values in (found.memberships, found.outlier_scores):
        assert ((values >= 0) & (values <= 1)).all()
    assert (found.memberships[found.labels < 0] == 0).all()
    assert ((labels < 0) == (found.labels < 0)).all()
