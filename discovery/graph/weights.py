"""The weights of the neighbour graph, as UMAP has them: near is near for the surroundings."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_ROUNDS = 64  # bisections: the last halves a float64's rounding
_SIGMA_FLOOR = 1e-3  # of the mean distance, as umap-learn has it: duplicates keep a finite weight


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
        To the neighbours of each row, nearest first.
    """
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
    floor = np.maximum(_SIGMA_FLOOR * distances.mean(axis=1), np.finfo(np.float64).tiny)
    return rho, np.maximum(sigma, floor)[:, None]
