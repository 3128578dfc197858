"""Intervals, risk against coverage, thresholds, calibration and novelty, each against a sum
done by hand or a published value, and against what must hold whatever the data.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from discovery.classifier.evaluation import score_novelty, summarise_left_out
from discovery.classifier.evaluation.calibration import (
    apply_temperature,
    bin_reliability,
    fit_temperature,
    measure_brier,
    measure_ece,
)
from discovery.classifier.evaluation.correctness import compare_paired, estimate_interval
from discovery.classifier.evaluation.coverage import (
    choose_threshold,
    choose_threshold_for_rejection,
    thin_curve,
    trace_risk_coverage,
)

# Few distinct confidences, so that ties are common.
ANSWERS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 1.0]), st.booleans()),
    min_size=1, max_size=40,
)  # fmt: skip


def split(answers):
    confidences, correct = zip(*answers, strict=True)
    return np.array(confidences, np.float32), np.array(correct, bool)


def test_the_score_interval_is_wilsons():
    # Brown, Cai and DasGupta (2001): 95 % interval of 0 of 10 and of 5 of 10.
    assert pytest.approx((0.0, 0.27753), abs=1e-5) == estimate_interval(0, 10)
    assert pytest.approx((0.23659, 0.76341), abs=1e-5) == estimate_interval(5, 10)
    assert estimate_interval(0, 0) is None


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share(n, data):
    successes = data.draw(st.integers(0, n))
    low, high = estimate_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1


def test_mcnemar_by_hand():
    first = np.array([1, 1, 1, 1, 1, 1, 0, 1], bool)
    second = np.array([0, 0, 0, 0, 0, 1, 0, 1], bool)
    # 5 against 0: two tails of 1/32 each.
    assert {"first_only": 5, "second_only": 0, "p": 2 / 32} == compare_paired(first, second)
    assert 1.0 == compare_paired(first, first)["p"]


def test_area_under_risk_coverage_by_hand():
    confidences = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, True])
    curve = trace_risk_coverage(confidences, correct)
    assert [0.25, 0.5, 0.75, 1.0] == curve.coverages.tolist()
    assert pytest.approx([0, 1 / 2, 1 / 3, 1 / 4]) == curve.risks
    assert pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4) == curve.area
    # The best order puts the wrong one last: risks 0, 0, 0, 1/4.
    assert pytest.approx((1 / 2 + 1 / 3) / 4) == curve.excess_area


def test_equal_confidences_count_as_the_mean_of_their_orders():
    tied = trace_risk_coverage(np.array([0.5, 0.5]), np.array([True, False]))
    # right first: (0 + 1/2) / 2; wrong first: (1 + 1/2) / 2
    assert 1 == len(tied)
    assert pytest.approx((0.25 + 0.75) / 2) == tied.area


@given(ANSWERS, st.randoms())
def test_no_order_beats_the_perfect_one(answers, random):
    confidences, correct = split(answers)
    area = trace_risk_coverage(confidences, correct).area
    perfect = trace_risk_coverage(correct.astype(float), correct)
    assert perfect.area <= area + 1e-12
    assert perfect.excess_area == pytest.approx(0, abs=1e-12)
    random.shuffle(answers)
    assert pytest.approx(area) == trace_risk_coverage(*split(answers)).area


def test_a_threshold_keeps_the_target_by_hand():
    confidences = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, True, False, True, True])
    assert 0.5 == choose_threshold(confidences, correct, target_purity=0.8)  # 4 of 5 are right
    assert 0.8 == choose_threshold(confidences, correct, target_purity=0.9)
    assert np.inf == choose_threshold(confidences, ~correct, target_purity=1)
    with pytest.raises(ValueError, match="target_purity is 95"):
        choose_threshold(confidences, correct, target_purity=95)


@given(ANSWERS, st.data())
def test_a_purer_target_never_answers_more(answers, data):
    confidences, correct = split(answers)
    targets = sorted(data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=5)))
    found = [choose_threshold(confidences, correct, target_purity=target) for target in targets]
    assert sorted(found) == found
    for target, threshold in zip(targets, found, strict=True):
        accepted = confidences >= threshold
        assert not accepted.any() or correct[accepted].mean() >= target - 1e-12


@given(ANSWERS, st.floats(0, 1))
def test_no_more_is_rejected_than_allowed(answers, share):
    confidences, _ = split(answers)
    threshold = choose_threshold_for_rejection(confidences, max_rejection=share)
    assert (confidences < threshold).mean() <= share + 1e-9
    # The next higher threshold would reject too many.
    higher = confidences[confidences > threshold].min(initial=np.inf)
    assert threshold == np.inf or (confidences < higher).mean() > share - 1e-9


def test_rejection_counts_whole_images():
    confidences = np.arange(100) / 100
    assert 0.29 == choose_threshold_for_rejection(confidences, max_rejection=0.29)
    assert np.inf == choose_threshold_for_rejection(confidences, max_rejection=1)


def test_a_thinned_curve_keeps_its_ends():
    curve = trace_risk_coverage(np.linspace(0, 1, 5000), np.ones(5000, bool))
    points = thin_curve(curve)
    assert 100 == len(points)
    assert (1 / 5000, 1.0) == (points[0]["coverage"], points[-1]["coverage"])
    assert {"coverage": 1.0, "risk": 0.0, "threshold": 0.0} == points[-1]


def test_calibration_by_hand():
    confidences = np.array([0.6, 0.6, 0.9, 1.0])
    correct = np.array([True, False, True, True])
    binned = bin_reliability(confidences, correct, bins=2)
    assert ([2, 2], [1, 2]) == (binned.counts.tolist(), binned.right.tolist())
    assert pytest.approx([0.6, 0.95]) == binned.confidences
    assert pytest.approx((0.1 + 0.05) / 2) == measure_ece(binned)
    assert pytest.approx((0.16 + 0.36 + 0.01 + 0) / 4) == measure_brier(confidences, correct)


@given(ANSWERS, st.integers(1, 20), st.randoms())
def test_the_calibration_error_is_a_share(answers, bins, random):
    confidences, correct = split(answers)
    binned = bin_reliability(confidences, correct, bins=bins)
    assert len(binned.counts) <= bins
    assert 0 <= measure_ece(binned) <= 1
    random.shuffle(answers)
    again = bin_reliability(*split(answers), bins=bins)
    assert pytest.approx(measure_ece(binned)) == measure_ece(again)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.3, 1.0, 2.5]))
def test_the_temperature_is_found_again(seed, temperature):
    rng = np.random.default_rng(seed)
    true_logits = rng.normal(0, 2, (4000, 3))
    shares = apply_temperature(true_logits, 1.0)
    y = (rng.random((4000, 1)) > shares.cumsum(axis=1)).sum(axis=1).clip(max=2)
    assert pytest.approx(temperature, rel=0.15) == fit_temperature(true_logits * temperature, y)


def test_right_answers_alone_prove_no_certainty():
    n = 98
    logits = np.tile(np.array([[8.0, 0.0]]), (n, 1))
    temperature = fit_temperature(logits, np.zeros(n, int))
    assert pytest.approx(1 - 1 / (n + 2), abs=1e-4) == apply_temperature(logits, temperature)[0, 0]


def test_temperatures_are_bounded():
    logits = np.array([[5.0, 0], [0, 5.0]], np.float32)
    assert 100 < fit_temperature(logits, np.array([1, 0])) < 150  # every answer wrong
    assert 1.0 == fit_temperature(np.ones((5, 1)), np.zeros(5, int))
    with pytest.raises(ValueError, match="temperature is 0"):
        apply_temperature(logits, 0)
    with pytest.raises(ValueError, match=r"logits \(2, 2\) for 3 true classes"):
        fit_temperature(logits, np.zeros(3, int))


def test_novelty_by_hand():
    known = np.arange(20) / 20  # 0 to 0.95: one of 20 may be a false alarm
    unknown = np.array([0.925, 0.5, 2.0, 2.0])
    scored = score_novelty(known, unknown)
    assert pytest.approx((19 + 10.5 + 20 + 20) / 80) == scored["auroc"]
    assert 0.75 == scored["recall_at_5_false_alarms"]  # above 0.9, the second highest known
    assert (20, 4) == (scored["n_known"], scored["n_unknown"])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.lists(st.integers(0, 5)))
def test_novelty_scores_are_shares_or_absent(known, unknown):
    scored = score_novelty(np.array(known, float), np.array(unknown, float))
    if not unknown:
        assert (None, None) == (scored["auroc"], scored["recall_at_5_false_alarms"])
        return
    truth = np.repeat([0, 1], [len(known), len(unknown)])
    assert pytest.approx(roc_auc_score(truth, known + unknown)) == scored["auroc"]
    assert 0 <= scored["recall_at_5_false_alarms"] <= 1


def test_left_out_types_are_listed_from_the_hardest():
    none = score_novelty(np.array([1.0]), np.array([]))
    easy = score_novelty(np.zeros(20), np.ones(4))
    hard = score_novelty(np.zeros(20), np.array([0.0, 0.0, 1.0, 1.0]))
    summary = summarise_left_out({"easy": easy, "none": none, "hard": hard})
    assert ["hard", "easy", "none"] == [row["label"] for row in summary["types"]]
    assert {"auroc": 0.875, "recall_at_5_false_alarms": 0.75} == summary["mean"]
    assert "hard" == summary["worst"]
    assert {"auroc": None, "recall_at_5_false_alarms": None} == summarise_left_out({})["mean"]
