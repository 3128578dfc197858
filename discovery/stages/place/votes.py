"""Which cluster an image is likeliest of: by votes of its neighbours, or by the nearest centre.

Neighbours vote by the weights of the neighbour graph, in both directions, as if the image were
one of its nodes. The nearest centre is what k-means itself goes by. Each can answer with the image
itself withheld, which tells how often it is right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from discovery.graph.distances import measure_distances
from discovery.graph.neighbours import find_neighbours, scale_ties
from discovery.records import NOISE
from discovery.stages.place.records import Fitted

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# An image this much nearer to its nearest fitted one than to the next is a copy of it: the ratio
# test of Lowe (2004), Distinctive image features, section 7.1. All of 900 NEU-DET images saved anew
# as JPEG lie below it; of distinct images 1 to 5 %, most of those near duplicates.
COPY_RATIO = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """The likeliest cluster of m images.

    Attributes
    ----------
    labels : (m,) int32
        -1 where noise has more of the votes than any cluster.
    likeliest : (m,) int32
        The same, noise not counted; -1 where there is no cluster.
    confidences : (m,) float64 in [0, 1]
    copied : (m,) intp
        Position of the fitted image that this one is a copy of, or -1.
    """

    labels: NDArray[np.int32]
    likeliest: NDArray[np.int32]
    confidences: Floats
    copied: Positions


class NeighborVotes:
    """Votes of the fitted images that an image is a neighbour of, noise voting too.

    An edge of either direction counts, joined as in the graph (a + b - ab): the image's own to its
    nearest ones, and those of fitted images that would have it among their nearest.
    """

    def __init__(self, fitted: Fitted, *, n_neighbors: int) -> None:
        self.fitted = fitted
        self.n_neighbors = max(1, min(n_neighbors, len(fitted) - 1))
        near = find_neighbours(fitted.rows, self.n_neighbors).distances.astype(np.float64)  # (n, k)
        self.rho, self.sigma = (scale.T for scale in scale_ties(near))  # (1, n) each
        self.kth_distance = near[:, -1][None]  # (1, n)
        clusters = np.where(fitted.labels == NOISE, fitted.k, fitted.labels)
        n = len(fitted)
        # (n, k + 1) of one 1 a row, noise last. Sparse: of 50,000 images in 500 clusters it holds
        # 600 kB, dense 200 MB.
        self.memberships = csr_array((np.ones(n), (np.arange(n), clusters)), (n, fitted.k + 1))

    def count(self, rows: NDArray[np.float32], withheld: Positions | None = None) -> Votes:
        """Count the votes for unit rows (m, p), each perhaps one of the fitted, withheld."""
        parts = [
            self._count_block(distances)
            for _, distances in measure_distances(rows, self.fitted.rows, withheld=withheld)
        ]
        if not parts:
            return _no_votes()
        shares = np.concatenate([part[0] for part in parts])  # (m, k + 1)
        copied = np.concatenate([part[1] for part in parts])
        if not self.fitted.k:
            nobody = np.full(len(rows), NOISE, np.int32)
            return Votes(
                labels=nobody, likeliest=nobody, confidences=np.zeros(len(rows)), copied=copied
            )
        likeliest = shares[:, :-1].argmax(axis=1).astype(np.int32)
        best = shares[:, :-1].max(axis=1)
        return Votes(
            labels=np.where(best > shares[:, -1], likeliest, NOISE).astype(np.int32),
            likeliest=likeliest,
            confidences=np.clip(best, 0, 1),
            copied=copied,
        )

    def _count_block(self, distances: Floats) -> tuple[Floats, Positions]:
        """Return the (b, k + 1) shares of the votes, and what each row is a copy of."""
        k = min(max(self.n_neighbors, 2), distances.shape[1])  # two tell a copy
        near = np.argpartition(distances, min(k, distances.shape[1] - 1), axis=1)[:, :k]
        near_distances = np.take_along_axis(distances, near, axis=1)
        order = np.argsort(near_distances, axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        near_distances = np.take_along_axis(near_distances, order, axis=1)
        copied = _find_copied(near, near_distances)
        near = near[:, : self.n_neighbors]  # (b, k)
        near_distances = near_distances[:, : self.n_neighbors]
        rho, sigma = scale_ties(near_distances)
        own = np.exp(-np.maximum(near_distances - rho, 0) / sigma)
        back = np.exp(-np.maximum(distances - self.rho, 0) / self.sigma)
        joined = np.where(distances < self.kth_distance, back, 0.0)  # (b, n)
        returned = np.take_along_axis(joined, near, axis=1)
        np.put_along_axis(joined, near, own + returned - own * returned, axis=1)
        shares = joined @ self.memberships
        # Rounded, so that of equal shares the bigger cluster's counts, and not the order of a sum.
        return (shares / shares.sum(axis=1, keepdims=True)).round(12), copied


def _find_copied(near: Positions, distances: Floats) -> Positions:
    if near.shape[1] < 2:
        return np.full(len(near), -1, np.intp)
    is_copy = distances[:, 0] < COPY_RATIO * distances[:, 1]
    return np.where(is_copy, near[:, 0], -1).astype(np.intp)


def _no_votes() -> Votes:
    none = np.empty(0, np.int32)
    return Votes(
        labels=none, likeliest=none, confidences=np.empty(0), copied=np.empty(0, dtype=np.intp)
    )


def predict_by_centre(
    rows: NDArray[np.float32], fitted: Fitted, *, withheld: Positions | None = None
) -> tuple[NDArray[np.int32], Floats]:
    """Return (m,) the cluster with the nearest centre, and how clearly it is the nearest.

    That is the next centre's share of the two squared distances: 0.5 halfway, 1 on the centre.
    A withheld image is taken out of its own centre, which moves away from it by n / (n - 1).
    """
    k = fitted.k
    centres = np.stack([fitted.rows[fitted.labels == c].mean(axis=0) for c in range(k)])
    gaps = np.square(centres).sum(axis=1) + 1 - 2 * (rows @ centres.T).astype(np.float64)
    squared = np.maximum(gaps, 0)  # (m, k); the rows are unit
    if withheld is not None:
        own = fitted.labels[withheld]
        inside = np.flatnonzero(own >= 0)
        sizes = np.bincount(fitted.labels[fitted.labels >= 0], minlength=k)[own[inside]]
        factor = np.square(sizes / np.maximum(sizes - 1, 1))
        left = squared[inside, own[inside]] * factor
        squared[inside, own[inside]] = np.where(sizes < 2, np.inf, left)  # nobody else is there
    nearest = squared.argmin(axis=1).astype(np.int32)
    if k < 2:
        return nearest, np.ones(len(rows))
    two = np.partition(squared, 1, axis=1)[:, :2]
    finite = np.isfinite(two[:, 1])
    return nearest, np.where(finite, 1 - two[:, 0] / np.maximum(two.sum(axis=1), 1e-12), 1.0)
