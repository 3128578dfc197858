"""The k-nearest-neighbour graph: found by FAISS, weighed as UMAP weighs it.

`find_neighbours` searches, then measures the distances of what it found again, directly: FAISS
computes |x|^2 + |y|^2 - 2xy, which in float32 cannot tell look-alikes closer than about 5e-4
on unit rows apart. Small sets are searched exactly, larger ones by lists that are tuned on the data
itself until their recall is right. `weigh_graph` turns distances into ties that are
strong where images are near for their surroundings.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from discovery.graph.crowds import find_crowds, ring_neighbours, split_crowds
from discovery.graph.lists import search_flat, tune_lists
from discovery.records import Neighbours
from embeddings.errors import OptionError

EXACT_BELOW = 20_000  # rows; the flat search grows with n^2 and takes seconds here
SPARE = 8  # more candidates than asked for: the direct distances choose among near-ties
_BLOCK_VALUES = 1 << 22  # float32 values in one block of differences: 16 MB
_CACHE_VALUES = 1 << 14  # float64 values in one block of distances: 128 kB
_ROUNDS = 64  # bisections: the last halves a float64's rounding
_SIGMA_FLOOR = 1e-3  # of the mean distance, as umap-learn has it: duplicates keep a finite weight


def find_neighbours(
    values: NDArray[np.float32], k: int, *, exact_below: int = EXACT_BELOW, seed: int = 0
) -> Neighbours:
    """Find the k nearest other rows of each row.

    Parameters
    ----------
    values : (n, d) float32
    k : int
        Neighbours a row, itself not counted; n - 1 where there are fewer.
    exact_below : int
        From this many rows on lists are searched (`discovery.graph.lists`), at a recall of about
        .99. A GPU searches exactly at any size.
    seed : int
        Of the lists' k-means.

    Returns
    -------
    Neighbours
        L2 distances, accurate near zero; ties by position.

    Raises
    ------
    OptionError
        k is below 1.
    """
    if k < 1:
        raise OptionError(f"k is {k}, expected 1 or more neighbours")
    values = np.ascontiguousarray(values, dtype=np.float32)
    n = len(values)
    k = min(k, n - 1)
    if k < 1:
        empty = np.empty((n, 0))
        return Neighbours(indices=empty.astype(np.int32), distances=empty.astype(np.float32))
    width = min(k + 1 + SPARE, n)
    import faiss  # half a second and 180 MB: who only reads a graph does not pay

    exact = n < exact_below or faiss.get_num_gpus() > 0
    if exact:
        candidates = search_flat(values, values, width)  # (n, width)
    else:
        candidates = _search_lists(values, k + 1, width, seed=seed)
    return _rank(values, candidates, k, exact=exact)


def _search_lists(
    values: NDArray[np.float32], wanted: int, width: int, *, seed: int
) -> NDArray[np.int64]:
    """Return (n, width) candidates, of which the `wanted` nearest are likely to be the nearest.

    The rows of a crowd are one another's; of half a million, a list would hold them all, and each
    be held against each. A few of them stand for it among the others.
    """
    rest, *members = split_crowds(find_crowds(values, least=2 * width))
    searched = np.sort(np.concatenate([rest, *(own[:width] for own in members)]))
    rows = values[searched] if members else values  # no copy where there is no crowd
    lists = tune_lists(rows, wanted, width, seed=seed)
    candidates = np.empty((len(values), width), np.int64)
    candidates[searched] = searched[lists.search(rows, width)]
    for own in members:
        candidates[own] = ring_neighbours(own, width)
    return candidates


def weigh_graph(indices: NDArray[np.int32], distances: NDArray[np.float32]) -> sparse.csr_matrix:
    """Return the (n, n) symmetric graph of ties in (0, 1].

    A tie is exp(-(d - rho) / sigma): rho is the distance to the nearest other image, sigma is
    such that a row's ties sum to log2(k + 1). Ties a and b of the two directions join to
    a + b - ab.

    Parameters
    ----------
    indices, distances : (n, k)
        The neighbours of each row, itself not among them.
    """
    n, k = indices.shape
    weights = _smooth(distances.astype(np.float64))
    rows = np.repeat(np.arange(n), k)
    directed = sparse.csr_matrix((weights.ravel(), (rows, indices.ravel())), shape=(n, n))
    return (directed + directed.T - directed.multiply(directed.T)).tocsr()


def _smooth(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (n, k) directed ties."""
    rho, sigma = scale_ties(distances)
    weights: NDArray[np.float64] = np.exp(-np.maximum(distances - rho, 0) / sigma)
    return weights


