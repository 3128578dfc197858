"""What the judge sees of the images: made once a run."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

Floats = NDArray[np.float32]

# Principal axes: on four sets 200 and 300 served alike, and the time of a fit grows with them.
DIMENSIONS = 200
# The axes of a sample are as good as those of all; the sample bounds their time.
SAMPLE = 4000
LINKS = 10  # neighbours an image hears of; 30 of the graph blur small types


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The n images as the judge sees them.

    Attributes
    ----------
    values : (n, p) float32
        Principal components of the vectors, scaled to a mean square length of 1.
    links : (n, n) sparse
        Likeness of near neighbours, both ways, normalised by the roots of their sums.
    copies : (n,) int32
        Group of near copies, -1 without.
    """

    values: Floats
    links: sparse.csr_matrix = field(repr=False)
    copies: NDArray[np.int32] = field(repr=False)

    def __len__(self) -> int:
        return len(self.values)


def make_features(
    vectors: Floats,
    neighbours: NDArray[np.int32],
    *,
    rows: Floats,
    copies: NDArray[np.int32],
    seed: int = 0,
) -> Features:
    """Reduce the vectors of n images, and weigh the links to their neighbours.

    Parameters
    ----------
    vectors : (n, d) unit rows
    neighbours : (n, k) int32
        Positions of the nearest, nearest first.
    rows : (n, p) unit rows
        What the neighbours were found with.
    copies : (n,) int32
    seed : int
    """
    values = _reduce(vectors, seed)
    links = _link(rows, neighbours[:, :LINKS])
    return Features(values=values, links=links, copies=copies)


def _reduce(vectors: Floats, seed: int) -> Floats:
    """Project on the principal axes of a sample, (n, p)."""
    n, d = vectors.shape
    sample = vectors
    if n > SAMPLE:
        sample = vectors[np.random.default_rng(seed).choice(n, SAMPLE, replace=False)]
    mean = sample.mean(axis=0)
    width = min(DIMENSIONS, d, len(sample))
    axes = randomized_svd(sample - mean, width, n_iter=4, random_state=seed)[2]  # (p, d)
    # The mean's product is taken off afterwards: no second copy of all vectors.
    values = vectors @ axes.T - mean @ axes.T
    length = np.sqrt(np.mean(np.square(values).sum(axis=1)))
    return np.asarray(values / max(float(length), 1e-12), dtype=np.float32)


def _link(rows: Floats, nearest: NDArray[np.int32]) -> sparse.csr_matrix:
    n, k = nearest.shape
    likeness = np.empty((n, k), np.float32)
    for column in range(k):  # (n, k, d) at once would be many times the rows
        likeness[:, column] = np.einsum("nd,nd->n", rows, rows[nearest[:, column]])
    starts = np.repeat(np.arange(n), k)
    one_way = sparse.csr_matrix(
        (np.maximum(likeness, 0).ravel(), (starts, nearest.ravel())), shape=(n, n)
    )
    both = one_way.maximum(one_way.T)
    share = sparse.diags(1 / np.sqrt(np.asarray(both.sum(axis=1)).ravel() + 1e-9))
    return sparse.csr_matrix(share @ both @ share, dtype=np.float32)
