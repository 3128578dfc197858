"""embedding.npz: density clustering with other options does not lay the images out again."""

import json
import shutil

import pytest

from discovery import HDBSCANOptions, KMeansOptions, RoundOptions, discover_types
from discovery.runs import open_run
from embeddings.errors import RunError


@pytest.fixture
def run(finished, tmp_path):
    return open_run(shutil.copytree(finished, tmp_path / "run"))


def cluster(finished, run, clusterer, seed=0):
    options = RoundOptions(clusterer=clusterer, seed=seed)
    discover_types(finished / "store", run.path, options=options)
    return json.loads((run.path / "run.json").read_text())["artefacts"]


def test_another_minimum_size_keeps_the_layout(finished, run):
    assert not (run.path / "embedding.npz").exists()  # the default has no use for it
    first = cluster(finished, run, HDBSCANOptions(min_cluster_size=5))
    second = cluster(finished, run, HDBSCANOptions(min_cluster_size=9))
    assert first["embedding.npz"] == second["embedding.npz"]
    assert first["clustering.parquet"]["spec"] != second["clustering.parquet"]["spec"]
    assert {"neighbours.npz", "vectors"} == second["embedding.npz"]["inputs"].keys()


def test_another_seed_makes_another(finished, run):
    first = cluster(finished, run, HDBSCANOptions(min_cluster_size=5))
    second = cluster(finished, run, HDBSCANOptions(min_cluster_size=5), seed=1)
    assert first["embedding.npz"]["sha256"] != second["embedding.npz"]["sha256"]


def test_the_clusters_are_those_of_a_run_without_a_layout_to_keep(finished, run, tmp_path):
    cluster(finished, run, KMeansOptions(n_clusters=4))
    again = cluster(finished, run, HDBSCANOptions(min_cluster_size=5))
    fresh = open_run(shutil.copytree(finished, tmp_path / "fresh"))
    expected = cluster(finished, fresh, HDBSCANOptions(min_cluster_size=5))
    assert expected["clustering.parquet"]["sha256"] == again["clustering.parquet"]["sha256"]


def test_a_damaged_layout_is_made_again(finished, run):
    first = cluster(finished, run, HDBSCANOptions(min_cluster_size=5))
    data = bytearray((run.path / "embedding.npz").read_bytes())
    data[-100] ^= 1
    (run.path / "embedding.npz").write_bytes(bytes(data))
    with pytest.raises(RunError, match=r"embedding\.npz is not the file that was written"):
        run.read_bytes("embedding.npz")
    second = cluster(finished, run, HDBSCANOptions(min_cluster_size=5))
    assert first["embedding.npz"]["sha256"] == second["embedding.npz"]["sha256"]
