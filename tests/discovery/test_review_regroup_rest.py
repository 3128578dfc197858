import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.estimators.communities import GraphCommunities
from discovery.review.regroup import nearest_type, regroup_rest
from discovery.stages.levels import find_graph_levels
from embeddings.records import unit_rows

TRUTH = np.repeat(np.arange(4), (80, 60, 40, 30))
N = len(TRUTH)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 10)) * 2
    return unit_rows((centres[TRUTH] + 0.7 * rng.normal(size=(N, 10))).astype(np.float32))


@pytest.fixture(scope="module")
def levels(rows):
    return find_graph_levels(GraphCommunities().fit(rows), seed=0)


def name_some(of, share, seed=0):
    """Types 0 and so on: codes of that share of the images of some groups."""
    named = np.isin(TRUTH, of) & (np.random.default_rng(seed).random(N) < share)
    return np.where(named, TRUTH, -1).astype(np.int32)


def test_what_matches_a_type_is_proposed_to_it_and_the_rest_is_grouped(rows, levels):
    labels = name_some([0, 1], 0.9)
    left = np.flatnonzero(labels < 0)
    found = regroup_rest(rows, left, labels, levels=levels)
    matched = [part for part in found.parts if part.label >= 0]
    assert matched
    assert all((TRUTH[part.images] == part.label).all() for part in matched)
    new = [part for part in found.parts if part.label < 0]
    # Each new part is of one kind, and kinds 2 and 3 that had no name are found.
    kinds = [np.unique(TRUTH[part.images]).tolist() for part in new]
    assert all(len(kind) == 1 for kind in kinds)
    assert {2, 3} <= {kind[0] for kind in kinds}


def test_an_image_is_not_proposed_again_to_a_type_it_is_not_of(rows, levels):
    labels = name_some([0, 1], 0.9)
    left = np.flatnonzero(labels < 0)
    first = regroup_rest(rows, left, labels, levels=levels)
    part = next(part for part in first.parts if part.label >= 0)
    refused = part.images[:2]
    again = regroup_rest(rows, left, labels, levels=levels, excluded={part.label: refused})
    matched = [one.images for one in again.parts if one.label == part.label]
    assert not np.isin(refused, np.concatenate([*matched, []])).any()
    assert np.isin(refused, left_over(again)).all()


def left_over(found):
    """The images that are proposed to no type."""
    return np.concatenate([*(p.images for p in found.parts if p.label < 0), found.noise])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, N), st.floats(0, 1))
def test_parts_are_disjoint_and_all_that_was_left(rows, levels, seed, m, share):
    left = np.random.default_rng(seed).choice(N, m, replace=False)
    labels = name_some([0, 2, 3], share, seed)
    found = regroup_rest(rows, left, labels, levels=levels)
    together = np.concatenate([*(part.images for part in found.parts), found.noise])
    assert sorted(left.tolist()) == sorted(together.tolist())
    assert all(len(part.images) for part in found.parts)
    known = [part.label for part in found.parts if part.label >= 0]
    assert known == [part.label for part in found.parts[: len(known)]]
    assert len(known) == len(set(known))
    sizes = [len(part.images) for part in found.parts[len(known) :]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("named", [0, 1, 2])
def test_with_hardly_a_named_image_all_is_grouped_by_itself(rows, levels, named):
    labels = np.full(N, -1, np.int32)
    labels[:named] = 0
    found = regroup_rest(rows, np.arange(named, N), labels, levels=levels)
    assert len(found.parts) >= 4


def test_it_is_the_same_for_a_seed(rows, levels):
    left = np.flatnonzero(TRUTH > 0)
    labels = name_some([0], 1.0)
    one, other = (regroup_rest(rows, left, labels, levels=levels, seed=3) for _ in range(2))
    assert [p.images.tolist() for p in one.parts] == [p.images.tolist() for p in other.parts]


def test_progress_rises_and_what_it_raises_ends_the_work(rows, levels):
    told = []
    nobody = np.full(N, -1, np.int32)
    regroup_rest(
        rows, np.arange(N), nobody, levels=levels, progress=lambda *step: told.append(step)
    )
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (0.0, 1.0) == (shares[0], shares[-1])

    class CancelledError(Exception):
        pass

    def cancel(share, text):
        if share > 0.2:
            raise CancelledError

    with pytest.raises(CancelledError):
        regroup_rest(rows, np.arange(N), nobody, levels=levels, progress=cancel)


def test_the_nearest_type_is_the_one_that_reaches_the_group(rows):
    labels = TRUTH.astype(np.int32)
    half = np.flatnonzero(TRUTH == 2)[::2]
    found = nearest_type(rows, half, labels)
    assert 2 == found.label
    assert found.likeness > 0.8
    assert 6 == len(found.images)
    assert (TRUTH[found.images] == 2).all()
    assert not np.isin(found.images, half).any()


def test_a_group_apart_is_within_no_reach(rows):
    labels = np.where(TRUTH < 3, TRUTH, -1).astype(np.int32)
    found = nearest_type(rows, np.flatnonzero(TRUTH == 3), labels, shown=2)
    assert 0 <= found.label < 3
    assert found.likeness < 0.2
    assert 2 == len(found.images)


def test_of_many_types_the_right_one_is_found(rows):
    # Thirty types without any order in the images of three groups; one of the fourth.
    rng = np.random.default_rng(0)
    labels = np.where(TRUTH < 3, rng.integers(0, 30, N), 30).astype(np.int32)
    found = nearest_type(rows, np.flatnonzero(TRUTH == 3)[::2], labels)
    assert 30 == found.label
    assert found.likeness > 0.8


def test_without_other_labels_there_is_no_nearest_type(rows):
    members = np.flatnonzero(TRUTH == 1)
    labels = np.where(TRUTH == 1, 0, -1).astype(np.int32)
    assert nearest_type(rows, members, labels) is None
    assert nearest_type(rows, members[:0], labels) is None
