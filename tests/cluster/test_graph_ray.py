"""The neighbour graph by a real cluster is the graph of one machine, though a machine is lost."""

import threading
import time

import numpy as np
import pytest

from discovery.graph.neighbours import find_neighbours
from discovery.graph.shards import find_neighbours_sharded
from embeddings.ray_pool import RayPool, connect

ray = pytest.importorskip("ray", reason="Ray is not installed: `make test-ray` installs it")


def test_shards_by_workers_give_the_graph_of_one_machine(cluster, kill_machine, tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9000, 64)).astype(np.float32)
    folder = tmp_path / "shards"

    def kill_later():
        deadline = time.monotonic() + 120
        while not list(folder.glob("indices-*.npy")) and time.monotonic() < deadline:
            time.sleep(0.01)
        kill_machine(cluster)

    killer = threading.Thread(target=kill_later)
    with RayPool(connect(cluster.address), cpus=1, most=3) as pool:
        killer.start()
        found = find_neighbours_sharded(rows, 15, pool=pool, folder=folder, shards=9)
    killer.join()
    alone = find_neighbours(rows, 15)
    np.testing.assert_array_equal(found.indices, alone.indices)
    np.testing.assert_array_equal(found.distances, alone.distances)
    assert not folder.exists()
