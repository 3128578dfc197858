"""Hennig's cluster-wise stability: a group that comes back has 1, one that dissolves has little."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discovery.estimators.kmeans import KMeans
from discovery.records import Clustering, number_by_size
from discovery.stages import stability
from discovery.stages.stability import best_jaccard, measure_stability

# The machine may be busy: how long an example takes says nothing here.
calmly = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
LABELS = st.lists(st.integers(-1, 3), min_size=1, max_size=40)


def make(labels):
    labels = number_by_size(np.asarray(labels))
    sure = (labels >= 0).astype(np.float32)
    return Clustering(
        ids=np.array([f"image{i}" for i in range(len(labels))], dtype=np.str_),
        labels=labels,
        memberships=sure,
        outlier_scores=1 - sure,
        spec={},
        made_by="test",
    )


def rows_of(labels):
    """Rows that say which cluster they are of, so that a fit can look it up."""
    return np.asarray(labels, np.float32)[:, None]


def look_up(rows):
    return rows[:, 0].astype(np.int32)


def int32(*values):
    return np.array(values, np.int32)


def test_best_jaccard_by_hand():
    # Cluster 0 (4 images) is found again as 1 (3 of them and one stranger): 3 / (4 + 4 - 3).
    # Cluster 1 (3 images) is split into 0 (2 of them): 2 / (3 + 2 - 2); cluster 2 was not drawn.
    before = int32(0, 0, 0, 0, 1, 1, 1, -1)
    after = int32(1, 1, 1, -1, 0, 0, 1, -1)
    similarity, present = best_jaccard(before, after, 3)
    assert [3 / 5, 2 / 3, 0] == similarity.tolist()
    assert [True, True, False] == present.tolist()


def test_noise_is_no_cluster_on_either_side():
    similarity, present = best_jaccard(int32(0, 0, -1, -1), int32(-1, -1, 0, 0), 1)
    assert ([0], [True]) == (similarity.tolist(), present.tolist())


def test_nothing_found_again():
    similarity, _ = best_jaccard(int32(0, 1), int32(-1, -1), 2)
    assert [0, 0] == similarity.tolist()


@calmly
@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), max_size=30))
def test_jaccard_lies_between_0_and_1_and_ignores_what_labels_are_called(pairs):
    before, after = np.array(pairs, np.int32).reshape(-1, 2).T
    similarity, present = best_jaccard(before, after, 5)
    assert ((similarity >= 0) & (similarity <= 1)).all()
    assert set(before[before >= 0]) == set(np.flatnonzero(present))
    renamed = np.array([3, 1, 4, 0, 2, -1], np.int32)[after]  # the last stands for -1
    assert np.array_equal(similarity, best_jaccard(before, renamed, 5)[0])
    assert (best_jaccard(before, before, 5)[0] == present).all()


@calmly
@given(LABELS, st.integers(0, 2**32 - 1))
def test_a_method_that_finds_the_same_again_is_perfectly_stable(labels, seed):
    clustering = make(labels)
    found = measure_stability(rows_of(clustering.labels), clustering, fit=look_up, seed=seed)
    # A cluster so small that no draw held one of its images is not vouched for.
    assert set(found) <= {0.0, 1.0}
    assert (found[np.bincount(clustering.labels[clustering.labels >= 0]) > 3] == 1).all()


@calmly
@given(LABELS, st.integers(0, 1000))
def test_whatever_the_method_finds_it_lies_between_0_and_1(labels, seed):
    rng = np.random.default_rng(seed)
    clustering = make(labels)
    found = measure_stability(
        rows_of(clustering.labels),
        clustering,
        fit=lambda rows: rng.integers(-1, 5, len(rows)).astype(np.int32),
        draws=3,
    )
    assert (clustering.k,) == found.shape
    assert ((found >= 0) & (found <= 1)).all()


def test_a_cluster_that_dissolves_is_low_and_the_others_stay_high():
    def scatter_the_second(rows):
        labels = look_up(rows)
        torn = labels == 1
        labels[torn] = 10 + np.arange(torn.sum())
        return labels

    clustering = make([0] * 40 + [1] * 30 + [2] * 20)
    found = measure_stability(rows_of(clustering.labels), clustering, fit=scatter_the_second)
    assert [1, 1] == found[[0, 2]].tolist()
    assert found[1] < 0.1


def test_real_groups_are_stable_and_halves_of_one_are_not():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(c, 0.3, (60, 2)) for c in ((0, 0), (9, 0), (0, 9))])
    rows = rows.astype(np.float32)

    def measure(k):
        clustering = make(KMeans(k, random_state=0).fit(rows).labels_)
        return measure_stability(
            rows, clustering, fit=lambda part: KMeans(k, random_state=0).fit(part).labels_
        )

    assert measure(3).min() > 0.99
    assert measure(5).min() < 0.85  # no longer "highly stable" in Hennig's reading


def test_the_same_seed_gives_the_same_and_no_argument_is_changed():
    clustering = make([0] * 9 + [1] * 5)
    rows = rows_of(clustering.labels)
    before = rows.copy()

    def noisy(part):
        return (np.arange(len(part)) % 3).astype(np.int32)

    first = measure_stability(rows, clustering, fit=noisy, seed=3)
    assert np.array_equal(first, measure_stability(rows, clustering, fit=noisy, seed=3))
    assert not np.array_equal(first, measure_stability(rows, clustering, fit=noisy, seed=4))
    assert np.array_equal(before, rows)


def test_each_draw_is_fitted_once_on_distinct_rows_about_63_percent_of_them():
    sizes = []

    def count(part):
        sizes.append(len(part))
        assert len(part) == len(np.unique(part[:, 0]))
        return np.zeros(len(part), np.int32)

    rows = np.arange(500, dtype=np.float32)[:, None]
    measure_stability(rows, make([0] * 500), fit=count, draws=7)
    assert 7 == len(sizes)
    assert np.mean(sizes) == pytest.approx(500 * (1 - np.exp(-1)), rel=0.05)


def test_many_images_are_thinned(monkeypatch):
    monkeypatch.setattr(stability, "MAX_IMAGES", 50)
    sizes = []

    def count(part):
        sizes.append(len(part))
        return look_up(part)

    clustering = make([0] * 300 + [1] * 200)
    found = measure_stability(rows_of(clustering.labels), clustering, fit=count)
    assert max(sizes) <= 50
    assert [1, 1] == found.tolist()


def test_without_clusters_nothing_is_fitted():
    def never(part):
        raise AssertionError

    assert 0 == len(measure_stability(np.zeros((5, 2), np.float32), make([-1] * 5), fit=never))
