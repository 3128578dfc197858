"""Clusters become proposals: names, sizes, evidence by hand, and the order they are shown in."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discovery.graph import distances
from discovery.records import Clustering, Proposal
from discovery.stages.propose import (
    KnownTypes,
    evidence,
    name_proposal,
    propose_types,
    rank_proposals,
)
from discovery.stages.propose.evidence import (
    find_centroids,
    find_members,
    find_rivals,
    measure_cohesion,
    measure_separation,
)
from embeddings.records import ExtractorSpec, Vectors, unit_rows

# The machine may be busy: how long an example takes says nothing here.
calmly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def make_clustering(labels, memberships=None):
    labels = np.asarray(labels, np.int32)
    if memberships is None:
        memberships = (labels >= 0).astype(np.float32)
    memberships = np.asarray(memberships, np.float32)
    return Clustering(
        ids=np.array([f"image{i:02}" for i in range(len(labels))], dtype=np.str_),
        labels=labels,
        memberships=memberships,
        outlier_scores=1 - memberships,
        spec={},
        made_by="test",
    )


def make_vectors(values, **columns):
    values = unit_rows(np.asarray(values, np.float64))
    n = len(values)
    rows = {
        "path": [f"{i}.png" for i in range(n)],
        "paths": [[f"{i}.png"] for i in range(n)],
        "width": [100] * n,
        "height": [80] * n,
        "bit_depth": [8] * n,
        "channels": [1] * n,
        "nan_pixels": [0] * n,
        "um_per_pixel": [np.nan] * n,
        "defect_px": [np.nan] * n,
        "parent_id": [""] * n,
        "page": [0] * n,
        "x0": [0] * n,
        "y0": [0] * n,
        "metadata": [""] * n,
    } | columns
    return Vectors(
        ids=np.array([f"image{i:02}" for i in range(n)], dtype=np.str_),
        values=values,
        rows=pd.DataFrame(rows),
        spec=ExtractorSpec(name="texture", dim=values.shape[1]),
    )


def make_proposal(**fields):
    values = {
        "proposal_id": "P1", "cluster_id": 0, "rank": 1, "size": 10, "cohesion": 0.5,
        "separation": 0.5, "stability": 0.5, "novelty": float("nan"), "nearest_known": "",
        "medoid": "a", "exemplars": {"central": (), "edge": (), "diverse": ()},
    }  # fmt: skip
    return Proposal(**(values | fields))


@pytest.fixture(scope="module")
def two_groups():
    rng = np.random.default_rng(0)
    near = [rng.normal((5, 0, 0), 0.3, (8, 3)), rng.normal((0, 5, 0), 0.3, (5, 3))]
    return make_vectors(np.concatenate(near)), make_clustering([0] * 8 + [1] * 5)


# --- evidence ---


def separate(rows, clustering):
    members = find_members(clustering)
    rivals = find_rivals(rows, clustering, find_centroids(rows, members))
    return np.array([measure_separation(rows[m], rivals, i) for i, m in enumerate(members)])


def test_cohesion_by_hand():
    # Two rows at a right angle: their mean direction is 45 degrees from each.
    clustering = make_clustering([0, 0, 1])
    rows = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    cohesion = measure_cohesion(find_centroids(rows, find_members(clustering)))
    assert [np.cos(np.pi / 4), 1] == pytest.approx(cohesion.tolist())


@calmly
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000))
def test_cohesion_is_the_mean_cosine_to_the_mean_direction(m, d, seed):
    rows = unit_rows(np.random.default_rng(seed).normal(size=(m, d)))
    mean = rows.mean(axis=0, dtype=np.float64)
    expected = (rows @ (mean / np.linalg.norm(mean))).mean() if np.linalg.norm(mean) > 1e-6 else 0
    found = measure_cohesion(find_centroids(rows, [np.arange(m)]))
    assert found[0] == pytest.approx(expected, abs=1e-5)


def test_separation_by_hand():
    # Centroids at x = 1 and x = 5; the first cluster's members are 1 from their own and 3 and 5
    # from the other: margins (3 - 1) / 3 and (5 - 1) / 5. The second lies on its centroid: 1.
    rows = np.array([[2, 0], [0, 0], [5, 0]], np.float32)
    clustering = make_clustering([0, 0, 1])
    found = separate(rows, clustering)
    assert [(2 / 3 + 4 / 5) / 2, 1] == pytest.approx(found.tolist())


def test_a_member_nearer_to_another_cluster_counts_against_its_own():
    rows = np.array([[0, 0], [0, 0], [9, 0], [8, 0]], np.float32)
    clustering = make_clustering([0, 0, 0, 1])
    found = separate(rows, clustering)
    # Centroids 3 and 8: margins 5/8 twice, and (1 - 6) / 6.
    assert found[0] == pytest.approx((5 / 8 + 5 / 8 - 5 / 6) / 3)


def test_a_lone_cluster_is_held_against_the_noise():
    rows = np.array([[0, 0], [2, 0], [7, 0]], np.float32)
    clustering = make_clustering([0, 0, -1])
    found = separate(rows, clustering)
    assert found[0] == pytest.approx((6 / 7 + 4 / 5) / 2)


def test_a_cluster_with_nothing_outside_it_has_no_separation():
    rows = np.array([[0, 0], [2, 0]], np.float32)
    clustering = make_clustering([0, 0])
    found = separate(rows, clustering)
    assert [0] == found.tolist()


# --- proposals ---


def test_one_proposal_a_cluster_in_rank_order(two_groups):
    vectors, clustering = two_groups
    proposals = propose_types(vectors, clustering, np.array([0.9, 0.4]))
    assert [1, 2] == [proposal.rank for proposal in proposals]
    assert [(0, 8, 0.9), (1, 5, 0.4)] == [(p.cluster_id, p.size, p.stability) for p in proposals]
    for proposal in proposals:
        members = set(clustering.ids[clustering.members(proposal.cluster_id)])
        assert proposal.medoid in members
        assert name_proposal(proposal.medoid) == proposal.proposal_id
        assert all(members.issuperset(ids) for ids in proposal.exemplars.values())
        assert np.isnan(proposal.novelty)
        assert "" == proposal.nearest_known
        assert proposal.size_um is None


def test_evidence_is_measured_on_centred_rows():
    # All images share a large part; what tells the groups apart is small. Uncentred, every
    # cohesion would be near 1 and nothing would be separate.
    rng = np.random.default_rng(0)
    shared = np.array([100.0, 0, 0])
    sides = np.where(np.arange(20)[:, None] < 10, [0, 1, 0], [0, -1, 0])
    values = shared + sides + rng.normal(0, 0.05, (20, 3))
    clustering = make_clustering([0] * 10 + [1] * 10)
    proposals = propose_types(make_vectors(values), clustering, np.ones(2))
    assert min(p.separation for p in proposals) > 0.8
    mixed = propose_types(
        make_vectors(values[[*range(0, 20, 2), *range(1, 20, 2)]]), clustering, np.ones(2)
    )
    assert max(p.cohesion for p in mixed) < 0.3


def test_the_same_group_keeps_its_name_in_any_order(two_groups):
    vectors, clustering = two_groups
    order = np.random.default_rng(1).permutation(len(vectors))
    shuffled = replace(
        clustering,
        ids=clustering.ids[order],
        labels=clustering.labels[order],
        memberships=clustering.memberships[order],
        outlier_scores=clustering.outlier_scores[order],
    )
    one = propose_types(vectors, clustering, np.ones(2))
    other = propose_types(vectors.take(order), shuffled, np.ones(2))
    assert [p.proposal_id for p in one] == [p.proposal_id for p in other]


def test_names_are_short_and_differ():
    names = {name_proposal(f"{i:016x}") for i in range(2000)}
    assert 2000 == len(names)
    assert {9} == {len(name) for name in names}
    assert all(name.startswith("P") for name in names)


def test_sizes_count_paths_so_duplicates_weigh(two_groups):
    vectors, clustering = two_groups
    paths = [[f"{i}.png"] for i in range(len(vectors))]
    paths[-1] = [f"copy{i}.png" for i in range(9)]
    doubled = replace(vectors, rows=vectors.rows.assign(paths=pd.Series(paths)))
    sizes = {p.cluster_id: p.size for p in propose_types(doubled, clustering, np.ones(2))}
    assert {0: 8, 1: 13} == sizes


def test_size_in_micrometres_is_that_of_the_defect_box_else_of_the_image(two_groups):
    vectors, clustering = two_groups
    n = len(vectors)
    # First cluster: boxes of 10 to 80 px at 0.5 um. Second: whole images of 100 x 80 px at 2 um,
    # one of unknown scale.
    rows = vectors.rows.assign(
        defect_px=[10.0 * (i + 1) if i < 8 else np.nan for i in range(n)],
        um_per_pixel=[0.5] * 8 + [2.0] * (n - 9) + [np.nan],
    )
    found = {
        p.cluster_id: p.size_um
        for p in propose_types(replace(vectors, rows=rows), clustering, np.ones(2))
    }
    assert found[0] == pytest.approx(tuple(np.percentile(5.0 * np.arange(1, 9), (5, 95))))
    assert found[1] == pytest.approx((200, 200))


def test_known_types_give_novelty_and_the_nearest(two_groups):
    vectors, clustering = two_groups
    known = KnownTypes(values=vectors.values[:8], labels=np.array(["scratch"] * 8))
    found = {p.cluster_id: p for p in propose_types(vectors, clustering, np.ones(2), known=known)}
    assert (0, "scratch") == (found[0].novelty, found[0].nearest_known)
    assert (1, "scratch") == (found[1].novelty, found[1].nearest_known)
    assert 1 == found[1].rank  # what is new comes first


def test_the_known_types_are_measured_once_for_all_clusters(two_groups, monkeypatch):
    vectors, clustering = two_groups
    compared = []

    def measure_nearest(rows, others, **withheld):
        compared.append(bool(withheld))
        return distances.measure_nearest(rows, others, **withheld)

    monkeypatch.setattr(evidence, "measure_nearest", measure_nearest)
    known = KnownTypes(values=vectors.values[:4], labels=np.array(["a", "a", "b", "b"]))
    propose_types(vectors, clustering, np.zeros(2), known=known)
    # Each of two types with itself, and each of two clusters with both.
    assert (2, 6) == (sum(compared), len(compared))


def test_no_cluster_is_no_proposal(two_groups):
    vectors, _ = two_groups
    assert () == propose_types(vectors, make_clustering([-1] * len(vectors)), np.empty(0))


def test_vectors_of_other_images_are_refused(two_groups):
    vectors, clustering = two_groups
    with pytest.raises(ValueError, match="different images"):
        propose_types(vectors.take(np.arange(12, -1, -1)), clustering, np.ones(2))


def test_images_that_cannot_be_told_apart():
    # Uniform fields all have the same vector.
    vectors = make_vectors(np.ones((7, 3)))
    (proposal,) = propose_types(vectors, make_clustering([0] * 7), np.ones(1))
    assert np.isfinite([proposal.cohesion, proposal.separation]).all()
    assert all(len(set(ids)) == 6 for ids in proposal.exemplars.values())


# --- ranks ---


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"stability": 0.9}, {"stability": 0.2}),
        ({"separation": 0.6}, {"separation": -0.2}),
        ({"size": 80}, {"size": 8}),
        ({"novelty": 1.0}, {"novelty": 0.0}),
        ({"novelty": 1.0, "size": 20}, {"novelty": 0.0, "size": 2000}),
        ({"stability": 0.9, "size": 20}, {"stability": 0.1, "size": 200}),
    ],
)
def test_what_is_firm_distinct_large_and_new_comes_first(first, second):
    one = make_proposal(proposal_id="one", cluster_id=1, **first)
    other = make_proposal(proposal_id="other", cluster_id=0, **second)
    for order in ([one, other], [other, one]):
        assert ["one", "other"] == [p.proposal_id for p in rank_proposals(order)]


@calmly
@given(
    st.lists(
        st.builds(
            make_proposal,
            cluster_id=st.integers(0, 50),
            size=st.integers(1, 10**6),
            stability=st.floats(0, 1),
            separation=st.floats(-1, 1),
            novelty=st.floats(0, 1) | st.just(float("nan")),
        ),
        unique_by=lambda p: p.cluster_id,
    )
)
def test_ranks_number_every_proposal_once_whatever_the_order(proposals):
    ranked = rank_proposals(proposals)
    assert list(range(1, len(proposals) + 1)) == [p.rank for p in ranked]
    assert sorted(p.cluster_id for p in proposals) == sorted(p.cluster_id for p in ranked)
    backwards = rank_proposals(proposals[::-1])
    assert [p.cluster_id for p in ranked] == [p.cluster_id for p in backwards]
