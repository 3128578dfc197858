"""The classifier's answers as a noun: what it accepts and what it refuses."""

import numpy as np
import pytest

from discovery.records import Predictions


def make_predictions(**changed):
    """Three images of a tree of three levels: named deep, named at an inner node, unknown."""
    nan = np.nan
    fields = {
        "ids": np.array(["a", "b", "c"]),
        "labels": np.array(["defect/large/particle", "defect", ""]),
        "forced": np.array(["defect/large/particle", "defect/small/scratch", "no_defect"]),
        "level_probabilities": np.array(
            [[0.9, 0.8, 1.0], [0.9, 0.5, 0.5], [0.6, nan, nan]], np.float32
        ),
        "confidences": np.array([0.72, 0.225, 0.6], np.float32),
        "verdicts": np.array(["named", "named", "unknown"]),
        "novelties": np.array([0.2, 0.9, 3.0], np.float32),
        "noises": np.array([0.01, nan, 0.2], np.float32),
    }
    return Predictions(**{**fields, **changed})


def make_column(*values):
    return np.array(values, np.float32)


def test_answers_are_aligned_and_counted():
    predictions = make_predictions()
    assert 3 == len(predictions)
    assert 3 == predictions.depth
    assert [True, True, False] == predictions.named.tolist()


def test_no_image_is_an_answer_too():
    none, empty = np.array([], np.str_), np.zeros(0, np.float32)
    predictions = Predictions(
        ids=none, labels=none, forced=none, level_probabilities=np.zeros((0, 3), np.float32),
        confidences=empty, verdicts=none, novelties=empty, noises=empty,
    )  # fmt: skip
    assert (0, 3) == (len(predictions), predictions.depth)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ids": np.array(["a", "b", "a"])}, "ids are not unique"),
        ({"ids": np.array([1, 2, 3])}, "ids is int64, expected str"),
        ({"labels": np.array(["defect", "defect"])}, r"labels has shape \(2,\), expected \(3,\)"),
        ({"confidences": np.array([0.1, 0.2, 0.3])}, "confidences is float64, expected float32"),
        ({"confidences": make_column(0.1, 0.2, 1.1)}, r"confidences must lie in \[0, 1\]"),
        ({"confidences": make_column(0.1, 0.2, np.nan)}, r"confidences must lie in \[0, 1\]"),
        ({"novelties": make_column(0, -0.1, 0)}, "novelties must be finite and 0 or more"),
        ({"novelties": make_column(0, np.inf, 0)}, "novelties must be finite and 0 or more"),
        ({"noises": make_column(0, np.nan, -1)}, "noises must be 0 or more"),
        ({"verdicts": np.array(["named", "sure", "named"])}, "verdict 'sure', expected one of"),
        ({"labels": np.array(["", "defect", ""])}, "named '', expected 'defect/large/particle'"),
        ({"labels": np.array(["defect/la", "defect", ""])}, "named 'defect/la', expected"),
        (
            {"forced": np.array(["defect/large/particle", "defect/small/scratch", ""])},
            "forced must",
        ),
        ({"level_probabilities": np.ones((3, 0), np.float32)}, "level_probabilities have shape"),
        ({"level_probabilities": np.ones((3, 2), np.float32)}, "label paths of 1 to 2 parts"),
        ({"level_probabilities": np.ones((3, 3), np.float32)}, "NaN below it"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        make_predictions(**changed)


def test_what_is_not_named_may_carry_any_label():
    assert "defect" == make_predictions(labels=np.array(["defect", "defect", "defect"])).labels[2]
