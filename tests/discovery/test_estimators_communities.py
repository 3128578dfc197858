import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.optimize import brentq
from scipy.sparse import csgraph
from sklearn.metrics import adjusted_rand_score

from discovery.estimators.communities import GraphCommunities, find_communities, weigh_graph
from discovery.graph.leiden import (
    _merge_nodes,
    _prepare_score,
    _transpose,
    partition_graph,
)
from discovery.graph.neighbours import find_neighbours
from discovery.records import Neighbours
from embeddings.errors import OptionError


def draw(n=400, d=20, k=6, seed=0):
    """Return blobs of uneven size and width and their truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=rng.dirichlet(np.full(k, 5.0)))
    widths = rng.uniform(0.3, 0.9, k)[truth, None]
    values = 2 * rng.normal(size=(k, d))[truth] + widths * rng.normal(size=(n, d))
    return values.astype(np.float32), truth


def make_graph(edges, n):
    """Return a symmetric graph of (a, b, weight)."""
    a, b, weights = map(np.array, zip(*edges, strict=True))
    half = sparse.csr_matrix((weights.astype(float), (a, b)), shape=(n, n))
    return (half + half.T).tocsr()


# Two triangles with a bridge: by hand, 12 of 14 half edges are inside, 7 end in each.
TRIANGLES = make_graph(
    [(0, 1, 1), (1, 2, 1), (0, 2, 1), (3, 4, 1), (4, 5, 1), (3, 5, 1), (2, 3, 1)], 6
)


def weigh_as_umap(neighbours):
    """Return umap-learn's own graph; it wants the row itself first, at distance 0."""
    from umap.umap_ import fuzzy_simplicial_set

    n, k = neighbours.indices.shape
    indices = np.column_stack((np.arange(n), neighbours.indices)).astype(np.int32)
    distances = np.column_stack((np.zeros(n), neighbours.distances)).astype(np.float32)
    return fuzzy_simplicial_set(
        np.empty((n, 1)), k + 1, np.random.RandomState(0), "euclidean",
        knn_indices=indices, knn_dists=distances,
    )[0]  # fmt: skip


def weigh_by_definition(neighbours):
    """Solve what McInnes et al. (2018), section 3.1, ask of each row's ties, one row at a time."""
    n, k = neighbours.indices.shape
    directed = np.zeros((n, n))
    for row, gaps in enumerate(neighbours.distances.astype(float)):
        gaps = np.maximum(gaps - gaps[gaps > 0].min(), 0)
        sigma = brentq(lambda width, d=gaps: np.exp(-d / width).sum() - np.log2(k + 1), 1e-4, 1e4)
        directed[row, neighbours.indices[row]] = np.exp(-gaps / sigma)
    return directed + directed.T - directed * directed.T


WEIGHED = [(14, 20, 0), (9, 2, 1), (49, 50, 2)]


@pytest.mark.parametrize(("k", "d", "seed"), WEIGHED)
def test_the_ties_of_a_row_are_as_they_are_defined(k, d, seed):
    neighbours = find_neighbours(draw_row_values(d, seed), k)
    ours = weigh_graph(neighbours.indices, neighbours.distances)
    np.testing.assert_allclose(ours.toarray(), weigh_by_definition(neighbours), atol=1e-5)


def test_the_ties_of_duplicates_are_as_they_are_defined():
    neighbours = find_neighbours(draw_duplicates(), 14)
    ours = weigh_graph(neighbours.indices, neighbours.distances)
    np.testing.assert_allclose(ours.toarray(), weigh_by_definition(neighbours), atol=1e-5)
    assert 1.0 == ours[50, 0]


@pytest.mark.long  # umap-learn compiles
@pytest.mark.filterwarnings("ignore::ImportWarning")
@pytest.mark.parametrize(("k", "d", "seed"), WEIGHED)
def test_the_graph_is_weighed_as_umap_does(k, d, seed):
    neighbours = find_neighbours(draw_row_values(d, seed), k)
    ours = weigh_graph(neighbours.indices, neighbours.distances)
    assert abs(ours - weigh_as_umap(neighbours)).max() < 1e-5


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_duplicates_are_weighed_as_umap_does():
    neighbours = find_neighbours(draw_duplicates(), 14)
    ours = weigh_graph(neighbours.indices, neighbours.distances)
    assert abs(ours - weigh_as_umap(neighbours)).max() < 1e-5


def draw_row_values(d, seed):
    return np.random.default_rng(seed).normal(size=(300, d)).astype(np.float32)


