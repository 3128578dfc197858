import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

from discovery.stages.score import score_clustering, score_once

KEYS = [
    "n", "k_true", "k_found", "noise", "acc", "nmi", "ami", "ari", "purity", "decisions",
    "coverage", "label_accuracy", "types_found",
]  # fmt: skip


def score(labels, truth):
    return score_clustering(np.array(labels, np.int32), np.array(list(truth)))


def test_values_counted_by_hand():
    #          cluster 0      cluster 1     noise
    labels = [0, 0, 0, 0, 2, 2, 2, -1, -1, -1]
    truth = "aaab" + "aab" + "ccb"
    scores = score(labels, truth)
    assert list(scores) == KEYS
    assert (scores["n"], scores["k_true"], scores["k_found"]) == (10, 3, 2)
    assert scores["noise"] == 0.3
    assert scores["acc"] == 0.4  # 0 is a (3 right), 2 is b (1 right); noise is wrong
    assert scores["purity"] == 0.7  # 3 + 2 of the clusters, 2 of the noise
    assert scores["decisions"] == 2
    assert scores["coverage"] == 0.7
    assert scores["label_accuracy"] == pytest.approx(5 / 7)
    assert scores["types_found"] == pytest.approx(1 / 3)  # both clusters are named a


def test_all_noise_names_nothing():
    scores = score([-1, -1, -1], "aab")
    assert scores["purity"] == pytest.approx(2 / 3)
    assert scores["noise"] == 1
    assert {scores[key] for key in ("acc", "coverage", "label_accuracy", "types_found")} == {0}
    assert (scores["k_found"], scores["decisions"], scores["ari"]) == (0, 0, 0)


def test_more_types_than_clusters_and_more_clusters_than_types():
    assert score([0, 0, 0], "abc")["acc"] == pytest.approx(1 / 3)
    assert score([0, 1, 2], "aaa")["acc"] == pytest.approx(1 / 3)


def test_a_sum_that_greedy_matching_misses():
    # greedy takes (0, a) with 3, leaving (1, b) with 0: 3; the best is (0, b) + (1, a): 2 + 2
    assert score([0] * 5 + [1] * 2, "aaabb" + "aa")["acc"] == pytest.approx(4 / 7)


@pytest.mark.parametrize(("labels", "truth"), [([], ""), ([0], "ab")])
def test_nothing_to_score_is_a_bug(labels, truth):
    with pytest.raises(ValueError, match="labels for"):
        score(labels, truth)


pairs = st.lists(st.tuples(st.integers(-1, 4), st.sampled_from("abc")), min_size=1, max_size=40)


@given(pairs)
def test_scores_agree_with_scikit_learn(pairs):
    labels, truth = (np.array(side) for side in zip(*pairs, strict=True))
    scores = score(labels, truth)
    assert scores["nmi"] == pytest.approx(normalized_mutual_info_score(truth, labels))
    assert scores["ami"] == pytest.approx(adjusted_mutual_info_score(truth, labels))
    assert scores["ari"] == pytest.approx(adjusted_rand_score(truth, labels))
    table = contingency_matrix(truth, labels)
    assert scores["purity"] == pytest.approx(table.max(axis=0).sum() / len(pairs))
    assert scores["coverage"] == pytest.approx(1 - scores["noise"])
    assert all(-1 <= scores[key] <= 1 for key in KEYS[3:9] + KEYS[10:])


@given(st.lists(st.integers(0, 4), min_size=2, max_size=30))
def test_a_perfect_clustering_scores_one(types):
    scores = score(types, [f"type {t}" for t in types])
    expected = {"nmi", "ami", "ari", "acc", "purity", "coverage", "label_accuracy", "types_found"}
    if len(set(types)) == 1:
        # scikit-learn defines one cluster of one type as perfect agreement
        assert scores["ari"] == 1
    assert {key for key in expected if scores[key] == pytest.approx(1)} == expected
    assert scores["decisions"] == scores["k_found"] == scores["k_true"] == len(set(types))


@given(pairs, st.permutations(range(5)), st.randoms())
def test_scores_do_not_depend_on_numbers_names_or_order(pairs, numbers, random):
    renamed = [
        (numbers[label] if label >= 0 else -1, {"a": "z", "b": "y", "c": "x"}[t])
        for label, t in pairs
    ]
    random.shuffle(renamed)
    before = score(*zip(*pairs, strict=True))
    after = score(*zip(*renamed, strict=True))
    # which of two equally frequent types names a cluster depends on their names
    tied = {"types_found"}
    assert {k: pytest.approx(v) for k, v in before.items() if k not in tied} == {
        k: v for k, v in after.items() if k not in tied
    }


def test_copies_count_once():
    labels = np.array([0, 0, 0, 1, 1, -1], np.int32)
    truth = np.array(list("aaabbb"))
    groups = np.array([0, 0, 0, 1, 2, 2], np.int32)
    once = score_once(labels, truth, groups)
    assert (3, 0) == (once.pop("copies"), once.pop("disagreeing"))
    assert score_clustering(labels[[0, 3, 4]], truth[[0, 3, 4]]) == once
    assert 1 == score_once(labels, np.array(list("abaaaa")), groups)["disagreeing"]
