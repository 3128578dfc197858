"""Fewer dimensions before clustering: principal components, and the graph laid out by UMAP.

`reduce_pca` keeps the metric (unit rows again, L2). `embed_umap` draws dense regions together,
which density clustering needs; it places only the images it was given.
"""

import numpy as np
from numpy.typing import NDArray

from discovery.estimators.pca import PCAReducer, find_components
from discovery.graph.landmarks import LAID_OUT_WHOLE, lay_out_landmarks
from discovery.graph.layout import lay_out_graph
from discovery.graph.neighbours import weigh_graph
from discovery.records import Neighbours
from embeddings.errors import OptionError
from embeddings.large_values import Values, iter_blocks


def reduce_pca(
    values: Values, n_components: int, *, seed: int = 0, whiten: float = 0.0
) -> NDArray[np.float32]:
    """Project rows onto their first principal components and make them unit again.

    Parameters
    ----------
    values : (n, d) float32
    n_components : int
        min(n, d) where there are fewer.
    whiten : float
        As in `PCAReducer`.

    Returns
    -------
    (n, p) float32, unit rows

    Raises
    ------
    OptionError
        n_components is below 1, or whiten outside 0 to 1.
    """
    reducer = PCAReducer(n_components, whiten=whiten, random_state=seed)
    return reducer.fit_transform(values)  # type: ignore[no-any-return]


def embed_umap(
    values: NDArray[np.float32],
    neighbours: Neighbours,
    n_components: int,
    *,
    seed: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.0,
) -> NDArray[np.float32]:
    """Lay images out by UMAP on the neighbour graph at hand (McInnes, Healy and Melville 2018).

    Parameters
    ----------
    values : (n, d) float32
        The vectors; only the starting layout (PCA) is taken from them.
    neighbours : Neighbours
        At least ``n_neighbors - 1`` a row (UMAP counts the image itself).
    n_components : int
    min_dist : float
        0 packs a dense region tight, which density clustering wants.

    Returns
    -------
    (n, n_components) float32
        The same for a seed on one platform. Fewer than n_components + 2 images have nothing to lay
        out: their centred PCA coordinates are returned.

    Raises
    ------
    OptionError
        A number is out of range, or the graph has too few neighbours.
    """
    n, k = neighbours.indices.shape
    width = min(n_neighbors, n - 1)  # the image itself counted
    if n_components < 1:
        raise OptionError(f"n_components is {n_components}, expected 1 or more")
    if k < width - 1:
        raise OptionError(
            f"n_neighbors is {width}, but the graph has {k} neighbours a row: "
            f"lower n_neighbors or build the graph with k={width - 1}"
        )
    start = np.zeros((n, n_components))
    found = find_components(values, n_components, seed=seed)
    for part, block in iter_blocks(values):
        start[part, : len(found.axes)] = (block - found.mean) @ found.axes.T
    if n < n_components + 2 or width < 2:
        return start.astype(np.float32)
    ties = weigh_graph(neighbours.indices[:, : width - 1], neighbours.distances[:, : width - 1])
    if n <= LAID_OUT_WHOLE:
        return lay_out_graph(ties, start, min_dist=min_dist, seed=seed).astype(np.float32)
    places = lay_out_landmarks(
        values, ties, start, n_neighbors=width - 1, min_dist=min_dist, seed=seed
    )
    return places.astype(np.float32)
