"""The clusterers that there are: their options, and what they build."""

import subprocess
import sys

import hdbscan
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from discovery.clusterers.agglomerative import AgglomerativeOptions
from discovery.clusterers.auto import AutoOptions
from discovery.clusterers.base import DEFAULT, check_clusterer, find_clusterers, make_default
from discovery.clusterers.hdbscan import HDBSCANOptions
from discovery.clusterers.kmeans import KMeansOptions
from discovery.flow.settings import describe_choice
from discovery.stages.partition import partition_rows
from embeddings.errors import OptionError

NAMES = {
    "agglomerative": AgglomerativeOptions,
    "auto": AutoOptions,
    "hdbscan": HDBSCANOptions,
    "kmeans": KMeansOptions,
}


def draw(n=600, k=6, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    return (6 * rng.normal(size=(k, 5))[truth] + 0.4 * rng.normal(size=(n, 5))).astype("f4"), truth


def test_every_module_is_found_by_its_name_the_default_first():
    found = find_clusterers()
    assert found == NAMES
    assert DEFAULT == next(iter(found)) == make_default().name
    assert list(NAMES) == [options().name for options in NAMES.values()]


def test_listing_them_loads_nothing_heavy():
    code = (
        "import sys; from discovery.clusterers.base import find_clusterers as f; f();"
        "print({'faiss', 'sklearn', 'hdbscan', 'numpy', 'tyro'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True
    )
    assert "set()" == done.stdout.strip()


@pytest.mark.parametrize("options", [None, "hdbscan", HDBSCANOptions])
def test_what_is_no_clusterer_is_refused(options):
    with pytest.raises(OptionError, match="expected the options of one of auto, agglomerative, h"):
        check_clusterer(options)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: HDBSCANOptions(min_cluster_size=1), "--min-cluster-size 1: expected 2 or more"),
        (lambda: HDBSCANOptions(min_samples=0), "--min-samples 0: expected 1 or more"),
        (lambda: KMeansOptions(n_clusters=1), "--n-clusters 1: expected auto, or 2 or more"),
        (lambda: AgglomerativeOptions(n_clusters=0), "--n-clusters 0: expected auto, or 2"),
        (lambda: KMeansOptions(n_clusters=9).check(8), "--n-clusters 9: there are 8 images"),
    ],
)
def test_bad_options_are_named_in_one_line(make, text):
    with pytest.raises(OptionError) as caught:
        make()
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


# To the letter: a run of an earlier version is current while this is the same.
SPECS = {
    AutoOptions(): {
        "clusterer": "auto", "granularity": "auto", "k": 30, "graph_dimensions": 100,
        "graph_whiten": 0.75, "communities": "leiden, those that last", "ties": 15,
    },
    HDBSCANOptions(): {
        "clusterer": "hdbscan", "min_cluster_size": 20, "min_samples": None,
        "cluster_selection_method": "eom", "k": 30, "graph_dimensions": 100, "graph_whiten": 0.75,
        "reducer": "umap", "dimensions": 5, "n_neighbors": 15,
    },
    KMeansOptions(): {
        "clusterer": "kmeans", "n_clusters": "auto", "counted": "groups that last", "ties": 15,
        "reducer": "pca", "dimensions": 50,
    },
    AgglomerativeOptions(n_clusters=4): {
        "clusterer": "agglomerative", "n_clusters": 4, "linkage": "ward", "reducer": "pca",
        "dimensions": 50,
    },
}  # fmt: skip


@pytest.mark.parametrize("options", SPECS)
def test_the_provenance_says_what_is_built(options):
    assert SPECS[options] == describe_choice(options, 900)


@pytest.mark.parametrize(("n", "size"), [(10, 5), (900, 20), (50_000, 145)])
def test_the_default_minimum_size(n, size):
    assert size == HDBSCANOptions().describe(n)["min_cluster_size"]
    assert size == HDBSCANOptions().build(n, seed=0).min_cluster_size


def test_sizes_shrink_with_the_share_that_is_drawn():
    assert 12 == HDBSCANOptions(min_cluster_size=20).build(900, seed=0, share=0.6).min_cluster_size
    assert 3 == AutoOptions().build(900, seed=0, share=0.6).min_community_size


def test_k_is_as_counted_or_asked_for():
    assert 7 == KMeansOptions().build(900, seed=0, k=7).n_clusters
    assert 4 == AgglomerativeOptions(n_clusters=4).build(900, seed=0).n_clusters
    with pytest.raises(ValueError, match="build must be told k"):
        KMeansOptions().build(900, seed=0)


def test_hdbscan_is_that_of_the_package():
    values, truth = draw()
    ours = HDBSCANOptions(min_cluster_size=15).build(600, seed=0).fit(values)
    assert isinstance(ours, hdbscan.HDBSCAN)
    peer = hdbscan.HDBSCAN(15, min_samples=5, approx_min_span_tree=False).fit(values)
    assert np.array_equal(peer.labels_, ours.labels_)
    assert adjusted_rand_score(truth, ours.labels_) > 0.9


@pytest.mark.parametrize("n", [2, 3, 5, 6, 40])
@pytest.mark.parametrize("same", [False, True])
def test_hdbscan_of_few_or_identical_images_has_finite_scores(n, same):
    values = np.ones((n, 5), np.float32) if same else draw(n=n, k=1)[0]
    found = partition(values, HDBSCANOptions(min_cluster_size=5))
    assert n == len(found)
    assert np.isfinite(found.outlier_scores).all()


def test_hdbscan_keeps_coincident_images_together_with_scores():
    values = np.repeat(draw(n=60, k=3)[0], 8, axis=0)
    found = partition(values, HDBSCANOptions(min_cluster_size=5))
    assert (found.labels.reshape(60, 8) == found.labels[::8, None]).all()
    assert 0 <= found.outlier_scores.min() <= found.outlier_scores.max() <= 1


def partition(values, options):
    ids = np.array([f"{i:04}" for i in range(len(values))])
    clusterer = options.build(len(values), seed=0)
    return partition_rows(values, ids, clusterer, made_by=options.name, spec={})
