"""The levels of a run: of the round, or made of the neighbour graph where there are none."""

import numpy as np

from discovery.flow.route import find_lasting_groups
from discovery.graph.levels import Levels
from discovery.runs import CLUSTERING, LEVELS, NEIGHBOURS, Provenance, Run
from discovery.runs.tables import hash_ids
from discovery.stages.levels import find_graph_levels, format_levels, read_levels
from embeddings.console import get_logger
from embeddings.errors import RunError

_COMMAND = "discovery.review"


def open_levels(run: Run) -> Levels:
    """Open the levels of a run.

    A run of an earlier version has none: they are made of its neighbour graph, and saved. Run
    again, the round replaces them by those of its own clusterer.

    Raises
    ------
    RunError
        levels.npz is damaged or belongs to other images, or the run has no neighbour graph.
    """
    if not (run.path / LEVELS).exists():
        return _make_of_graph(run)
    levels, ids_sha256 = read_levels(run.read_bytes(LEVELS))
    if ids_sha256 != hash_ids(run.load_clustering().ids):
        raise RunError(f"{run.path / LEVELS} belongs to other images: run discovery.cluster again")
    return levels


def _make_of_graph(run: Run) -> Levels:
    clustering = run.load_clustering()
    neighbours = run.load_neighbours(clustering.ids)
    seed = int((run.entry(CLUSTERING) or {}).get("seed", 0))
    made_by = Provenance(
        command=_COMMAND,
        spec={"levels": "neighbour graph"},
        seed=seed,
        inputs=run.hash_inputs(NEIGHBOURS, CLUSTERING),
    )
    # The graph says all: the rows themselves are not looked at.
    rows = np.zeros((len(clustering), 1), np.float32)
    levels = find_graph_levels(
        find_lasting_groups(rows, seed=seed, neighbours=neighbours), seed=seed
    )
    run.save_bytes(LEVELS, format_levels(levels, hash_ids(clustering.ids)), made_by)
    get_logger().info("levels: %d positions, made of the neighbour graph", len(levels.resolutions))
    return levels
