"""Scores of a cascade: what counts as right at which depth, and every figure by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.classifier.evaluation import choose_mistakes, score_predictions, score_variant
from discovery.classifier.evaluation.correctness import count_parts, cut_paths, judge_vouched
from discovery.records import Predictions

LEAVES = ("defect/large/particle", "defect/small/scratch", "defect/small/particle", "no_defect")
TRUTHS = (*LEAVES, "defect", "defect/small", "other/type")


def make_predictions(forced, *, labels=None, verdicts=None, confidences=None, **changed):
    """Answers of a three-level tree; every level has the same conditional probability."""
    n = len(forced)
    forced = np.array(forced, np.str_)
    sure = np.full(n, 0.8) if confidences is None else np.array(confidences, float)
    parts = np.char.count(forced, "/") + 1
    levels = np.where(np.arange(3) < parts[:, None], sure[:, None] ** (1 / parts[:, None]), np.nan)
    fields = {
        "ids": np.array([f"id{i}" for i in range(n)]),
        "labels": forced if labels is None else np.array(labels, np.str_),
        "forced": forced,
        "level_probabilities": levels.astype(np.float32),
        "confidences": sure.astype(np.float32),
        "verdicts": np.array(verdicts or ["named"] * n),
        "novelties": np.zeros(n, np.float32),
        "noises": np.full(n, np.nan, np.float32),
    }
    return Predictions(**{**fields, **changed})


def score(forced, truth, **options):
    flat = options.pop("flat", None)
    return score_predictions(
        make_predictions(forced, **options),
        np.array(truth),
        flat=None if flat is None else np.array(flat),
    )


def test_paths_are_cut():
    labels = np.array(["a/b/c", "a", ""])
    assert [3, 1, 0] == count_parts(labels).tolist()
    assert ["a/b", "a", ""] == cut_paths(labels, 2).tolist()
    assert ["a", "", ""] == cut_paths(labels, np.array([1, 0, 2])).tolist()


def test_an_answer_is_judged_at_the_truths_own_depth():
    particle, scratch = "defect/large/particle", "defect/small/scratch"
    truth = ["defect/large", "defect", particle, particle, "defect/large", "no_defect/dark"]
    forced = [particle, particle, particle, scratch, "no_defect", "no_defect"]
    assert 3 / 6 == score(forced, truth)["accuracy"]


def test_what_is_vouched_for_is_judged_at_its_own_depth():
    labels = np.array(["defect", "defect/large", "no_defect", "", "defect/large"])
    truth = np.array(["defect/large/particle", "defect", "defect", "defect", "defect/small"])
    assert [True, True, False, False, False] == judge_vouched(labels, truth).tolist()


def test_levels_by_hand():
    truth = ["defect/large/particle"] * 2 + ["defect/small/scratch"] * 2 + ["no_defect", "defect"]
    forced = [
        "defect/large/particle", "defect/small/scratch",  # the second is wrong from L2 on
        "no_defect", "defect/small/particle",  # wrong from L1 on; wrong at L3 only
        "no_defect", "defect/large/particle",
    ]  # fmt: skip
    scores = score(forced, truth)
    first, second, third = (scores["levels"][level] for level in ("L1", "L2", "L3"))
    assert (6, 4, 4) == (first["n"], second["n"], third["n"])
    assert pytest.approx((5 / 6, 2 / 4, 1 / 4)) == (
        first["accuracy"], second["accuracy"], third["accuracy"],
    )  # fmt: skip
    assert (6, 3, 2) == tuple(level["n_given_parent"] for level in (first, second, third))
    assert pytest.approx((5 / 6, 2 / 3, 1 / 2)) == tuple(
        level["accuracy_given_parent"] for level in (first, second, third)
    )
    assert {"labels": ["defect", "no_defect"], "matrix": [[4, 1], [0, 1]]} == first["confusion"]
    assert {
        "labels": ["defect/large", "defect/small", "no_defect"],
        "matrix": [[1, 1, 0], [0, 1, 1], [0, 0, 0]],
    } == second["confusion"]
    assert {"n": 2, "precision": 1.0, "recall": 0.5, "f1": 2 / 3} == second["classes"][
        "defect/large"
    ]
    # Answered and never true: no recall, and no part of the means.
    assert {"n": 0, "precision": 0.0, "recall": None, "f1": 0.0} == second["classes"]["no_defect"]
    assert pytest.approx((1 + 0.5) / 2) == second["precision"]
    assert pytest.approx((0.5 + 0.5) / 2) == second["recall"]


def test_a_class_never_answered_has_no_precision_and_pulls_the_mean_down():
    scores = score(["no_defect"] * 2, ["no_defect", "defect/large/particle"])
    classes = scores["final"]["classes"]
    assert classes["defect/large/particle"]["precision"] is None
    assert 0.25 == scores["final"]["precision"]


def test_coverage_and_what_was_rejected():
    scores = score(
        ["defect/large/particle"] * 4,
        ["defect/large/particle", "defect/large/blob", "no_defect", "no_defect"],
        labels=["defect/large/particle", "defect/large", "", ""],
        verdicts=["named", "named", "unknown", "undecided"],
    )
    assert (0.5, 1.0, 0.25) == (
        scores["coverage"], scores["accuracy_named"], scores["named_whole"],
    )  # fmt: skip
    assert {"unknown": 0.25, "undecided": 0.25} == scores["rejected"]
    assert 0.25 == scores["accuracy"]


def test_nothing_named_has_no_accuracy():
    scores = score(["no_defect"], ["no_defect"], labels=[""], verdicts=["unknown"])
    assert (0.0, None, None) == (
        scores["coverage"], scores["accuracy_named"], scores["accuracy_named_interval"],
    )  # fmt: skip


def test_the_flat_baseline_is_judged_by_the_same_rule():
    truth = ["defect/large"] * 3 + ["no_defect"] * 3
    forced = ["defect/large/particle"] * 3 + ["no_defect"] * 3
    flat = ["defect/large/particle", "defect/small/scratch", "defect"] + ["no_defect"] * 3
    scores = score(forced, truth, flat=flat)
    assert (1.0, 4 / 6) == (scores["accuracy"], scores["flat_accuracy"])
    assert {"cascade_only_right": 2, "flat_only_right": 0, "p": 0.5} == scores["flat_difference"]
    assert score(forced, truth)["flat_difference"] is None


def test_a_truth_at_an_inner_node_takes_the_probability_down_to_it():
    # 0.512 for the whole path is 0.8 a level: "defect" alone is 80 % sure.
    scores = score(["defect/large/particle"], ["defect"], confidences=[0.512])
    assert pytest.approx(0.8) == scores["mean_confidence"]
    assert pytest.approx(0.2) == scores["ece"]
    assert pytest.approx(0.04) == scores["brier"]
    whole = score(["defect/large/particle"], ["defect/large/particle"], confidences=[0.512])
    assert pytest.approx(0.512) == whole["mean_confidence"]


def test_a_truth_that_is_a_leaf_puts_the_whole_path_at_stake():
    # Wrong at L1 already, and 0.512 sure of its whole path, which is what was wrong.
    scores = score(["defect/large/particle"], ["no_defect"], confidences=[0.512])
    assert pytest.approx(0.512) == scores["mean_confidence"] == scores["ece"]


def test_noise_bands_by_hand():
    forced, truth = ["no_defect"] * 7, ["no_defect"] * 5 + ["defect"] * 2
    assert score(forced, truth)["noise"] is None
    noises = np.array([0.3, 0.1, 0.2, np.nan, 0.4, 0.5, 0.6], np.float32)
    noise = score(forced, truth, noises=noises)["noise"]
    assert 6 == noise["measured"]
    assert [1.0, 1.0, 0.0] == [band["accuracy"] for band in noise["bands"]]
    assert pytest.approx([0.1, 0.3, 0.5]) == [band["low"] for band in noise["bands"]]
    assert pytest.approx([0.2, 0.4, 0.6]) == [band["high"] for band in noise["bands"]]


def test_the_noise_gate_passes_through():
    gate = {"limit": 0.1, "shut": 3}
    predictions = make_predictions(["no_defect"])
    assert gate == score_predictions(predictions, np.array(["no_defect"]), noise_gate=gate)[
        "noise_gate"
    ]  # fmt: skip


def test_a_variant_is_a_row_of_the_ablation():
    row = score_variant("deep only", np.array(["a/b", "c"]), np.array(["a", "d"]))
    assert ("deep only", 2, 0.5) == (row["name"], row["n"], row["accuracy"])
    assert row["accuracy_interval"][0] < 0.5 < row["accuracy_interval"][1]


@pytest.mark.parametrize(
    ("truth", "flat", "message"),
    [
        (["no_defect"], None, "2 predictions"),
        (["no_defect", ""], None, "a truth is empty"),
        (["no_defect", "defect"], ["no_defect"], "2 predictions"),
    ],
)
def test_what_does_not_fit_is_refused(truth, flat, message):
    with pytest.raises(ValueError, match=message):
        score(["no_defect"] * 2, truth, flat=flat)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(LEAVES),
        st.sampled_from(TRUTHS),
        st.sampled_from(LEAVES),
        st.sampled_from([0.1, 0.5, 0.9]),
        st.sampled_from(["named", "unknown", "undecided"]),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


def score_rows(rows):
    forced, truth, flat, confidences, verdicts = (
        list(column) for column in zip(*rows, strict=True)
    )
    return score(forced, truth, flat=flat, confidences=confidences, verdicts=verdicts)


@given(ROWS, st.randoms())
def test_the_order_of_the_images_changes_nothing(rows, random):
    before = score_rows(rows)
    random.shuffle(rows)
    after = score_rows(rows)
    for name in ("accuracy", "flat_accuracy", "coverage", "accuracy_named", "ece", "aurc", "brier"):
        assert pytest.approx(before[name]) == after[name]
    assert before["levels"] == after["levels"]
    assert before["flat_difference"] == after["flat_difference"]


@given(ROWS)
def test_the_figures_agree_with_each_other_and_are_json(rows):
    scores = score_rows(rows)
    json.dumps(scores, allow_nan=False)
    assert pytest.approx(1) == scores["coverage"] + sum(scores["rejected"].values())
    assert scores["accuracy"] == scores["final"]["accuracy"]
    assert pytest.approx(scores["accuracy"]) == 1 - scores["risk_coverage"][-1]["risk"]
    for level in (*scores["levels"].values(), scores["final"]):
        matrix = np.array(level["confusion"]["matrix"])
        assert level["n"] == matrix.sum() == sum(c["n"] for c in level["classes"].values())
        assert pytest.approx(level["accuracy"]) == np.trace(matrix) / level["n"]
    deeper = [level["accuracy"] * level["n"] for level in scores["levels"].values()]
    assert sorted(deeper, reverse=True) == deeper  # right below needs right above


def test_mistakes_come_surest_first_then_what_was_not_named():
    predictions = make_predictions(
        ["no_defect"] * 7,
        labels=["no_defect"] * 3 + [""] * 4,
        verdicts=["named"] * 3 + ["unknown", "undecided", "undecided", "unknown"],
        confidences=[0.7, 0.9, 0.8, 0.5, 0.4, 0.3, 0.5],
        novelties=np.array([0, 0, 0, 1.5, 0, 0, 2], np.float32),
    )
    truth = np.array(["defect", "defect", "no_defect"] + ["defect"] * 4)
    assert ["id1", "id0", "id6", "id5", "id3", "id4"] == choose_mistakes(predictions, truth)
    assert ["id1", "id0", "id6"] == choose_mistakes(predictions, truth, limit=3)
    assert ["id1"] == choose_mistakes(predictions, truth, limit=1)
    assert [] == choose_mistakes(predictions, truth, limit=0)


def test_an_answer_at_an_inner_node_that_is_right_is_no_mistake():
    predictions = make_predictions(["defect/large/particle"], labels=["defect"])
    assert [] == choose_mistakes(predictions, np.array(["defect/small/scratch"]))
