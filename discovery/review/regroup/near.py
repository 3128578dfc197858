"""Look-alikes of an image among the images of its run."""

import numpy as np
from numpy.typing import NDArray


def look_alikes(
    rows: NDArray[np.float32], image: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k images nearest to one, nearest first, and their distances.

    Parameters
    ----------
    rows : (n, d) float32, unit rows
        The vectors, or the rows of the neighbour graph.
    image : int
        Itself not among the answers.
    k : int
        n - 1 where there are fewer.

    Returns
    -------
    (k,) int64, (k,) float32
        Positions and L2 distances; ties by position.

    Raises
    ------
    IndexError
        There is no such image.
    """
    n = len(rows)
    if not 0 <= image < n:
        raise IndexError(f"image {image}: there are {n}")
    k = max(0, min(k, n - 1))
    likeness = rows @ rows[image]  # (n,)
    likeness[image] = -np.inf
    # More than asked for: measured again below, as a product cannot tell near copies apart.
    width = min(n, k + 8)
    near = np.sort(np.argpartition(-likeness, width - 1)[:width])
    distances = np.linalg.norm(rows[near] - rows[image], axis=1)
    distances[near == image] = np.inf
    order = np.argsort(distances, kind="stable")[:k]
    return near[order].astype(np.int64), distances[order].astype(np.float32)
