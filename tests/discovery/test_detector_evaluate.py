"""Scores against cases counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.detector.boxes import Boxes, intersect_areas
from discovery.detector.evaluate import choose_count_threshold, match_boxes, score_detections

NOTHING = Boxes.make([], [])
SQUARE = (10, 10, 30, 30)
ASIDE = (20, 10, 40, 30)  # a third of the union with SQUARE
FAR = (60, 60, 90, 90)


def boxes_of(*edges, labels=None, scores=None):
    return Boxes.make(edges, [0] * len(edges) if labels is None else labels, scores)


def score_precision(truth, found, labels):
    """Return average precision over IoU .5 to .95, at .5, and at .5 of each label."""
    scores = score_detections([(truth, found)], labels, threshold=0.5)
    return scores["ap"], scores["ap50"], scores["ap50_by_label"]


def test_perfect_boxes_score_one():
    truth = boxes_of(SQUARE, FAR, labels=[0, 1])
    found = boxes_of(SQUARE, FAR, labels=[0, 1], scores=[0.9, 0.8])
    scores = score_detections([(truth, found)], ["a", "b"], threshold=0.5)
    assert (1.0, 1.0, 1.0) == pytest.approx((scores["ap50"], scores["ap"], scores["f1"]))
    assert (0.0, 1.0) == (scores["count_mae"], scores["count_exact"])
    assert {"a": 1.0, "b": 1.0} == pytest.approx(scores["ap50_by_label"])


def test_the_wrong_type_is_a_miss_but_for_the_score_without_types():
    pairs = [(boxes_of(SQUARE), boxes_of(SQUARE, labels=[1], scores=[0.9]))]
    scores = score_detections(pairs, ["a", "b"], threshold=0.5)
    assert (0.0, 1.0) == pytest.approx((scores["ap50"], scores["ap50_any_type"]))
    assert (0.0, 0.0) == (scores["precision"], scores["recall"])
    assert 0.0 == scores["count_mae"]
    assert {"a": 1.0, "b": 1.0} == scores["count_mae_by_label"]


def test_a_false_alarm_above_the_hit_halves_the_precision():
    # Precision 1/2 at recall 1: AP is .5 at each of the 101 points.
    found = boxes_of(FAR, SQUARE, scores=[0.9, 0.8])
    ap, ap50, _ = score_precision(boxes_of(SQUARE), found, ["a"])
    assert (0.5, 0.5) == pytest.approx((ap, ap50))


def test_half_of_the_defects_found():
    # Recall reaches .5: 51 of the 101 recall points have precision 1.
    truth = boxes_of(SQUARE, FAR)
    _, ap50, _ = score_precision(truth, boxes_of(SQUARE, scores=[0.9]), ["a"])
    assert 51 / 101 == pytest.approx(ap50)


def test_a_loose_box_counts_at_50_and_not_at_95():
    found = boxes_of((10, 10, 30, 25), scores=[0.9])  # IoU .75: .5 to .75 of ten thresholds
    ap, ap50, _ = score_precision(boxes_of(SQUARE), found, ["a"])
    assert (0.6, 1.0) == pytest.approx((ap, ap50))


def test_without_truth_or_without_detections():
    assert (None, None, {"a": None}) == score_precision(NOTHING, boxes_of(SQUARE), ["a"])
    assert (0.0, 0.0, {"a": 0.0, "b": None}) == score_precision(
        boxes_of(SQUARE), NOTHING, ["a", "b"]
    )


def test_count_errors_are_of_the_total_and_by_type():
    pairs = [
        (boxes_of(SQUARE, FAR, labels=[0, 1]), boxes_of(SQUARE, scores=[0.9])),  # one missed
        (NOTHING, boxes_of(SQUARE, FAR, scores=[0.9, 0.2])),  # one false, one below
        (boxes_of(FAR), boxes_of(FAR, scores=[0.9])),
        (NOTHING, NOTHING),
    ]
    scores = score_detections(pairs, ["a", "b"], threshold=0.5)
    assert (0.5, 0.0, 0.5) == (scores["count_mae"], scores["count_bias"], scores["count_exact"])
    assert {"a": 0.25, "b": 0.25} == scores["count_mae_by_label"]
    assert {
        "0": {"images": 2, "mae": 0.5},
        "1": {"images": 1, "mae": 0.0},
        "2-5": {"images": 1, "mae": 1.0},
    } == scores["count_mae_by_true_count"]
    assert (2 / 3, 2 / 3) == pytest.approx((scores["precision"], scores["recall"]))


def count_hits(truth, found):
    return len(match_boxes([(truth, found)], 1).hit_scores)


def test_each_defect_is_hit_once():
    twice = boxes_of(SQUARE, SQUARE, scores=[0.9, 0.8])
    assert 1 == count_hits(boxes_of(SQUARE), twice)
    assert 0 == count_hits(boxes_of(SQUARE), boxes_of(ASIDE))
    assert 0 == count_hits(NOTHING, twice)


def count_hits_greedily(truth, found):
    """By score, each detection takes the best free box of its label with IoU of .5 or more."""
    common = intersect_areas(found.edges, truth.edges)
    overlaps = common / (found.areas[:, None] + truth.areas[None] - common)
    overlaps[found.labels[:, None] != truth.labels[None]] = 0
    hits = 0
    for row in np.argsort(-found.scores, kind="stable"):
        if len(truth) and overlaps[row].max() >= 0.5:
            overlaps[:, overlaps[row].argmax()] = 0
            hits += 1
    return hits


@st.composite
def crowded_boxes(draw):
    n = draw(st.integers(0, 8))
    corners = draw(st.lists(st.tuples(*[st.integers(0, 12)] * 2), min_size=n, max_size=n))
    sides = draw(st.lists(st.tuples(*[st.integers(4, 9)] * 2), min_size=n, max_size=n))
    edges = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sides, strict=True)]
    labels = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    scores = draw(st.permutations(np.linspace(0.1, 0.9, 8).tolist()))[:n]
    return Boxes.make(edges, labels, scores)


@settings(deadline=None)
@given(crowded_boxes(), crowded_boxes(), st.sampled_from([0.05, 0.3, 0.65]))
def test_hits_at_a_threshold_are_those_of_the_boxes_that_reach_it(truth, found, threshold):
    expected = count_hits_greedily(truth, found.take(found.scores >= threshold))
    scores = score_detections([(truth, found)], ["a", "b"], threshold=threshold)
    assert (expected / len(truth) if len(truth) else None) == scores["recall"]


@pytest.mark.long
def test_hits_are_counted_beyond_what_coco_looks_at():
    corners = np.array([(10 * x, 10 * y) for x in range(40) for y in range(30)], float)
    truth = Boxes.make(np.concatenate([corners, corners + 8], axis=1), [0] * len(corners))
    scores = score_detections([(truth, truth)], ["dust"], threshold=0.5)
    assert (1200, 1.0, 1.0) == (scores["boxes"], scores["precision"], scores["recall"])
    assert scores["ap50"] < 1  # of the first 1,000


def test_the_threshold_is_where_counts_err_least():
    pairs = [
        (boxes_of(SQUARE), boxes_of(SQUARE, FAR, scores=[0.8, 0.4])),
        (NOTHING, boxes_of(SQUARE, scores=[0.3])),
    ]
    threshold = choose_count_threshold(pairs)
    assert 0.4 < threshold <= 0.8
    assert 0.0 == score_detections(pairs, ["a"], threshold=threshold)["count_mae"]