def draw_duplicates():
    values = np.random.default_rng(0).normal(size=(100, 5)).astype(np.float32)
    values[50:60] = values[:10]  # distance 0: the nearest other is the next one
    return values


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (12, 3), elements=st.floats(0, 1, width=32)), st.integers(1, 11))
def test_ties_are_symmetric_and_bounded(values, k):
    graph = weigh_graph(*_parts(find_neighbours(values, k)))
    assert abs(graph - graph.T).max() == 0
    assert 0 <= graph.data.min() <= graph.data.max() <= 1
    # Each image is wholly tied to its nearest, or to all that coincide with it.
    np.testing.assert_allclose(graph.max(axis=1).toarray(), 1, rtol=1e-6)


def _parts(neighbours):
    return neighbours.indices, neighbours.distances


@pytest.mark.parametrize("resolution", [0.5, 0.75, 1.0, 2.0])
def test_modularity_by_hand(resolution, measure_modularity):
    score = _prepare_score(TRIANGLES, resolution)
    halves, apart = np.array([0, 0, 0, 1, 1, 1]), np.arange(6)
    expected = 12 / 14 - resolution * (7**2 + 7**2) / 14**2
    assert score(halves) == pytest.approx(expected)
    assert measure_modularity(TRIANGLES, halves, resolution) == pytest.approx(expected)
    expected = -resolution * (4 * 2**2 + 2 * 3**2) / 14**2
    assert score(apart) == pytest.approx(expected)
    assert measure_modularity(TRIANGLES, apart, resolution) == pytest.approx(expected)


def test_modularity_of_weighted_ties_by_definition(measure_modularity):
    rng = np.random.default_rng(0)
    graph = weigh_graph(*_parts(find_neighbours(draw(60)[0], 7)))
    labels = rng.integers(0, 4, 60)
    expected = measure_modularity(graph, labels, 0.75)  # Reichardt and Bornholdt, eq. 15
    assert _prepare_score(graph, 0.75)(labels) == pytest.approx(expected)


def draw_flat_graph(n=300, k=14):
    """Return a graph without clear groups: many partitions are nearly as good."""
    values = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    return weigh_graph(*_parts(find_neighbours(values, k)))


def test_the_best_of_several_runs_is_taken():
    labels, modularity = find_communities(TRIANGLES, 1.0, seed=0, runs=3)
    assert adjusted_rand_score([0, 0, 0, 1, 1, 1], labels) == 1
    assert modularity == pytest.approx(12 / 14 - 1 / 2)
    graph = draw_flat_graph()
    alone = [find_communities(graph, 1.0, seed=seed, runs=1)[1] for seed in range(5)]
    assert max(alone) == find_communities(graph, 1.0, seed=0, runs=5)[1]
    assert min(alone) < max(alone)


def test_a_run_is_the_same_for_its_seed():
    graph = draw_flat_graph()
    first = [partition_graph(graph, 1.0, seed=seed) for seed in (0, 1)]
    assert np.array_equal(first[0], partition_graph(graph, 1.0, seed=0))
    assert not np.array_equal(*first)


@pytest.mark.parametrize("seed", range(3))
def test_no_single_image_would_do_better_elsewhere(seed, measure_modularity):
    graph = draw_flat_graph(n=120)
    labels = partition_graph(graph, 1.0, seed=seed)
    reached = measure_modularity(graph, labels, 1.0)
    for image in range(120):
        for other in range(labels.max() + 2):  # one of them is a community of its own
            moved = labels.copy()
            moved[image] = other
            assert measure_modularity(graph, moved, 1.0) <= reached + 1e-9


@pytest.mark.parametrize("resolution", [0.3, 1.0, 3.0])
def test_communities_hang_together(resolution):
    graph = draw_flat_graph()
    labels = partition_graph(graph, resolution, seed=0)
    assert set(range(labels.max() + 1)) == set(labels.tolist())
    for label in range(labels.max() + 1):
        mine = labels == label
        parts = csgraph.connected_components(graph[mine][:, mine])[0]
        assert 1 == parts


def test_it_is_as_good_as_a_peer(measure_modularity):
    networkx = pytest.importorskip("networkx")
    graph = draw_flat_graph()
    peer = networkx.from_scipy_sparse_array(graph)
    found = networkx.community.louvain_communities(peer, seed=0, resolution=0.75)
    theirs = np.empty(300, np.int64)
    for label, members in enumerate(found):
        theirs[list(members)] = label
    modularity = measure_modularity(graph, theirs, 0.75)
    assert modularity == pytest.approx(
        networkx.community.modularity(peer, found, resolution=0.75), abs=1e-6
    )
    assert find_communities(graph, 0.75, seed=0)[1] >= modularity - 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_blobs_are_found(seed):
    values, truth = draw(seed=seed)
    fitted = GraphCommunities(0.5).fit(values)
    assert adjusted_rand_score(truth, fitted.labels_) > 0.95
    assert 0 < fitted.modularity_ < 1
    assert (np.int32, (400,)) == (fitted.labels_.dtype, fitted.labels_.shape)


