"""A Ray cluster of three workers on this machine; all tests here skip where Ray is not installed.

`make test-ray` installs it (240 MB) into an environment of its own and runs them.
"""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
_STARTS = 4  # a machine that is busy outlasts the 30 s that Ray gives a node to come up
_MEMORY = 80_000_000  # bytes that a node shares; the least that Ray takes is near


def add_machine(cluster, **what):
    """Add a machine, the first as the head; tried again where Ray gives up on it."""
    for turn in range(_STARTS):
        try:
            return cluster.add_node(object_store_memory=_MEMORY, **what)
        except Exception:
            if turn == _STARTS - 1:
                raise


@pytest.fixture(scope="session")
def machines():
    """A head without processors, and functions that add and kill machines of one processor."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    add_machine(cluster, num_cpus=0, include_dashboard=False)
    cluster.three = [add_machine(cluster, num_cpus=1) for _ in range(3)]
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def cluster(machines):
    """The cluster with three machines, whatever the test before did to them."""
    while len(machines.three) < 3:
        machines.three.append(add_machine(machines, num_cpus=1))
    return machines


@pytest.fixture
def kill_machine():
    """Return a function that kills one of the three as a power cut does."""

    def kill(cluster):
        cluster.remove_node(cluster.three.pop(), allow_graceful=False)

    return kill


@pytest.fixture
def draw_lot(tmp_path):
    """Return a function that fills a folder with n pictures, one in three of 16 bits."""

    def draw(n, *, folder="images", side=64):
        place = tmp_path / folder
        place.mkdir()
        for seed in range(n):
            rng = np.random.default_rng(seed)
            shown = 0.7 * np.kron(rng.random((4, 4)), np.ones((side // 4,) * 2))
            shown += 0.3 * rng.random((side, side))
            if seed % 3:
                Image.fromarray((shown * 255).astype(np.uint8)).save(place / f"{seed:04d}.png")
            else:
                pixels = (800 + 400 * shown).astype(np.uint16)
                tifffile.imwrite(place / f"{seed:04d}.tif", pixels, photometric="minisblack")
        return place

    return draw
