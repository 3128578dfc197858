"""The space of known types and the scale of novelty: what is near, far, and promised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.classifier.novelty import MEASURES, KnownSpace, NoveltyScale

TYPES = ("a", "b", "c")


def measure(space, rows, uncertainty):
    """Measure rows that the classifier is all as unsure of."""
    return np.column_stack([space.measure(rows), np.full(len(rows), uncertainty)])


@pytest.fixture(scope="module")
def known(make_blobs):
    """Return a space, a scale by other images of the same types, and those images' measures."""
    space = KnownSpace.fit(*make_blobs(TYPES, size=40), seed=0)
    held_out, _ = make_blobs(TYPES, size=40, seed=1)
    measures = measure(space, held_out, 0.05)
    return space, NoveltyScale.fit(measures, false_alarms=0.05), measures


def score(known, rows):
    space, scale, _ = known
    return scale.score(measure(space, rows, 0.05))


def test_known_images_lie_below_the_limit_and_strange_ones_above(known, make_blobs):
    fresh, _ = make_blobs(TYPES, size=40, seed=2)
    strange, _ = make_blobs(("x",) * 9, size=10, gap=6.0, seed=3)
    strange = strange[60:]  # corners 6 to 8: no type has them
    assert np.mean(score(known, fresh) > 1) < 0.15
    assert np.median(score(known, fresh)) < 0.7
    assert np.mean(score(known, strange) > 1) > 0.9


def test_a_known_image_itself_is_nearest_to_itself(known, make_blobs):
    space = known[0]
    rows, _ = make_blobs(TYPES, size=40)
    nearest = space.measure(rows)[:, MEASURES.index("nearest")]
    assert nearest.max() < 1e-6


def test_blocks_of_images_change_nothing(known):
    rows = np.random.default_rng(0).normal(size=(1500, 12)).astype(np.float32)
    space = known[0]
    together = space.measure(rows)
    apart = [space.measure(rows[i : i + 1]) for i in range(1000, 1050)]
    np.testing.assert_allclose(np.concatenate(apart), together[1000:1050], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 4, 10, 19, 20, 21, 100, 333])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_no_more_than_the_share_of_held_out_images_is_refused(n, share):
    measures = np.random.default_rng(n).normal(size=(n, 3)) * [1, 1, 0]
    refused = NoveltyScale.fit(measures, false_alarms=share).score(measures) > 1
    assert refused.sum() <= share * n
    assert refused.sum() >= share * n - 2  # and the share is used


def test_copies_in_the_held_out_images_are_refused_together_or_not_at_all():
    measures = np.repeat(np.arange(4.0)[:, None] * np.ones(3), 5, axis=0)
    refused = NoveltyScale.fit(measures, false_alarms=0.1).score(measures) > 1
    assert not refused.any()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    column=st.integers(0, 2),
    step=st.floats(0, 50),
    alarms=st.floats(0, 1),
)
def test_novelty_never_falls_when_a_measure_grows(seed, column, step, alarms):
    rng = np.random.default_rng(seed)
    scale = NoveltyScale.fit(rng.normal(size=(20, 3)), false_alarms=alarms)
    measures = rng.normal(size=(8, 3))
    stranger = measures.copy()
    stranger[:, column] += step
    assert (scale.score(stranger) >= scale.score(measures)).all()


def test_novelty_stays_a_number_however_far_an_image_is():
    scale = NoveltyScale.fit(np.zeros((5, 3)), false_alarms=0.05)
    novelties = scale.score(np.array([[1e30] * 3, [-1e30] * 3, [0.0] * 3]))
    assert np.float32 == novelties.dtype
    assert np.isfinite(novelties).all()
    assert novelties[0] > 1 > novelties[1] > 0
    assert novelties[2] == 1


def test_uncertainty_alone_makes_no_unknown(known):
    _, scale, measures = known
    doubtful = measures.copy()
    doubtful[:, MEASURES.index("uncertainty")] = 1  # many units: the classifier is as sure of all
    scaled = ((measures - scale.medians) / scale.units)[:, :2].mean(axis=1)
    np.testing.assert_array_equal(scaled > scale.limit, scale.score(doubtful) > 1)
    assert 0 < np.mean(scaled > scale.limit) < 0.2


def test_a_limit_of_infinity_accepts_everything():
    scale = NoveltyScale(medians=np.zeros(3), units=np.ones(3), limit=np.inf)
    novelties = scale.score(np.array([[1e30] * 3, [0.0] * 3]))
    assert np.isfinite(novelties).all()
    assert (novelties < 1).all()


def test_the_rounding_of_a_file_is_no_novelty_where_all_images_are_copies(make_blobs):
    rows, labels = make_blobs(TYPES, size=4)
    copies, names = np.repeat(rows, 5, axis=0), np.repeat(labels, 5)
    space = KnownSpace.fit(copies, names, seed=0)
    scale = NoveltyScale.fit(measure(space, copies, 0.0), false_alarms=0.05)
    again = KnownSpace.from_arrays(
        {name: value.astype(np.float32) for name, value in space.to_arrays().items()}
    )
    # 1.1: the limit itself is one of these images' own
    assert scale.score(measure(again, copies, 0.0)).max() < 1.1


@pytest.mark.parametrize("size", [1, 2])
def test_types_of_one_or_two_images_give_numbers(make_blobs, size):
    space = KnownSpace.fit(*make_blobs(TYPES, size=size), seed=0)
    measures = space.measure(make_blobs(TYPES, size=4, seed=1)[0])
    assert np.isfinite(measures).all()


@pytest.mark.parametrize("n", [2, 3, 10, 60])
def test_rows_that_are_all_alike_give_numbers(n):
    space = KnownSpace.fit(np.ones((n, 8), np.float32), np.array(["a", "b"] * n)[:n], seed=0)
    measures = space.measure(np.vstack([np.ones((2, 8)), np.zeros((2, 8))]))
    assert np.isfinite(measures).all()


def test_axes_that_copies_do_not_span_are_left_out(make_blobs):
    rows, labels = make_blobs(TYPES, size=2)
    space = KnownSpace.fit(np.repeat(rows, 20, axis=0), np.repeat(labels, 20), seed=0)
    assert 5 == space.axes.shape[1]  # six images span five
    assert np.isfinite(space.measure(rows + 1)).all()


def test_there_are_fewer_axes_than_a_fifth_of_the_images(make_blobs):
    space = KnownSpace.fit(*make_blobs(TYPES, size=11), seed=0)
    assert (12, 6) == space.axes.shape
    assert (33, 6) == space.points.shape
    assert (3, 6) == space.centres.shape


def test_arrays_give_back_the_very_same_novelty(known, make_blobs):
    space, scale, _ = known
    again = KnownSpace.from_arrays(space.to_arrays())
    rows, _ = make_blobs(TYPES, size=10, seed=4)
    np.testing.assert_array_equal(
        scale.score(measure(space, rows, 0.1)), scale.score(measure(again, rows, 0.1))
    )


def test_the_order_of_the_types_images_does_not_matter(known, make_blobs):
    rows, labels = make_blobs(TYPES, size=40)
    order = np.random.default_rng(0).permutation(len(rows))
    again = KnownSpace.fit(rows[order], labels[order], seed=0)
    asked, _ = make_blobs(TYPES, size=5, seed=5)
    np.testing.assert_allclose(known[0].measure(asked), again.measure(asked), rtol=1e-3, atol=1e-3)