def test_membership_is_the_share_of_own_ties():
    values, _ = draw(k=3)
    values[:40] = values[:40] * 0.3  # some between the groups
    fitted = GraphCommunities(n_neighbors=10, min_community_size=1).fit(values)
    ties = weigh_graph(*_parts(find_neighbours(values, 9))).toarray()
    for i, label in enumerate(fitted.labels_):
        share = fitted.membership_strengths_[i]
        if label < 0:
            assert 0 == share
        else:  # those that the rule made noise may have been of the community
            own = ties[i, fitted.labels_ == label].sum() / ties[i].sum()
            assert share >= max(0.5, own - 1e-9)
    clean = GraphCommunities(n_neighbors=10, min_community_size=1).fit(draw(k=3)[0])
    assert (clean.labels_ >= 0).all()
    same = clean.labels_[:, None] == clean.labels_
    ties = weigh_graph(*_parts(find_neighbours(draw(k=3)[0], 9))).toarray()
    np.testing.assert_allclose((ties * same).sum(1) / ties.sum(1), clean.membership_strengths_)


def test_what_lies_between_groups_is_noise():
    rng = np.random.default_rng(0)
    groups = np.repeat([[0.0] * 8, [3.0] * 8, [0.0, 3.0] * 4], 60, axis=0)
    values = groups + 0.3 * rng.normal(size=groups.shape)
    # As far from each of two groups, three far apart from each other.
    between = np.array([[1.5] * 8, [0.0, 1.5] * 4, [1.5, 3.0] * 4]) + 0.05
    fitted = GraphCommunities().fit(np.concatenate((values, between)))
    inside, outside = fitted.outlier_scores_[:180], fitted.outlier_scores_[180:]
    assert np.median(outside) > np.quantile(inside, 0.95)
    assert 0 <= fitted.outlier_scores_.min() <= fitted.outlier_scores_.max() <= 1
    noise = fitted.labels_ < 0
    assert (fitted.membership_strengths_[noise] == 0).all()
    assert (fitted.membership_strengths_[~noise] >= 0.5).all()


def test_small_groups_are_noise():
    values, _ = draw(d=10, k=3)
    pair = np.full((4, 10), 30.0) + np.random.default_rng(1).normal(size=(4, 10))
    values = np.concatenate((values, pair))
    few = {"n_neighbors": 4}
    assert (GraphCommunities(**few).fit(values).labels_[-4:] == -1).all()
    kept = GraphCommunities(min_community_size=4, **few).fit(values).labels_[-4:]
    assert 1 == len(set(kept.tolist()))
    assert kept[0] >= 0


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float32, (40, 2), elements=st.floats(0, 1, width=16)), st.integers(1, 8),
    st.integers(2, 12),
)  # fmt: skip
def test_no_group_is_smaller_than_asked_for(values, smallest, width):
    fitted = GraphCommunities(
        n_neighbors=width, min_community_size=smallest, n_runs=1
    ).fit(values)  # fmt: skip
    named = fitted.labels_[fitted.labels_ >= 0]
    sizes = np.bincount(named)
    assert (sizes[sizes > 0] >= smallest).all()
    assert np.isfinite(fitted.outlier_scores_).all()


def test_a_finer_resolution_finds_more():
    values, _ = draw(n=600, k=12)
    counts = [
        len(np.unique(GraphCommunities(resolution).fit(values).labels_))
        for resolution in (0.05, 0.5, 2.0, 8.0)
    ]
    assert sorted(counts) == counts
    assert counts[0] < counts[-1]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_images_are_noise_unless_asked_for(n):
    values = np.random.default_rng(0).normal(size=(n, 4))
    fitted = GraphCommunities().fit(values)
    assert [-1] * n == fitted.labels_.tolist()
    assert [0.0] * n == fitted.membership_strengths_.tolist()
    assert np.isfinite(fitted.outlier_scores_).all()
    if n > 1:
        assert [0] * n == GraphCommunities(min_community_size=2).fit(values).labels_.tolist()


@pytest.mark.parametrize("n", [5, 16, 40, 200])
def test_identical_rows_are_one_group(n):
    fitted = GraphCommunities().fit(np.ones((n, 6)))
    assert {0} == set(fitted.labels_.tolist())
    np.testing.assert_allclose(fitted.membership_strengths_, 1)
    assert (fitted.outlier_scores_ < 1e-9).all()


