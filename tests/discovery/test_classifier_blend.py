"""Several members' answers made one: shares, what is left out, what stays a probability."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from discovery.classifier.blend import Blend, Member
from discovery.classifier.evaluation.calibration import apply_temperature, fit_temperature


def draw(n=60, k=3, *, noise=1.0, seed=0):
    """Draw classes (n,) and logits (n, k) that point at them, more or less."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return y, 2.0 * np.eye(k)[y] + rng.normal(scale=noise, size=(n, k))


def test_members_that_are_as_good_count_alike():
    y, first = draw()
    rng = np.random.default_rng(1)
    second = 2.0 * np.eye(3)[y] + rng.normal(size=first.shape)
    blend = Blend.fit({"a": first, "b": second}, y)
    assert [0.5, 0.5] == [one.weight for one in blend.members.values()]
    assert blend.loss is not None
    assert all(one.loss > 0 for one in blend.members.values())


def test_a_member_that_is_worse_beyond_doubt_is_left_out_and_one_that_may_be_is_not():
    y, good = draw(noise=0.5)
    blend = Blend.fit({"good": good, "blind": draw(noise=3, seed=5)[1]}, y)
    assert {"good": 1.0, "blind": 0.0} == {n: one.weight for n, one in blend.members.items()}
    np.testing.assert_allclose(
        blend.answer({"good": good, "blind": good}), blend.answer({"good": good, "blind": -good})
    )
    few, rough = draw(6, noise=0.8)
    rougher = rough + np.random.default_rng(2).normal(scale=1.5, size=rough.shape)
    kept = Blend.fit({"a": rough, "b": rougher}, few)
    assert 2 == sum(one.weight > 0 for one in kept.members.values())


def test_a_sure_member_does_not_outvote_the_others():
    # Logits ten times as large say no more: each is made as sure as it deserves first.
    y, logits = draw()
    others = logits[::-1] * 0.1 + 2.0 * np.eye(3)[y]
    loud = Blend.fit({"a": 10 * logits, "b": others}, y)
    calm = Blend.fit({"a": logits, "b": others}, y)
    np.testing.assert_allclose(
        loud.answer({"a": 10 * logits, "b": others}), calm.answer({"a": logits, "b": others}),
        atol=1e-3,
    )  # fmt: skip


def test_the_mean_loses_less_than_its_members_where_they_err_apart():
    y, first = draw(200)
    second = 2.0 * np.eye(3)[y] + np.random.default_rng(8).normal(size=first.shape)
    blend = Blend.fit({"a": first, "b": second}, y)
    assert blend.loss < min(one.loss for one in blend.members.values())


def test_one_member_is_what_its_temperature_makes_of_it():
    y, logits = draw()
    blend = Blend.fit({"only": logits}, y)
    temperature = fit_temperature(logits, y)
    expected = apply_temperature(logits, temperature)
    np.testing.assert_allclose(blend.answer({"only": logits}), expected, atol=1e-4)
    np.testing.assert_allclose(blend.answer_alone("only", logits), expected)


def test_without_held_out_images_all_count_alike_as_they_come():
    blend = Blend.share_equally(("a", "b"))
    first, second = draw()[1], draw(seed=1)[1]
    expected = softmax((first + second) / 2, axis=1)
    np.testing.assert_allclose(blend.answer({"a": first, "b": second}), expected)
    assert blend.loss is None


def test_a_class_that_was_never_learned_is_never_likely():
    blend = Blend(members={"a": Member(weight=0.5), "b": Member(weight=0.5)})
    logits = np.array([[-30.0, 0.5, 0.1]])
    assert blend.answer({"a": logits, "b": logits})[0, 0] < 1e-9


@settings(deadline=None)
@given(
    n=st.integers(1, 30), k=st.integers(2, 4), seed=st.integers(0, 99),
    size=st.sampled_from([0.0, 1.0, 1e4]),
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_answers_are_probabilities_and_shares_add_up(n, k, seed, size):
    rng = np.random.default_rng(seed)
    logits = {name: size * rng.normal(size=(n, k)) for name in "abc"}
    blend = Blend.fit(logits, rng.integers(0, k, n))
    assert sum(one.weight for one in blend.members.values()) == pytest.approx(1)
    answers = blend.answer(logits)
    np.testing.assert_allclose(answers.sum(axis=1), 1)
    assert (answers >= 0).all()
