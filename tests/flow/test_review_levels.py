"""levels.npz of a round, and of a run that was made before there was one."""

import json
import shutil

import numpy as np
import pytest

from discovery import (
    AgglomerativeOptions,
    HDBSCANOptions,
    KMeansOptions,
    RoundOptions,
    discover_types,
)
from discovery.review.regroup import open_levels
from discovery.runs import open_run
from embeddings.errors import RunError


@pytest.fixture
def run(finished, tmp_path):
    return open_run(shutil.copytree(finished, tmp_path / "run"))


def made(run):
    return json.loads((run.path / "run.json").read_text())["artefacts"]


def test_a_round_leaves_its_levels(run):
    levels, clustering = open_levels(run), run.load_clustering()
    assert len(clustering) == len(levels)
    assert "communities" == levels.kind
    position = levels.find_position(clustering.labels)
    np.testing.assert_array_equal(clustering.k, levels.positions[position].groups)
    assert levels.positions[position].stable


def test_an_older_run_gets_the_same_levels_on_demand(run):
    expected = open_levels(run)
    (run.path / "levels.npz").unlink()
    found = open_levels(run)
    np.testing.assert_array_equal(expected.tree.children, found.tree.children)
    np.testing.assert_array_equal(expected.leaves, found.leaves)
    assert expected.positions == found.positions
    entry = made(run)["levels.npz"]
    assert "discovery.review" == entry["command"]
    assert {"neighbours.npz", "clustering.parquet"} == entry["inputs"].keys()
    # Saved: the next time it is read.
    assert found.positions == open_levels(open_run(run.path)).positions


@pytest.mark.parametrize(
    ("clusterer", "kind"),
    [
        (HDBSCANOptions(min_cluster_size=5), "condensed tree"),
        (AgglomerativeOptions(n_clusters=4), "linkage"),
        (KMeansOptions(n_clusters=4), "communities"),
    ],
)
def test_each_clusterer_has_levels_of_its_own(finished, run, clusterer, kind):
    discover_types(finished / "store", run.path, options=RoundOptions(clusterer=clusterer))
    levels = open_levels(run)
    assert kind == levels.kind
    assert levels.positions
    labels = run.load_clustering().labels
    position = levels.positions[levels.find_position(labels)]
    assert 4 == labels.max() + 1 == position.groups


def test_run_again_an_older_run_gets_those_of_its_own_clusterer(finished, run):
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    discover_types(finished / "store", run.path, options=options)
    before = made(run)
    (run.path / "levels.npz").unlink()
    assert "communities" == open_levels(run).kind
    discover_types(finished / "store", run.path, options=options)
    assert "linkage" == open_levels(run).kind
    # The clusters came out as they were: nothing behind them was made again.
    after = made(run)
    for name in ("clustering.parquet", "proposals.csv", "stability.json"):
        assert before[name]["sha256"] == after[name]["sha256"]
    assert before["stability.json"] == after["stability.json"]


def test_damaged_levels_are_named(run):
    data = bytearray((run.path / "levels.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (run.path / "levels.npz").write_bytes(bytes(data))
    with pytest.raises(RunError, match=r"levels\.npz is not the file that was written"):
        open_levels(run)
