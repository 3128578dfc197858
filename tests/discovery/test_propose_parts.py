"""The medoid against brute force, the exemplars, and how far a known type reaches."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from discovery.graph import distances
from discovery.stages.propose import KnownTypes, proposals
from discovery.stages.propose.evidence import Centred, measure_novelties
from discovery.stages.propose.proposals import SHOWN, choose_exemplars, find_medoid
from embeddings.records import unit_rows

# The machine may be busy: how long an example takes says nothing here.
calmly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def directions(m, d=4, seed=0, around=None, spread=1.0):
    rows = np.random.default_rng(seed).normal(size=(m, d)) * spread
    return unit_rows(rows if around is None else rows + around)


def names(m):
    return np.array([f"image{i:03}" for i in range(m)])


def known(**groups):
    return KnownTypes(
        values=np.concatenate(list(groups.values())),
        labels=np.repeat(list(groups), [len(rows) for rows in groups.values()]),
    )


def measure_novelty(rows, types):
    """Measure one cluster."""
    return measure_novelties(rows, [np.arange(len(rows))], types)[0]


# --- medoid ---


@calmly
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 1000))
def test_the_medoid_has_the_smallest_total_distance(m, d, seed):
    rows = directions(m, d, seed)
    totals = cdist(rows, rows).sum(axis=1)
    # A tie may fall either way by rounding: sqrt turns 1e-7 into 3e-4 a pair.
    assert totals[find_medoid(rows)] <= totals.min() + 1e-3 * m


def test_the_medoid_of_many_is_found_among_those_nearest_the_mean(monkeypatch):
    rows = directions(300, 8, around=np.full(8, 0.5))
    exact = find_medoid(rows)
    monkeypatch.setattr(proposals, "_PAIRS_UP_TO", 100)  # 33 candidates
    assert exact == find_medoid(rows)


def test_candidates_never_run_out(monkeypatch):
    monkeypatch.setattr(proposals, "_PAIRS_UP_TO", 2)
    assert find_medoid(directions(50)) in range(50)


# --- exemplars ---


def test_central_exemplars_are_nearest_the_mean():
    rows = directions(30, around=np.array([3, 0, 0, 0]))
    chosen = choose_exemplars(rows, names(30), np.ones(30, np.float32))
    order = np.argsort(-(rows @ rows.mean(axis=0)))
    assert tuple(names(30)[order[:SHOWN]]) == chosen["central"]


def test_edge_exemplars_have_the_lowest_membership_then_the_largest_distance():
    rows = directions(30, around=np.array([3, 0, 0, 0]))
    memberships = np.ones(30, np.float32)
    memberships[[7, 3]] = 0.5, 0.25
    chosen = choose_exemplars(rows, names(30), memberships)["edge"]
    assert ("image003", "image007") == chosen[:2]
    farthest = [i for i in np.argsort(rows @ rows.mean(axis=0)) if i not in (3, 7)]
    assert tuple(names(30)[farthest[: SHOWN - 2]]) == chosen[2:]


def test_diverse_exemplars_show_every_variant():
    # 40 of one kind, and two strays of two other kinds each: all three kinds are shown at once.
    kinds = np.eye(3)[[0] * 40 + [1] * 2 + [2] * 2]
    rows = unit_rows(kinds + np.random.default_rng(0).normal(0, 0.01, kinds.shape))
    chosen = choose_exemplars(rows, names(44), np.ones(44, np.float32))["diverse"]
    shown = {("image040", "image041"), ("image042", "image043")}
    assert all(set(pair) & set(chosen[:3]) for pair in shown)


@calmly
@given(st.integers(1, 12), st.integers(1, 3), st.booleans(), st.integers(0, 100))
def test_exemplars_are_distinct_members_as_many_as_there_are(m, d, coincident, seed):
    rows = directions(m, d, seed)
    if coincident:
        rows = np.repeat(rows[:1], m, axis=0)
    chosen = choose_exemplars(rows, names(m), np.ones(m, np.float32))
    assert {"central", "edge", "diverse"} == set(chosen)
    for ids in chosen.values():
        assert min(m, SHOWN) == len(ids) == len(set(ids))
        assert set(ids) <= set(names(m))


# --- novelty ---


def test_without_known_types_there_is_no_novelty():
    value, nearest = measure_novelty(directions(3), None)
    assert np.isnan(value)
    assert "" == nearest


def test_known_members_are_not_new_and_a_far_cluster_is_wholly_new():
    old = directions(40, 8, 1, around=np.eye(8)[0] * 9)
    far = directions(40, 8, 2, around=np.eye(8)[1] * 9)
    types = known(scratch=old, void=directions(40, 8, 3, around=np.eye(8)[2] * 9))
    assert (0, "scratch") == measure_novelty(old, types)
    assert 1 == measure_novelty(far, types)[0]
    again = directions(40, 8, 4, around=np.eye(8)[0] * 9)
    assert measure_novelty(again, types)[0] < 0.3  # the same kind, other images
    assert "scratch" == measure_novelty(again, types)[1]


def test_half_of_a_mixed_cluster_is_new():
    old = directions(30, 8, 1, around=np.eye(8)[0] * 9)
    far = directions(30, 8, 2, around=np.eye(8)[1] * 9)
    assert 0.5 == measure_novelty(np.concatenate([old, far]), known(scratch=old))[0]


def test_the_reach_by_hand():
    # Known images at 0, 10, 20, ... 100 degrees of a circle: each is 10 degrees from the next.
    def at(*degrees):
        angles = np.radians(degrees)
        return unit_rows(np.column_stack([np.cos(angles), np.sin(angles)]))

    types = known(scratch=at(*range(0, 101, 10)))
    assert (0, "scratch") == measure_novelty(at(109.9), types)
    assert (1, "scratch") == measure_novelty(at(110.1), types)
    assert 0.5 == measure_novelty(at(-5, -15), types)[0]


def test_a_type_of_one_image_reaches_as_far_as_the_others_do():
    one = unit_rows(np.array([[0, 0, 1.0]]))
    beside = unit_rows(np.array([[0.05, 0, 1.0]]))
    row = [[np.cos(a), np.sin(a), 0] for a in np.radians([0, 10, 20])]
    types = known(single=one, several=unit_rows(np.array(row)))
    assert (0, "single") == measure_novelty(beside, types)
    # Where every type has one image nothing says how far they reach: only the very image is known.
    assert (1, "single") == measure_novelty(beside, known(single=one))
    assert (0, "single") == measure_novelty(one, known(single=one))


@calmly
@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000), st.sampled_from([2, 1024]))
def test_novelty_is_a_share_and_known_images_have_none(m, n_known, seed, block):
    rng = np.random.default_rng(seed)
    types = KnownTypes(
        values=directions(n_known, 3, seed), labels=rng.choice(["a", "b", "c"], n_known)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "_BLOCK_VALUES", block)
        value, nearest = measure_novelty(directions(m, 3, seed + 1), types)
        assert 0 <= value <= 1
        assert nearest in set(types.labels)
        assert 0 == measure_novelty(types.values, types)[0]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (np.zeros((0, 3), np.float32), []),
        (np.zeros((2, 3), np.float32), ["a"]),
        (np.zeros((2, 3), np.float32), ["a", ""]),
        (np.zeros(3, np.float32), ["a", "b", "c"]),
    ],
)
def test_known_types_are_checked_once(values, labels):
    with pytest.raises(ValueError):
        KnownTypes(values=values, labels=np.array(labels, dtype=np.str_))


def test_rows_are_centred_a_cluster_at_a_time_as_all_at_once():
    values = unit_rows(np.random.default_rng(0).normal(size=(40, 9)) + 1)
    values[30] = (values.sum(axis=0) - values[30]) / 39  # the mean itself, which has no direction
    whole = unit_rows(values - values.mean(axis=0))
    centred = Centred(values)
    assert (40, 9) == centred.shape
    np.testing.assert_allclose(whole[[3, 1, 29]], centred[np.array([3, 1, 29])], atol=1e-6)
    assert np.linalg.norm(centred[np.array([30])]) == pytest.approx(1, abs=1e-6)
    outside = np.arange(40) % 3 == 1
    np.testing.assert_allclose(whole[outside], centred[outside], atol=1e-6)
    assert (0, 9) == centred[np.array([], np.intp)].shape
