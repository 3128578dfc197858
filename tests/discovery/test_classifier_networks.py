"""The network of one node: what it learns, what must not disturb it, what it must not disturb."""

import numpy as np
import pytest
import torch

from discovery.classifier.networks import Head, Schedule

pytestmark = pytest.mark.usefixtures("few_steps")
LABELS = ("pit", "scratch", "Ätzung")
SCHEDULE = Schedule(epochs=5, seed=0)


def fit(rows, labels, weights=None, *, classes=LABELS, schedule=SCHEDULE):
    """Train on rows (n, p), one copy an image; labels that are no class are left out."""
    targets = np.array([[*classes, label].index(label) for label in labels.tolist()])
    return Head.fit(
        rows[:, None],
        np.where(targets < len(classes), targets, -1),
        np.ones(len(rows), np.float32) if weights is None else weights.astype(np.float32),
        classes=classes,
        schedule=schedule,
    )


def predict(head, rows):
    return np.array(head.classes)[head.logits(rows[:, None]).argmax(axis=1)]


@pytest.fixture(scope="module")
def blobs(make_blobs):
    return make_blobs(LABELS, size=30)


@pytest.fixture(scope="module")
def head(few_steps, blobs):
    return fit(*blobs)


def test_blobs_are_told_apart(head, make_blobs):
    rows, labels = make_blobs(LABELS, size=30, seed=1)
    assert np.mean(predict(head, rows) == labels) > 0.97


def test_an_answer_does_not_depend_on_the_other_rows(head, blobs):
    rows = blobs[0][:, None]
    alone = np.concatenate([head.logits(rows[i : i + 1]) for i in range(9)])
    np.testing.assert_allclose(head.logits(rows)[:9], alone, atol=1e-4)


def test_the_seed_decides_and_the_global_generator_does_not(head, blobs):
    rows = blobs[0][:, None]
    torch.manual_seed(987)
    np.testing.assert_array_equal(head.logits(rows), fit(*blobs).logits(rows))
    other = fit(*blobs, schedule=Schedule(epochs=5, seed=1))
    assert not np.array_equal(head.logits(rows), other.logits(rows))


def test_the_global_generators_stay_as_they_were(blobs):
    torch.manual_seed(5)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fit(*blobs)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_given_back(blobs, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        fit(*blobs)
        assert threads == torch.get_num_threads()
        with pytest.raises(IndexError):  # the last layer has no such class
            _fail_inside_training(blobs)
        assert threads == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _fail_inside_training(blobs):
    from discovery.classifier.networks import _make_net, _train

    net = _make_net(blobs[0].shape[1], 4, 2, seed=0)
    targets = np.full(len(blobs[0]), 7)
    weights = np.ones(len(blobs[0]), np.float32)
    _train(net, (blobs[0], targets, weights), Schedule(epochs=1, seed=0))


def test_images_of_no_class_are_as_good_as_absent(head, blobs):
    rows, labels = blobs
    far = rows + 1000  # would move the batch norm's statistics
    both = fit(np.vstack([rows, far]), np.append(labels, np.full(90, "elsewhere")))
    np.testing.assert_array_equal(head.logits(rows[:, None]), both.logits(rows[:, None]))


def test_a_class_without_images_is_never_chosen(blobs):
    rows, labels = blobs
    inside = labels != "pit"
    fitted = fit(rows[inside], labels[inside])
    assert (1, 2) == fitted.trained
    assert (90, 3) == fitted.logits(rows[:, None]).shape
    assert {"scratch", "Ätzung"} == set(predict(fitted, rows).tolist())


def test_a_heavier_class_wins_where_two_lie_on_each_other(make_blobs):
    rows, labels = make_blobs(("a", "b"), size=60, gap=0)
    heavy = fit(rows, labels, np.where(labels == "b", 1.0, 0.05), classes=("a", "b"))
    fresh, _ = make_blobs(("a", "b"), gap=0, seed=1)
    assert np.mean(predict(heavy, fresh) == "b") > 0.9


def test_only_the_columns_of_the_span_are_seen(make_blobs):
    rows, _ = make_blobs(("a", "b"), size=12)
    head = Head.fit(
        rows[:, None],
        np.repeat([0, 1], 12),
        np.ones(24, np.float32),
        classes=("a", "b"),
        span=(0, 4),
        schedule=SCHEDULE,
    )
    other = rows.copy()
    other[:, 4:] += 100
    np.testing.assert_array_equal(head.logits(rows[:, None]), head.logits(other[:, None]))


@pytest.mark.parametrize("n", [2, 3, 257])
def test_any_number_of_rows_is_learned(n):
    # 257 leaves a batch of one row, over which a batch norm has no spread.
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b"])[np.arange(n) % 2]
    fitted = fit(rng.normal(size=(n, 5)).astype(np.float32), labels, classes=("a", "b"))
    asked = rng.normal(size=(4, 1, 5)).astype(np.float32)
    assert np.isfinite(fitted.logits(asked)).all()


def test_copies_and_constant_rows_give_numbers():
    rows = np.ones((8, 5), np.float32)
    fitted = fit(rows, np.array(["a", "b"])[np.arange(8) % 2], classes=("a", "b"))
    assert np.isfinite(fitted.logits(rows[:, None])).all()


def test_arrays_give_back_the_same_network(head, blobs):
    facts = {"classes": head.classes, "trained": head.trained, "span": head.span}
    again = Head.from_arrays(head.to_arrays(), **facts, hidden=head.hidden)
    np.testing.assert_array_equal(head.logits(blobs[0][:, None]), again.logits(blobs[0][:, None]))


def test_arrays_of_another_network_are_refused(head):
    arrays = head.to_arrays()
    facts = {"classes": head.classes, "span": head.span}
    with pytest.raises(RuntimeError, match="size mismatch"):
        Head.from_arrays(arrays, **facts, trained=head.trained, hidden=8)
    with pytest.raises(RuntimeError, match="size mismatch"):
        Head.from_arrays(arrays, **facts, trained=head.trained[:2], hidden=head.hidden)
    del arrays["1.running_mean"]
    with pytest.raises(KeyError, match="running_mean"):
        Head.from_arrays(arrays, **facts, trained=head.trained, hidden=head.hidden)
