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


def test_finer_is_never_fewer_and_no_effect_is_told(finished, caplog):
    vectors = open_store(finished / "store").load_vectors()
    rows = reduce_vectors(vectors, seed=0)
    graph = find_neighbours(rows, describe_graph(len(rows))["k"])
    caplog.set_level("INFO")
    labels, told = {}, {}
    for granularity in ("coarse", "auto", "fine"):
        caplog.clear()
        choice = AutoOptions(granularity=granularity)
        found = partition_vectors(vectors, rows, graph, choice=choice, seed=0)
        labels[granularity] = found.clustering.labels.tolist()
        told[granularity] = (
            f"--granularity {granularity}: the groups are those of auto" in caplog.text
        )
    counts = [max(found) + 1 for found in labels.values()]
    assert told == {name: name != "auto" and labels[name] == labels["auto"] for name in labels}
    assert sorted(counts) == counts
    assert np.ptp(counts) > 0, "an option without effect"
