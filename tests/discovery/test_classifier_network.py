"""The network of one node: what it learns, what must not disturb it, what it must not disturb."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from discovery.classifier.network import FusedNetwork, check_weights

pytestmark = pytest.mark.usefixtures("few_steps")
LABELS = ("Ätzung", "pit", "scratch")


@pytest.fixture(scope="module")
def blobs(make_blobs):
    return make_blobs(LABELS, size=30)


@pytest.fixture(scope="module")
def network(few_steps, blobs):
    return FusedNetwork(epochs=5).fit(*blobs)


def test_blobs_are_told_apart(network, make_blobs):
    rows, labels = make_blobs(LABELS, size=30, seed=1)
    assert sorted(LABELS) == network.classes_.tolist()
    assert network.score(rows, labels) > 0.97


def test_probabilities_add_up_and_agree_with_the_answers(network, blobs):
    chances = network.predict_proba(blobs[0])
    assert (90, 3) == chances.shape
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(
        network.classes_[chances.argmax(axis=1)], network.predict(blobs[0])
    )


def test_an_answer_does_not_depend_on_the_other_rows(network, blobs):
    rows = blobs[0]
    alone = np.concatenate([network.decision_function(rows[i : i + 1]) for i in range(9)])
    np.testing.assert_allclose(network.decision_function(rows)[:9], alone, atol=1e-4)


def test_the_seed_decides_and_the_global_generator_does_not(network, blobs):
    expected = network.decision_function(blobs[0])
    torch.manual_seed(987)
    again = FusedNetwork(epochs=5).fit(*blobs).decision_function(blobs[0])
    np.testing.assert_array_equal(expected, again)
    other = FusedNetwork(epochs=5, random_state=1).fit(*blobs).decision_function(blobs[0])
    assert not np.array_equal(expected, other)


def test_the_global_generators_stay_as_they_were(blobs):
    torch.manual_seed(5)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    FusedNetwork(epochs=5).fit(*blobs)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_given_back(blobs, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        FusedNetwork(epochs=5).fit(*blobs)
        assert threads == torch.get_num_threads()
        with pytest.raises(IndexError):  # the last layer has no such class
            _fail_inside_training(blobs)
        assert threads == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _fail_inside_training(blobs):
    from discovery.classifier.network import _make_net, _train

    net = _make_net(blobs[0].shape[1], 4, 2, seed=0)
    targets = np.full(len(blobs[0]), 7)
    weights = np.ones(len(blobs[0]), np.float32)
    _train(net, (blobs[0], targets, weights), epochs=1, rate=1e-3, seed=0)


def test_rows_of_weight_0_are_as_good_as_absent(network, blobs):
    rows, labels = blobs
    wrong = np.roll(labels, 30)
    far = rows + 1000  # would move the batch norm's statistics
    weights = np.repeat([1.0, 0.0], 90)
    both = FusedNetwork(epochs=5).fit(
        np.vstack([rows, far]), np.concatenate([labels, wrong]), weights
    )
    np.testing.assert_array_equal(network.decision_function(rows), both.decision_function(rows))


def test_a_class_of_weight_0_is_not_learned(blobs):
    rows, labels = blobs
    fitted = FusedNetwork(epochs=5).fit(rows, labels, (labels != "pit").astype(np.float32))
    assert ["scratch", "Ätzung"] == fitted.classes_.tolist()


def test_a_heavier_class_wins_where_two_lie_on_each_other(make_blobs):
    rows, labels = make_blobs(("a", "b"), size=60, gap=0)
    heavy = FusedNetwork(epochs=5).fit(rows, labels, np.where(labels == "b", 1.0, 0.05))
    assert np.mean(heavy.predict(make_blobs(("a", "b"), gap=0, seed=1)[0]) == "b") > 0.9


@pytest.mark.parametrize(
    "weights",
    [np.ones(3), -np.ones(90), np.full(90, np.nan), np.ones((90, 1)), np.full(90, np.inf)],
)
def test_weights_that_are_none_are_refused(blobs, weights):
    with pytest.raises(ValueError, match="for 90 rows: expected one a row, 0 or more"):
        FusedNetwork(epochs=5).fit(*blobs, weights)


def test_no_weights_are_ones():
    np.testing.assert_array_equal(np.ones(4, np.float32), check_weights(None, 4))


def test_all_weights_0_are_refused(blobs):
    with pytest.raises(ValueError, match="every weight is zero"):
        FusedNetwork(epochs=5).fit(*blobs, np.zeros(90))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"the rows have 1 class \(pit\), expected two or more"):
        FusedNetwork().fit(np.eye(4), np.array(["pit"] * 4))


def test_whole_numbers_with_gaps_are_classes(blobs):
    rows, labels = blobs
    targets = np.where(labels == "pit", 7, 2)
    fitted = FusedNetwork(epochs=5).fit(rows, targets)
    assert [2, 7] == fitted.classes_.tolist()
    assert (90, 2) == fitted.decision_function(rows).shape
    assert fitted.score(rows, targets) > 0.97


@pytest.mark.parametrize("n", [2, 3, 257])
def test_any_number_of_rows_is_learned(n):
    # 257 leaves a batch of one row, over which a batch norm has no spread.
    rng = np.random.default_rng(0)
    fitted = FusedNetwork(epochs=2).fit(rng.normal(size=(n, 5)), np.arange(n) % 2)
    assert np.isfinite(fitted.decision_function(rng.normal(size=(4, 5)))).all()


def test_copies_and_constant_rows_give_numbers():
    fitted = FusedNetwork(epochs=2).fit(np.ones((8, 5)), np.arange(8) % 2)
    assert np.isfinite(fitted.predict_proba(np.ones((2, 5)))).all()


def test_rows_of_float64_are_taken_as_float32(network, blobs):
    again = FusedNetwork(epochs=5).fit(blobs[0].astype(np.float64), blobs[1])
    np.testing.assert_array_equal(
        network.decision_function(blobs[0]), again.decision_function(blobs[0])
    )


def test_rows_that_do_not_fit_are_refused(network):
    with pytest.raises(ValueError, match="NaN"):
        network.predict(np.full((2, 12), np.nan))
    with pytest.raises(ValueError, match="13 features"):
        network.predict(np.ones((2, 13)))
    with pytest.raises(NotFittedError):
        FusedNetwork().predict(np.ones((2, 12)))


def test_it_is_a_classifier_to_scikit_learn(network):
    assert {"hidden": 256, "epochs": 5, "learning_rate": 2e-3, "random_state": 0} == (
        network.get_params()
    )
    fresh = clone(network)
    assert network.get_params() == fresh.get_params()
    assert not hasattr(fresh, "net_")


def test_arrays_give_back_the_same_network(network, blobs):
    again = FusedNetwork().from_arrays(network.to_arrays(), network.classes_)
    np.testing.assert_array_equal(
        network.decision_function(blobs[0]), again.decision_function(blobs[0])
    )
    assert network.n_features_in_ == again.n_features_in_


def test_arrays_of_another_network_are_refused(network):
    arrays = network.to_arrays()
    with pytest.raises(RuntimeError, match="size mismatch"):
        FusedNetwork(hidden=8).from_arrays(arrays, network.classes_)
    with pytest.raises(RuntimeError, match="size mismatch"):
        FusedNetwork().from_arrays(arrays, network.classes_[:2])
    del arrays["1.running_mean"]
    with pytest.raises(KeyError, match="running_mean"):
        FusedNetwork().from_arrays(arrays, network.classes_)
