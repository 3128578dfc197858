"""Which images are held out together: even, whole groups, and nothing that nobody else teaches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.classifier.folds import assign_folds, divide_images, find_single_fold

labels_of = st.lists(
    st.sampled_from(["a", "a-b", "a/b", "Ä", "no_defect"]), min_size=1, max_size=60
)
seeds = st.integers(0, 99)


def as_str(values):
    return np.array(values, dtype=np.str_)


@settings(deadline=None)
@given(labels=labels_of, count=st.integers(2, 7), seed=seeds)
def test_each_label_is_spread_evenly(labels, count, seed):
    labels = as_str(labels)
    folds = assign_folds(labels, count=count, seed=seed)
    assert np.int32 == folds.dtype
    for label in np.unique(labels):
        own = folds[labels == label]
        if len(own) == 1:
            assert [-1] == own.tolist()
            continue
        counts = np.bincount(own, minlength=count)
        assert len(counts) == count
        assert counts.max() - counts.min() <= 1


@settings(deadline=None)
@given(labels=labels_of, seed=seeds)
def test_all_folds_are_of_about_one_size(labels, seed):
    folds = assign_folds(as_str(labels), count=5, seed=seed)
    counts = np.bincount(folds[folds >= 0], minlength=5)
    assert counts.max() - counts.min() <= 1  # small labels do not all fall into the first


@settings(deadline=None)
@given(labels=labels_of, seed=seeds)
def test_the_same_seed_gives_the_same_folds(labels, seed):
    labels = as_str(labels)
    first = assign_folds(labels, count=5, seed=seed)
    np.testing.assert_array_equal(first, assign_folds(labels, count=5, seed=seed))


def test_another_seed_gives_others():
    labels = as_str(["a", "b"] * 30)
    first, other = (assign_folds(labels, count=5, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first, other)


@st.composite
def labelled_groups(draw):
    """Draw (labels, groups), groups of several labels among them."""
    n = draw(st.integers(1, 50))
    labels = draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    groups = draw(st.lists(st.sampled_from([f"g{i}" for i in range(12)]), min_size=n, max_size=n))
    return as_str(labels), as_str(groups)


@settings(deadline=None, max_examples=200)
@given(drawn=labelled_groups(), count=st.integers(1, 6), seed=seeds)
def test_no_group_is_split_and_no_label_is_held_out_whole(drawn, count, seed):
    labels, groups = drawn
    folds = assign_folds(labels, count=count, seed=seed, groups=groups)
    for group in np.unique(groups):
        assert 1 == len(np.unique(folds[groups == group]))
    for fold in np.unique(folds[folds >= 0]):
        assert set(labels.tolist()) == set(labels[folds != fold].tolist())


@settings(deadline=None)
@given(seed=seeds, sizes=st.lists(st.integers(1, 4), min_size=2, max_size=12))
def test_groups_of_one_label_are_spread_evenly_whatever_the_order_of_rows(seed, sizes):
    groups = as_str([f"g{i:02}" for i, size in enumerate(sizes) for _ in range(size)])
    labels = as_str(["ab"[i % 2] for i, size in enumerate(sizes) for _ in range(size)])
    folds = assign_folds(labels, count=3, seed=seed, groups=groups)
    for label in "ab":
        ours = np.unique(groups[labels == label])
        of_groups = np.array([folds[groups == group][0] for group in ours])
        if len(ours) == 1:
            assert [-1] == of_groups.tolist()
        else:
            counts = np.bincount(of_groups, minlength=3)
            assert counts.max() - counts.min() <= 1
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = assign_folds(labels[order], count=3, seed=seed, groups=groups[order])
    np.testing.assert_array_equal(folds[order], shuffled)


def test_a_group_of_several_labels_is_spread_as_its_first_images_label():
    # Three groups of a, two of b; g0 holds an image of b too.
    groups = as_str(["g0", "g0", "g1", "g2", "g3", "g4"])
    labels = as_str(["a", "b", "a", "a", "b", "b"])
    folds = assign_folds(labels, count=5, seed=0, groups=groups)
    assert folds[0] == folds[1]
    assert 3 == len(set(folds[labels == "a"].tolist()))


def test_a_label_inside_one_group_keeps_that_group_learned():
    folds = assign_folds(as_str(["a", "b", "a"]), count=5, seed=0, groups=as_str(["g", "g", "h"]))
    assert [-1, -1] == folds[:2].tolist()  # b has no other image
    assert folds[2] >= 0


def test_one_fold_cannot_vouch():
    assert [-1, -1, -1] == assign_folds(as_str(["a", "a", "b"]), count=1, seed=0).tolist()


def test_single_fold_images_are_those_whose_label_is_in_one_fold():
    labels = as_str(["a", "a", "b", "b", "c", "c", "d"])
    folds = np.array([0, 0, 0, 1, -1, 1, -1], np.int32)
    assert [True, True, False, False, False, False, False] == find_single_fold(
        labels, folds
    ).tolist()


def test_images_of_weight_0_are_neither_held_out_nor_counted():
    labels = as_str(["a", "a", "a", "b", "b"])
    weights = np.array([1, 0.2, 0, 1, 0], np.float32)
    folds = divide_images(labels, weights, seed=0)
    assert [True, True, False, False, False] == (folds >= 0).tolist()  # b has one image left


def test_given_folds_are_kept_as_far_as_they_can_be_held_out():
    labels = as_str(["a", "a", "b", "b", "c", "c", "d"])
    given = np.array([0, 3, 3, 3, -1, 0, 0], np.int32)
    folds = divide_images(labels, np.ones(7, np.float32), seed=0, folds=given)
    assert [0, 3, -1, -1, -1, 0, -1] == folds.tolist()
    assert [0, 3, 3, 3, -1, 0, 0] == given.tolist()


def test_folds_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"folds \(2,\) for 3 labels"):
        divide_images(
            as_str(["a", "a", "b"]), np.ones(3, np.float32), seed=0,
            folds=np.zeros(2, np.int32),
        )  # fmt: skip
