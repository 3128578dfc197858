import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.estimators.communities import GraphCommunities
from discovery.graph.neighbours import find_neighbours
from discovery.records import Neighbours
from discovery.review.regroup import merge_pairs, split_members
from discovery.review.regroup.split import find_least
from discovery.stages.levels import find_graph_levels
from embeddings.records import unit_rows

TRUTH = np.repeat(np.arange(4), (60, 50, 40, 30))


def make_rows(seed=0):
    """Two pairs of groups on the sphere: 0 and 1 near each other, 2 and 3 as well."""
    rng = np.random.default_rng(seed)
    ends = rng.normal(size=(2, 12)) * 2
    centres = np.stack([ends[0], ends[0], ends[1], ends[1]]) + rng.normal(size=(4, 12)) * 0.9
    return unit_rows((centres[TRUTH] + 0.5 * rng.normal(size=(180, 12))).astype(np.float32))


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def levels(rows):
    return find_graph_levels(GraphCommunities().fit(rows), seed=0)


def test_two_types_in_one_group_come_apart(rows, levels):
    split = split_members(levels, np.flatnonzero(TRUTH < 2), rows)
    assert [60, 50] == [len(part) for part in split.parts]
    assert [0, 1] == [TRUTH[part].min() for part in split.parts]
    assert [0, 1] == [TRUTH[part].max() for part in split.parts]


def test_a_split_goes_on_from_its_resolution(rows, levels):
    first = split_members(levels, np.arange(180), rows)
    assert len(first.parts) > 1
    second = split_members(levels, np.arange(180), rows, beyond=first.resolution)
    assert second.resolution > first.resolution
    assert len(second.parts) > len(first.parts)
    for part in second.parts:
        assert any(set(part) <= set(coarse) for coarse in first.parts)


def test_what_does_not_fall_apart_is_one_part(rows, levels):
    split = split_members(levels, [5, 3, 4], rows)
    assert [[3, 4, 5]] == [part.tolist() for part in split.parts]
    assert math.isnan(split.resolution)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 180), st.floats(0, 30))
def test_parts_partition_the_members(rows, levels, seed, m, beyond):
    members = np.random.default_rng(seed).choice(180, m, replace=False)
    split = split_members(levels, members, rows, beyond=beyond)
    assert sorted(members.tolist()) == sorted(np.concatenate(split.parts).tolist())
    sizes = [len(part) for part in split.parts]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 1 or sizes[-1] >= find_least(m)
    assert math.isnan(split.resolution) == (len(sizes) == 1)
    assert math.isnan(split.resolution) or split.resolution > beyond


def test_the_pair_that_is_mixed_comes_first(rows):
    neighbours = find_neighbours(rows, 20)
    # Group 3 is cut into two halves without any order.
    groups = TRUTH.astype(np.int32)
    groups[np.flatnonzero(TRUTH == 3)[::2]] = 4
    pairs = merge_pairs(groups, neighbours)
    assert (3, 4) == pairs[0][:2]
    assert pairs[0][2] > 0.8
    assert all(0 < likeness <= 1 for *_, likeness in pairs)
    assert all(likeness < 0.5 for *_, likeness in pairs[1:])
    assert sorted((-likeness for *_, likeness in pairs)) == [-pair[2] for pair in pairs]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_likeness_is_links_between_of_those_expected(seed, k):
    rng = np.random.default_rng(seed)
    n = 30
    indices = np.array([rng.permutation(np.delete(np.arange(n), i))[:5] for i in range(n)])
    neighbours = Neighbours(indices=indices.astype(np.int32), distances=np.ones((n, 5), np.float32))
    groups = rng.integers(-1, k, n).astype(np.int32)
    links = [(groups[i], groups[j]) for i in range(n) for j in indices[i]]
    for a, b, likeness in merge_pairs(groups, neighbours):
        between = sum({a, b} == {*pair} for pair in links)
        within = sum(pair in ((a, a), (b, b)) for pair in links)
        sizes = (groups == a).sum(), (groups == b).sum()
        pairs = sum(sizes) * (sum(sizes) - 1) / 2
        expected = sizes[0] * sizes[1] / pairs
        assert math.isclose(likeness, min(1, between / (between + within) / expected))


def test_pairs_that_were_decided_against_are_left_out(rows):
    neighbours = find_neighbours(rows, 20)
    groups = TRUTH.astype(np.int32)
    pairs = merge_pairs(groups, neighbours)
    apart = {(pairs[0][1], pairs[0][0])}
    assert pairs[1:] == merge_pairs(groups, neighbours, apart=apart)
    assert pairs[:1] == merge_pairs(groups, neighbours, limit=1)


def test_without_groups_there_are_no_pairs(rows):
    neighbours = find_neighbours(rows, 5)
    assert [] == merge_pairs(np.full(180, -1, np.int32), neighbours)
