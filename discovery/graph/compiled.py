"""All compiled loops at once, so that no round waits for a compiler."""

from typing import Any

import numpy as np
from scipy import sparse

from embeddings.highlight import loops
from embeddings.highlight.folding import fold_median, share_explained


def compile_all() -> list[Any]:
    """Compile every loop, or load what is kept of it, so that no round waits; return the loops."""
    from discovery.graph import layout, leiden, lists

    corners = sparse.csr_matrix(np.ones((4, 4)) - np.eye(4))
    for width in (2, 5):  # a map, and what density clustering is given
        layout.lay_out_graph(corners, np.eye(4, 6)[:, :width])
    leiden.partition_graph(corners, 1.0, seed=0)
    rows = np.eye(4, dtype=np.float32)
    lists._keep(*lists._make_heaps(4, 2), np.arange(4), rows, 0)
    found = [leiden._gather, leiden._move, leiden._transpose, leiden._merge_nodes]
    return [layout._descend, layout._read_force, lists._keep, *found, *_compile_highlight()]


def _compile_highlight() -> list[Any]:
    y, x = np.mgrid[:48, :48].astype(np.float32)
    flat = np.sin(x) * np.sin(y)
    places = np.zeros(flat.shape, np.int32)
    fold_median(flat, places, 1)
    share_explained(flat, places, 1)
    profile = np.ones(8)
    loops.add_up_phases(profile, profile, profile, pitch=3.0, cells=8)
    loops.draw_lines(flat[0], x, is_grating=True)
    loops.draw_cells(flat, y, x)
    return [
        loops._count_levels, loops._read_quantiles, loops._add_up, loops._add_up_phases,
        loops._draw_lines, loops._draw_cells,
    ]  # fmt: skip