def scale_ties(
    distances: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rho and sigma of each row, both (n, 1): a tie is exp(-max(d - rho, 0) / sigma).

    Sigma is found by bisection, all rows at once.

    Parameters
    ----------
    distances : (n, k)
        To the neighbours of each row, nearest first; k may be 0.
    """
    # Sigma is looked for in so many rows at once as a processor's cache holds.
    step = max(1, _CACHE_VALUES // max(distances.shape[1], 1))
    parts = [_scale_block(distances[at : at + step]) for at in range(0, len(distances), step)]
    if not parts:
        return np.zeros((0, 1)), np.zeros((0, 1))
    rho, sigma = (np.concatenate(one) for one in zip(*parts, strict=True))
    return rho, sigma


def _scale_block(
    distances: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    goal = np.log2(distances.shape[1] + 1)
    rho = np.where(distances > 0, distances, np.inf).min(axis=1, initial=np.inf)
    rho = np.where(np.isinf(rho), 0, rho)[:, None]  # (n, 1)
    gaps = np.maximum(distances - rho, 0)  # (n, k)
    low, high = np.zeros(len(gaps)), np.full(len(gaps), np.inf)
    sigma = np.ones(len(gaps))
    for _ in range(_ROUNDS):
        too_wide = np.exp(-gaps / sigma[:, None]).sum(axis=1) > goal
        high, low = np.where(too_wide, sigma, high), np.where(too_wide, low, sigma)
        # Doubled until it is too wide once; a row of equal distances never is.
        sigma = np.where(np.isinf(high), np.minimum(sigma * 2, 1e30), (low + high) / 2)
    mean = distances.sum(axis=1) / max(distances.shape[1], 1)
    floor = np.maximum(_SIGMA_FLOOR * mean, np.finfo(np.float64).tiny)
    return rho, np.maximum(sigma, floor)[:, None]


def _rank(
    values: NDArray[np.float32], candidates: NDArray[np.int64], k: int, *, exact: bool
) -> Neighbours:
    """Measure candidates directly, leave each row itself out, and keep the k nearest."""
    n, width = candidates.shape
    indices = np.empty((n, k), np.int32)
    distances = np.empty((n, k), np.float32)
    own, step = np.arange(n), _count_rows(width, values.shape[1])
    for start in range(0, n, step):
        part = slice(start, start + step)
        near = np.sort(candidates[part], axis=1)  # (b, width); by position, so that ties are too
        squared = measure_candidates(values[part], values, near)
        # Among many duplicates the row itself may be missing: then the farthest is dropped.
        squared[near == own[part, None]] = np.inf
        near, squared = keep_nearest(near, squared, k)
        indices[part], distances[part] = near, np.sqrt(squared)
    return Neighbours(indices=indices, distances=distances, exact=exact)


def measure_candidates(
    queries: NDArray[np.float32], values: NDArray[np.float32], near: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the (q, width) squared distances of rows to candidates, from their differences.

    Parameters
    ----------
    queries : (q, d)
    values : (n, d)
    near : (q, width)
        Positions among the values.
    """
    squared = np.empty(near.shape, np.float32)
    step = _count_rows(near.shape[1], values.shape[1])
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        gaps = values[near[part]] - queries[part, None]  # (b, width, d)
        squared[part] = np.einsum("bwd,bwd->bw", gaps, gaps)
    return squared


def keep_nearest(
    indices: NDArray[np.int64], squared: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k nearest of each row's candidates; of equally near ones those that come first."""
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(squared, order, axis=1)


def _count_rows(width: int, d: int) -> int:
    """Return of how many rows the differences to `width` others fill a block."""
    return max(1, _BLOCK_VALUES // (width * d))
