"""The layout that density clustering is given, kept in the run: another minimum size needs none.

It is of the neighbour graph alone. HDBSCAN on it takes a moment, the layout itself most of the
time of a round that is run again with other options.
"""

from typing import TYPE_CHECKING, Any

from discovery.flow.beside import Facts, Made, Work
from discovery.flow.settings import UMAP_DIMENSIONS, UMAP_NEIGHBOURS
from discovery.runs import EMBEDDING

if TYPE_CHECKING:
    from discovery.flow.context import RoundContext


def describe_embedding() -> dict[str, Any]:
    """Return what the layout is made with as JSON-ready values, for the provenance."""
    return {"reducer": "umap", "dimensions": UMAP_DIMENSIONS, "n_neighbors": UMAP_NEIGHBOURS}


def begin_embedding(context: "RoundContext") -> Work:
    """Lay the images out in a few dimensions, for the clusterer."""
    from discovery.flow.route import embed_rows
    from discovery.runs.tables import format_map

    graph_rows, graph, seed = context.graph_rows, context.graph, context.seed

    def work(facts: Facts) -> Made:
        rows = embed_rows(graph_rows, graph, seed=seed)
        facts.update(images=len(rows), dimensions=rows.shape[1])
        return {EMBEDDING: format_map(rows)}

    return work
