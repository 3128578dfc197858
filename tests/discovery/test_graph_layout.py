import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from discovery.graph import layout
from discovery.graph.layout import (
    _CELLS,
    _REACH,
    _fit_curve,
    _tabulate_forces,
    lay_out_graph,
)
from discovery.graph.neighbours import find_neighbours, weigh_graph


@pytest.fixture(scope="module")
def data():
    """Ten groups of uneven width in 20 dimensions, their graph and a start."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 500)
    widths = rng.uniform(0.2, 0.6, 10)[truth, None]
    values = (rng.normal(size=(10, 20))[truth] + widths * rng.normal(size=(500, 20))).astype("f4")
    found = find_neighbours(values, 14)
    graph = weigh_graph(found.indices, found.distances)
    return values, truth, found, graph, PCA(2).fit_transform(values).astype(float)


def test_it_is_the_same_for_a_seed_and_leaves_the_start_alone(data):
    *_, graph, start = data
    before = start.copy()
    first, again = (lay_out_graph(graph, start, min_dist=0.1, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, lay_out_graph(graph, start, min_dist=0.1, seed=4))
    assert np.array_equal(before, start)


def test_near_images_lie_together(data):
    values, truth, _, graph, start = data
    places = lay_out_graph(graph, start, min_dist=0.1)
    assert trustworthiness(values, places, n_neighbors=10) > trustworthiness(values, start)
    near = find_neighbours(places.astype("f4"), 5).indices
    assert (truth[near] == truth[:, None]).mean() > 0.9


@pytest.mark.long
@pytest.mark.slow  # umap-learn compiles
@pytest.mark.parametrize(("width", "min_dist"), [(2, 0.1), (5, 0.0)])
def test_it_is_as_faithful_as_umap_learn(data, width, min_dist):
    values, _, found, graph, _ = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        itself = np.arange(len(values))[:, None]
        knn = (
            np.hstack([itself, found.indices]).astype(np.int32),
            np.hstack([np.zeros((len(values), 1)), found.distances]).astype(np.float32),
            None,
        )
        peers = [
            UMAP(
                n_neighbors=15, n_components=width, min_dist=min_dist, init="pca",
                random_state=seed, n_jobs=1, precomputed_knn=knn,
            ).fit_transform(values)
            for seed in range(3)
        ]  # fmt: skip
    start = PCA(width).fit_transform(values).astype(float)
    ours = [lay_out_graph(graph, start, min_dist=min_dist, seed=seed) for seed in range(3)]
    peer, own = (np.mean([trustworthiness(values, one) for one in each]) for each in (peers, ours))
    assert own > peer - 0.005


def test_the_curve_is_that_of_umap_learn():
    # umap.umap_.find_ab_params(1, min_dist)
    np.testing.assert_allclose(_fit_curve(0.1), (1.57694, 0.89506), rtol=1e-4)
    np.testing.assert_allclose(_fit_curve(0.0), (1.93293, 0.79049), rtol=1e-4)


def test_coincident_images_and_a_graph_in_parts_are_laid_out():
    block = sparse.csr_matrix(np.ones((6, 6)) - np.eye(6))
    graph = sparse.block_diag([block, block]).tocsr()
    places = lay_out_graph(graph, np.zeros((12, 2)))
    assert np.isfinite(places).all()
    gaps = np.linalg.norm(places[:, None] - places, axis=2)
    assert gaps[:6, :6].max() < gaps[:6, 6:].min()


def test_a_table_says_of_the_forces_what_the_formulas_say():
    curve = np.array(_fit_curve(0.1))
    a, b = curve
    pulls, pushes = _tabulate_forces(curve, _CELLS)
    assert (2, 0) == _tabulate_forces(curve, 0).shape
    distances = np.random.default_rng(0).uniform(0.02, 59, 2000)
    at = distances / _REACH * _CELLS
    squared = distances**2
    power = squared**b
    pull = -2 * a * b * power / (squared * (a * power + 1))
    push = 2 * b / ((0.001 + squared) * (a * power + 1))
    np.testing.assert_allclose(np.interp(at, np.arange(_CELLS + 1), pulls), pull, rtol=5e-3)
    np.testing.assert_allclose(np.interp(at, np.arange(_CELLS + 1), pushes), push, rtol=5e-3)


def test_a_layout_by_the_table_is_as_faithful(data, monkeypatch):
    values, _, _, graph, start = data
    by_formula = [lay_out_graph(graph, start, min_dist=0.1, seed=seed) for seed in range(3)]
    monkeypatch.setattr(layout, "_TABULATED", 100)
    by_table = [lay_out_graph(graph, start, min_dist=0.1, seed=seed) for seed in range(3)]
    assert not np.array_equal(by_formula[0], by_table[0])
    formula, table = (
        np.mean([trustworthiness(values, one) for one in each]) for each in (by_formula, by_table)
    )
    assert table > formula - 0.005
