"""The linear member: what it learns, and that it answers as a network does."""

import numpy as np
import pytest

from discovery.classifier.logistic import LogisticHead

LABELS = ("pit", "scratch", "Ätzung")


def fit(rows, labels, weights=None, *, classes=LABELS):
    targets = np.array([[*classes, label].index(label) for label in labels.tolist()])
    return LogisticHead.fit(
        rows[:, None],
        np.where(targets < len(classes), targets, -1),
        np.ones(len(rows), np.float32) if weights is None else weights,
        classes=classes,
        span=(0, rows.shape[1]),
    )


def predict(head, rows):
    return np.array(head.classes)[head.logits(rows[:, None]).argmax(axis=1)]


@pytest.mark.parametrize("classes", [LABELS[:2], LABELS])
def test_blobs_are_told_apart(make_blobs, classes):
    head = fit(*make_blobs(classes, size=30), classes=classes)
    rows, labels = make_blobs(classes, size=30, seed=1)
    assert np.mean(predict(head, rows) == labels) > 0.97


def test_two_classes_come_to_the_same_as_scikit_learns(make_blobs):
    from sklearn.linear_model import LogisticRegression

    rows, labels = make_blobs(("a", "b"), size=20, gap=2)
    head = fit(rows, labels, classes=("a", "b"))
    logits = head.logits(rows[:, None])
    expected = LogisticRegression(C=1.0, max_iter=1000).fit(rows, labels).decision_function(rows)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], expected, rtol=1e-3, atol=1e-4)


def test_a_class_without_images_is_never_chosen(make_blobs):
    rows, labels = make_blobs(LABELS, size=9)
    head = fit(rows[9:], labels[9:])
    assert (1, 2) == head.trained
    assert {"scratch", "Ätzung"} == set(predict(head, rows).tolist())
    alone = fit(rows[:9], labels[:9])
    assert {"pit"} == set(predict(alone, rows).tolist())


def test_images_of_no_class_are_as_good_as_absent(make_blobs):
    rows, labels = make_blobs(LABELS, size=9)
    both = fit(np.vstack([rows, rows + 99]), np.append(labels, np.full(27, "elsewhere")))
    np.testing.assert_array_equal(fit(rows, labels).coefficients, both.coefficients)


def test_copies_are_averaged_and_other_columns_not_seen(make_blobs):
    rows, labels = make_blobs(LABELS, size=9)
    copies = np.stack([rows - 1, rows + 1], axis=1)
    targets = np.array([LABELS.index(label) for label in labels.tolist()])
    head = LogisticHead.fit(copies, targets, np.ones(27, np.float32), classes=LABELS, span=(0, 4))
    changed = copies.copy()
    changed[:, :, 4:] += 50
    np.testing.assert_allclose(head.logits(copies), head.logits(rows[:, None]), atol=1e-4)
    np.testing.assert_array_equal(head.logits(copies), head.logits(changed))


def test_arrays_give_back_the_same_line_and_others_are_refused(make_blobs):
    rows, labels = make_blobs(LABELS, size=9)
    head = fit(rows, labels)
    facts = {"classes": head.classes, "trained": head.trained}
    again = LogisticHead.from_arrays(head.to_arrays(), **facts, span=head.span)
    np.testing.assert_array_equal(head.logits(rows[:, None]), again.logits(rows[:, None]))
    with pytest.raises(ValueError, match="coefficients"):
        LogisticHead.from_arrays(head.to_arrays(), **facts, span=(0, 3))
    with pytest.raises(KeyError, match="offsets"):
        LogisticHead.from_arrays({"coefficients": head.coefficients}, **facts, span=head.span)
