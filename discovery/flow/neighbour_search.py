"""Where the neighbours of a round's images are found: on this machine, or by a cluster."""

from typing import Any

from discovery.flow.context import RoundContext
from discovery.graph.neighbours import find_neighbours
from discovery.records import Neighbours

_SHARDS = "neighbours.shards"  # of the run, where the workers meet while the graph is made


def find_graph(context: RoundContext, k: int, facts: dict[str, Any]) -> Neighbours:
    """Find the k nearest neighbours of each image of a round, by the engine of its options."""
    extract, rows = context.options.extract, context.graph_rows
    if extract.engine == "local":
        return find_neighbours(rows, k, seed=context.seed)
    from discovery.graph.shards import count_shards, find_neighbours_sharded
    from embeddings.ray_pool import open_pool

    takes_gpus = extract.device != "cpu"
    with open_pool(extract.ray_address, cpus=extract.workers, takes_gpus=takes_gpus) as pool:
        facts.update(workers=pool.members, shards=count_shards(len(rows), pool.members))
        folder = context.run.path / _SHARDS
        return find_neighbours_sharded(rows, k, pool=pool, folder=folder, seed=context.seed)
