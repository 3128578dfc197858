"""The layout of very many images: some are laid out, the rest placed among them, and all settle.

The epochs of a layout go over every edge, and of a million images most of what an edge needs is in
no cache. What where lies on the whole is decided by a fraction of the images as well as by all of
them (landmarks, as in de Silva and Tenenbaum 2004, "Sparse multidimensional scaling using landmark
points"); the surroundings of each image are then settled by a few gentle epochs over all edges.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from discovery.graph.layout import Floats, lay_out_graph, settle_layout
from discovery.graph.lists import tune_lists
from discovery.graph.neighbours import (
    find_neighbours,
    keep_nearest,
    measure_candidates,
    weigh_graph,
)
from embeddings.large_values import BLOCK_ROWS
from embeddings.threads import map_in_threads

LAID_OUT_WHOLE = 20_000  # images; of more some are landmarks
_FEWEST, _SHARE = 10_000, 0.1  # landmarks
_EPOCHS = 200
_NEAREST = 3  # landmarks among which an image is placed
_SPARE = 5  # more candidates than that: the direct distances choose among near-ties
_JITTER = 1e-2  # of the layout's unit: images of the same landmarks must not lie on one point


def lay_out_landmarks(
    values: NDArray[np.float32],
    graph: sparse.csr_matrix,
    start: Floats,
    *,
    n_neighbors: int,
    min_dist: float = 0.0,
    seed: int = 0,
) -> Floats:
    """Lay out landmarks, place all images among them, and settle these along their graph.

    Parameters
    ----------
    values : (n, d) float32
        What the graph was made of.
    graph : (n, n) sparse, symmetric
        Ties in (0, 1].
    start : (n, p) float64
        Where the images are at first.
    n_neighbors : int
        Of a landmark among the landmarks.
    min_dist : float
        As in `lay_out_graph`.
    seed : int

    Returns
    -------
    (n, p) float64
        The same for a seed on one platform.
    """
    n = len(values)
    rng = np.random.default_rng(seed)
    count = min(n, max(_FEWEST, int(_SHARE * n)))
    chosen = np.sort(rng.choice(n, count, replace=False))
    near = find_neighbours(values[chosen], n_neighbors, seed=seed)
    ties = weigh_graph(near.indices, near.distances)
    landmarks = lay_out_graph(ties, start[chosen], min_dist=min_dist, seed=seed, epochs=_EPOCHS)
    places = _place_among(values, chosen, landmarks, seed=seed)
    places += _JITTER * rng.standard_normal(places.shape)
    return settle_layout(graph, places, min_dist=min_dist, seed=seed)


def _place_among(
    values: NDArray[np.float32], chosen: NDArray[np.intp], landmarks: Floats, *, seed: int
) -> Floats:
    """Place each image among the landmarks nearest to it, (n, p); landmarks stay."""
    rows = values[chosen]
    width = min(_NEAREST + _SPARE, len(rows))
    candidates = tune_lists(rows, min(_NEAREST, width), width, seed=seed).search(values, width)
    places = np.empty((len(values), landmarks.shape[1]))

    def place(first: int) -> None:
        part = slice(first, first + BLOCK_ROWS)
        squared = measure_candidates(values[part], rows, candidates[part])
        near, squared = keep_nearest(candidates[part], squared, _NEAREST)
        # One that is twice as far says a quarter as much.
        weights = 1 / np.maximum(squared.astype(np.float64), 1e-12)
        weights /= weights.sum(axis=1, keepdims=True)
        places[part] = np.einsum("bw,bwp->bp", weights, landmarks[near])

    map_in_threads(place, range(0, len(values), BLOCK_ROWS))
    places[chosen] = landmarks
    return places
