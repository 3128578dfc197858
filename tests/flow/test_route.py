"""What the options of a clusterer come to."""

import numpy as np
import pytest

from discovery.clusterers.auto import AutoOptions
from discovery.flow.route import partition_vectors, reduce_vectors
from discovery.flow.settings import describe_graph
from discovery.graph.neighbours import find_neighbours
from embeddings.store import open_store


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("granularity", ["coarse", "auto", "fine"])
def test_the_granularity_reaches_the_clusterer(granularity, share):
    made = AutoOptions(granularity=granularity).build(60, seed=0, share=share)
    assert granularity == made.granularity


def test_finer_is_never_fewer(finished):
    vectors = open_store(finished / "store").load_vectors()
    rows = reduce_vectors(vectors, seed=0)
    graph = find_neighbours(rows, describe_graph(len(rows))["k"])
    counts = [
        partition_vectors(
            vectors, rows, graph, choice=AutoOptions(granularity=granularity), seed=0
        ).clustering.k
        for granularity in ("coarse", "auto", "fine")
    ]
    assert sorted(counts) == counts
    assert np.ptp(counts) > 0, "an option without effect"
