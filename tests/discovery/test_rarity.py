"""Noise is offered rarest first, look-alikes together; assigning it touches nothing else."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discovery.estimators.kmeans import KMeans
from discovery.graph.distances import find_cluster_medians, score_outliers
from discovery.graph.neighbours import find_neighbours
from discovery.records import Clustering, Layout, Neighbours, Rarity, number_by_size
from discovery.runs import Provenance, create_run
from discovery.stages.partition import partition_rows
from discovery.stages.rarity import assign_noise, rank_rare, tabulate_rare

calmly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def make_clustering(labels, scores=None, ids=None):
    labels = number_by_size(np.asarray(labels))
    inside = (labels >= 0).astype(np.float32)
    scores = 1 - inside if scores is None else np.asarray(scores, np.float32)
    ids = [f"i{i:03}" for i in range(len(labels))] if ids is None else ids
    return Clustering(
        ids=np.array(ids, dtype=np.str_), labels=labels, memberships=inside,
        outlier_scores=scores, spec={}, made_by="test",
    )  # fmt: skip


@pytest.fixture
def scene():
    """Two blobs, a pair of look-alikes far from both, one image alone, one beside a blob."""
    rng = np.random.default_rng(0)
    blobs = [rng.normal(centre, 0.1, (20, 2)) for centre in ((0, 0), (5, 0))]
    odd = [[2.5, 9.0], [2.52, 9.0], [2.5, -30.0], [0.0, 1.2]]
    rows = np.concatenate([*blobs, odd]).astype(np.float32)
    scores = [0.0] * 40 + [0.8, 0.85, 0.9, 0.6]
    labels = [0] * 20 + [1] * 20 + [-1] * 4
    return make_clustering(labels, scores), find_neighbours(rows, 6)


def test_the_farthest_comes_first_and_look_alikes_together(scene):
    found = rank_rare(*scene)
    assert [42, 41, 40] == found.positions[:3].tolist()
    assert [0, 1, 1] == found.groups[:3].tolist()
    assert 43 in found.positions.tolist()
    assert found.ratios[0] == found.ratios.max()
    beside = found.positions.tolist().index(43)
    assert 0 == found.nearest[beside]
    assert found.scores[:3] == pytest.approx([0.9, 0.85, 0.8])


def test_a_member_far_outside_of_its_cluster_is_rare_too():
    rows = np.concatenate([np.random.default_rng(1).normal(0, 0.1, (30, 2)), [[3.0, 3.0]]])
    clustering = make_clustering([0] * 31)
    found = rank_rare(clustering, find_neighbours(rows.astype(np.float32), 5))
    assert 30 == found.positions[0]
    assert 0 == found.nearest[0]
    assert len(found) < 5


def test_noise_goes_where_its_ties_are_and_stays_marked(scene):
    clustering, neighbours = scene
    found = assign_noise(clustering, neighbours)
    assert [False] * 40 + [True] * 4 == found.assigned.tolist()
    assert 0 == found.labels[43]
    assert (found.labels >= 0).all()
    assert clustering.labels[:40].tolist() == found.labels[:40].tolist()
    assert [0] * 4 == found.memberships[40:].tolist()
    assert clustering.labels.tolist() == found.core_labels.tolist()


def test_noise_without_a_way_to_a_cluster_stays_noise():
    rows = np.array([[0, 0], [0, 1], [1, 0], [9, 9], [9, 8], [8, 9]], np.float32)
    clustering = make_clustering([0, 0, 0, -1, -1, -1])
    found = assign_noise(clustering, find_neighbours(rows, 2))
    assert [0, 0, 0, -1, -1, -1] == found.labels.tolist()
    assert not found.assigned.any()
    rare = rank_rare(clustering, find_neighbours(rows, 2))
    assert [-1] * 3 == rare.nearest.tolist()
    assert [0, 0, 0] == rare.groups.tolist()


def test_nothing_rare_and_no_cluster_at_all():
    rows = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    graph = find_neighbours(rows, 4)
    everything = make_clustering([-1] * 12, np.linspace(0, 1, 12))
    assert 12 == len(rank_rare(everything, graph))
    assert (assign_noise(everything, graph).labels == -1).all()
    lone = Neighbours(indices=np.empty((1, 0), np.int32), distances=np.empty((1, 0), np.float32))
    assert 1 == len(rank_rare(make_clustering([-1]), lone))
    with pytest.raises(ValueError, match="clusters of 1 images, neighbours of 12"):
        rank_rare(make_clustering([-1]), graph)


SCENES = st.tuples(
    st.lists(st.integers(-1, 2), min_size=4, max_size=40), st.integers(0, 5), st.integers(1, 8)
)


@calmly
@given(SCENES)
def test_assigning_touches_noise_only(drawn):
    labels, seed, k = drawn
    clustering = make_clustering(labels)
    rows = np.random.default_rng(seed).normal(size=(len(labels), 2)).astype(np.float32)
    found = assign_noise(clustering, find_neighbours(rows, k))
    kept = clustering.labels >= 0
    assert clustering.labels[kept].tolist() == found.labels[kept].tolist()
    assert clustering.memberships[kept].tolist() == found.memberships[kept].tolist()
    assert not found.assigned[kept].any()
    assert (found.labels[~kept] >= 0).tolist() == found.assigned[~kept].tolist()
    assert not found.memberships[~kept].any()
    assert clustering.k == found.k
    again = assign_noise(found, find_neighbours(rows, k))
    assert found.labels.tolist() == again.labels.tolist()


@calmly
@given(SCENES, st.randoms(use_true_random=False))
def test_the_order_is_whole_and_independent_of_the_rows(drawn, random):
    labels, seed, k = drawn
    n = len(labels)
    rng = np.random.default_rng(seed)
    rows, scores = rng.normal(size=(n, 2)).astype(np.float32), rng.random(n)
    clustering = make_clustering(labels, scores)
    found = rank_rare(clustering, find_neighbours(rows, k))
    noise = np.flatnonzero(clustering.labels < 0).tolist()
    assert set(noise) <= set(found.positions.tolist())
    assert np.bincount(found.groups, minlength=1).max() <= 4
    order = list(range(n))
    random.shuffle(order)
    mixed = Clustering(
        ids=clustering.ids[order], labels=clustering.labels[order],
        memberships=clustering.memberships[order],
        outlier_scores=clustering.outlier_scores[order], spec={}, made_by="test",
    )  # fmt: skip
    again = rank_rare(mixed, find_neighbours(rows[order], k))
    assert clustering.ids[found.positions].tolist() == mixed.ids[again.positions].tolist()
    assert found.groups.tolist() == again.groups.tolist()


def test_the_table_by_hand():
    clustering = make_clustering([0, 0, -1, -1], [0, 0, 0.25, 0.75])
    rarity = Rarity(
        positions=np.array([3, 2]),
        scores=np.array([0.75, 0.25], np.float32),
        groups=np.array([0, 0], np.int32),
        nearest=np.array([0, -1], np.int32),
        ratios=np.array([2, 1.5], np.float32),
    )
    data = tabulate_rare(rarity, clustering, [("a",), ("b",), ("c", "c,2"), ("d",)])
    assert [
        "rank,image_id,path,outlier_score,nearest_cluster,distance_ratio,group",
        "1,i003,d,0.7500,0,2.000,0",
        "2,i002,c,0.2500,-1,1.500,0",
        '2,i002,"c,2",0.2500,-1,1.500,0',
    ] == data.decode().splitlines()


@pytest.mark.parametrize("groups", [[1, 2], [0, 2], [1, 0]])
def test_groups_must_ascend(groups):
    with pytest.raises(ValueError, match="ascend"):
        Rarity(
            positions=np.array([0, 1]), scores=np.zeros(2, np.float32),
            groups=np.array(groups, np.int32), nearest=np.zeros(2, np.int32),
            ratios=np.zeros(2, np.float32),
        )  # fmt: skip


def test_assigned_images_stay_marked_on_the_disk(tmp_path, scene):
    clustering = assign_noise(*scene)
    n = len(clustering)
    layout = Layout(
        ids=clustering.ids,
        paths=tuple((f"{i}.png",) for i in range(n)),
        xy=np.zeros((n, 2), np.float32),
    )
    run = create_run(tmp_path / "run")
    run.save_clustering(clustering, layout, Provenance(command="c", spec={}, seed=0, inputs={}))
    images = run.load_images()
    assert clustering.assigned.tolist() == images["assigned"].tolist()
    back = run.load_clustering()
    assert clustering.assigned.tolist() == back.assigned.tolist()
    assert clustering.labels.tolist() == back.labels.tolist()


@pytest.mark.parametrize(
    ("labels", "memberships", "assigned"),
    [([0, 0, -1], [1, 1, 0], [False, False, True]), ([0, 0, 0], [1, 1, 0.5], [False, False, True]),
     ([0, 0, 1], [1, 1, 0], [False, False, True]), ([0, 0, 0], [1, 1, 0], [False, True])],
)  # fmt: skip
def test_what_is_assigned_is_checked(labels, memberships, assigned):
    with pytest.raises(ValueError, match="assigned"):
        Clustering(
            ids=np.array(["a", "b", "c"]), labels=np.array(labels, np.int32),
            memberships=np.array(memberships, np.float32), outlier_scores=np.zeros(3, np.float32),
            spec={}, made_by="test", assigned=np.array(assigned),
        )  # fmt: skip


def test_an_image_between_two_clusters_is_no_outlier():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.uniform(0, 1, (200, 2)), [[4.0, 0.5]]]).astype(np.float32)
    graph = find_neighbours(rows, 5)
    found = partition_rows(
        rows, np.array([f"i{i}" for i in range(201)]), KMeans(2, random_state=0),
        made_by="kmeans", spec={}, graph=graph,
    )  # fmt: skip
    between = int(np.argmin(found.memberships[:200]))
    assert found.memberships[between] < 0.1
    assert found.outlier_scores[between] < 0.5
    assert 200 == int(found.outlier_scores.argmax())
    assert found.outlier_scores[200] > 0.9


def test_usual_values_by_hand():
    labels = np.array([0, 0, 1, -1, 0], np.int32)
    values = np.array([1.0, 2, 5, 9, 3])
    assert [2, 5, 3] == find_cluster_medians(
        values, labels, np.array([0, 1, -1], np.int32)
    ).tolist()
    indices = np.array([[1], [0], [1]], np.int32)
    distances = np.array([[1], [1], [4]], np.float32)
    graph = Neighbours(indices=indices, distances=distances)
    assert [0, 0, 0.75] == score_outliers(graph, np.zeros(3, np.int32)).tolist()


def test_memory_is_bounded_however_much_noise_and_however_many_clusters():
    rng = np.random.default_rng(0)
    n, k = 40_000, 2_000
    labels = np.where(np.arange(n) < 2 * k, np.arange(n) % k, -1).astype(np.int32)
    indices = rng.integers(0, n, size=(n, 4)).astype(np.int32)
    distances = np.sort(rng.random((n, 4), dtype=np.float32), axis=1)
    ids = np.array([f"{i:05}" for i in range(n)])
    zeros = np.zeros(n, np.float32)
    clustering = Clustering(
        ids=ids, labels=labels, memberships=zeros, outlier_scores=zeros, spec={}, made_by="x"
    )
    tracemalloc.start()
    found = assign_noise(clustering, Neighbours(indices=indices, distances=distances))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.assigned.any()
    assert peak < 150e6  # all ties at once would take 576 MB
