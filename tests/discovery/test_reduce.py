import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from discovery.clusterers.hdbscan import HDBSCANOptions
from discovery.graph.neighbours import find_neighbours
from discovery.stages.reduce import embed_umap
from embeddings.errors import OptionError
from embeddings.records import unit_rows


@pytest.fixture(scope="module")
def clustered():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 60)
    values = unit_rows(rng.normal(size=(5, 30))[truth] + 0.35 * rng.normal(size=(300, 30)))
    return values, truth, find_neighbours(values, 20)


def cluster_densely(layout):
    options = HDBSCANOptions(min_cluster_size=15)
    return options.build(len(layout), seed=0).fit(layout).labels_


def test_umap_draws_clusters_together(clustered):
    values, truth, neighbours = clustered
    layout = embed_umap(values, neighbours, 3, seed=1)
    assert (np.float32, (300, 3)) == (layout.dtype, layout.shape)
    assert adjusted_rand_score(truth, cluster_densely(layout)) > 0.95
    assert np.array_equal(layout, embed_umap(values, neighbours, 3, seed=1))


def test_umap_uses_the_graph_it_is_given(clustered):
    values, truth, _ = clustered
    # A graph of other vectors must show in the layout.
    shuffled = np.random.default_rng(0).permutation(values)
    layout = embed_umap(values, find_neighbours(shuffled, 20), 3)
    assert adjusted_rand_score(truth, cluster_densely(layout)) < 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9, 14, 15, 16])
@pytest.mark.parametrize("width", [2, 5])
def test_few_images_are_laid_out(clustered, n, width):
    values = clustered[0][:n]
    layout = embed_umap(values, find_neighbours(values, 15), width)
    assert (n, width) == layout.shape
    assert np.isfinite(layout).all()


def test_umap_stands_duplicates(clustered):
    values = np.repeat(clustered[0][::40], 20, axis=0)
    assert np.isfinite(embed_umap(values, find_neighbours(values, 15), 2)).all()


def test_a_graph_too_narrow_is_refused(clustered):
    values, _, _ = clustered
    with pytest.raises(OptionError, match="n_neighbors is 15, but the graph has 5"):
        embed_umap(values, find_neighbours(values, 5), 2)
    with pytest.raises(OptionError, match="n_components is 0"):
        embed_umap(values, find_neighbours(values, 15), 0)