@pytest.mark.parametrize("granularity", ["coarse", "auto", "fine"])
def test_a_crowd_of_one_row_is_a_group_and_leaves_the_others_as_they_are(granularity):
    values, truth = draw()
    far = np.full((80, values.shape[1]), 100, np.float32)
    mixed = np.random.default_rng(1).permutation(480)
    rows = np.concatenate([values, far])[mixed]
    is_far = mixed >= 400
    fitted = GraphCommunities(granularity=granularity).fit(rows)
    assert 1 == len(set(fitted.labels_[is_far].tolist()))
    assert not set(fitted.labels_[is_far].tolist()) & set(fitted.labels_[~is_far].tolist())
    alone = GraphCommunities(granularity=granularity).fit(rows[~is_far])
    assert 1 == adjusted_rand_score(alone.labels_, fitted.labels_[~is_far])
    assert fitted.persistence_.tree.sizes[-1] == 480
    assert len(set(truth)) + 1 <= fitted.labels_.max() + 1


def test_groups_that_are_those_of_auto_are_known():
    values, _ = draw()
    auto = GraphCommunities().fit(values)
    assert not auto.is_as_auto_
    for granularity in ("coarse", "fine"):
        fitted = GraphCommunities(granularity=granularity).fit(values)
        same = np.array_equal(auto.labels_, fitted.labels_)
        assert same == fitted.is_as_auto_


def test_two_fits_agree():
    values, _ = draw()
    ours = [GraphCommunities(random_state=seed).fit(values) for seed in (5, 5)]
    for name in ("labels_", "membership_strengths_", "outlier_scores_"):
        assert np.array_equal(getattr(ours[0], name), getattr(ours[1], name))


def test_a_graph_is_used_as_it_is():
    values, truth = draw()
    alone = GraphCommunities().fit(values)
    for k in (14, 30):  # a wider one is cut
        given_ = GraphCommunities().fit(values, neighbours=find_neighbours(values, k))
        assert np.array_equal(alone.labels_, given_.labels_)
    # A graph of other vectors must show.
    shuffled = np.random.default_rng(0).permutation(values)
    other = GraphCommunities().fit(values, neighbours=find_neighbours(shuffled, 14))
    assert adjusted_rand_score(truth, other.labels_) < 0.1


def test_a_graph_that_does_not_fit_is_refused():
    values, _ = draw()
    graph = find_neighbours(values, 8)
    with pytest.raises(OptionError, match=r"expected 400 rows of 14 neighbours or more"):
        GraphCommunities().fit(values, neighbours=graph)
    part = Neighbours(indices=graph.indices[:7, :3] % 7, distances=graph.distances[:7, :3])
    with pytest.raises(OptionError, match="the graph has 7 rows of 3 neighbours, expected 400"):
        GraphCommunities().fit(values, neighbours=part)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"resolution": 0}, "resolution is 0, expected more than 0"),
        ({"resolution": -1.0}, "resolution is -1.0, expected a number of 0 or more"),
        ({"resolution": float("nan")}, "resolution is nan"),
        ({"n_neighbors": 1}, "n_neighbors is 1, expected a whole number of 2 or more"),
        ({"min_community_size": 0}, "min_community_size is 0"),
        ({"n_runs": 0}, "n_runs is 0, expected a whole number of 1 or more"),
    ],
)
def test_bad_options_are_named(options, text):
    with pytest.raises(OptionError, match=re.escape(text)):
        GraphCommunities(**options).fit(draw(n=20)[0])


@given(seed=st.integers(0, 10**6), n=st.integers(2, 40), k=st.integers(1, 8))
def test_merged_nodes_are_tied_as_products_of_matrices_tie_them(seed, n, k):
    rng = np.random.default_rng(seed)
    dense = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.3))
    graph = sparse.csr_matrix(dense + dense.T + np.eye(n))
    fine = np.unique(rng.integers(0, k, n), return_inverse=True)[1].astype(np.int64)
    k = int(fine.max()) + 1
    belongs = sparse.csr_matrix((np.ones(n), (np.arange(n), fine)), shape=(n, k))
    expected = (belongs.T @ graph @ belongs).tocsr()
    ties = (graph.indptr.astype(np.int64), graph.indices.astype(np.int64), graph.data)
    merged, turned = _merge_nodes(_transpose(ties, n), fine, k)
    # Bit for bit, and in this order: another one would visit communities in another order.
    for found, one in zip(merged, (expected.indptr, expected.indices, expected.data), strict=True):
        np.testing.assert_array_equal(one, found)
    there = expected.T.tocsr()
    for found, one in zip(turned, (there.indptr, there.indices, there.data), strict=True):
        np.testing.assert_array_equal(one, found)
