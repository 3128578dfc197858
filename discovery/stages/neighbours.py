"""The neighbour graph of a round: made once, kept in the run, used by every later stage."""

from discovery.clusterers.knn import find_neighbours
from discovery.records import Neighbours
from embeddings.records import Vectors


def build_neighbours(vectors: Vectors, k: int, *, seed: int = 0) -> Neighbours:
    """Find the k nearest other images of each image.

    Parameters
    ----------
    vectors : Vectors
    k : int
        n - 1 where there are fewer images.
    seed : int
        Of the approximate search on large sets.

    Returns
    -------
    Neighbours
        L2 on unit rows; the smaller the more alike.

    Raises
    ------
    OptionError
        k is below 1.
    """
    return find_neighbours(vectors.values, k, seed=seed)
