"""The evidence for a proposal: how alike its members are, how unlike all else, and how new.

Rows are centred unit rows (the mean of all images taken away, then made unit again) for cohesion
and separation, so that two images with no more in common than any two have similarity 0; novelty
is measured on the vectors as they are, since known images were never centred with these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.graph.distances import REACH_QUANTILE, ROUNDING, measure_nearest
from discovery.records import Clustering, Duplicates
from embeddings.large_values import (
    Values,
    change_rows,
    iter_blocks,
    mean_rows,
    select,
)
from embeddings.records import unit_rows
from embeddings.threads import map_in_threads

_SHORT = 1e-6  # of a centred row: what is shorter is made unit with more care


def find_members(
    clustering: Clustering, duplicates: Duplicates | None = None
) -> list[NDArray[np.intp]]:
    """Return the positions of each cluster's members that count as evidence, k arrays.

    Of several copies one counts: the kept one, or where it is in another cluster the first; what
    was assigned to a cluster afterwards is no evidence for it.
    """
    labels = clustering.core_labels
    order = np.arange(len(labels))
    if duplicates is not None:
        ranked = np.lexsort((order, ~duplicates.kept))
        pairs = np.stack([labels[ranked], duplicates.groups[ranked]], axis=1)
        order = np.sort(ranked[np.unique(pairs, axis=0, return_index=True)[1]])
    return [order[labels[order] == cluster_id] for cluster_id in range(clustering.k)]


class Centred:
    """The centred unit rows of n images, a cluster at a time: all at once are as much again.

    Parameters
    ----------
    values : (n, d) float32
    """

    def __init__(self, values: Values) -> None:
        self._values = values
        self._mean = mean_rows(values).astype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of an array, (n, d)."""
        return self._values.shape

    def __getitem__(self, rows: NDArray[Any]) -> Values:
        """Return the rows at these positions, or of this mask, (m, d); unread where large."""
        return change_rows(select(self._values, rows), self.shape[1], self._centre)

    def _centre(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        centred: NDArray[np.float32] = rows - self._mean
        lengths = _measure_lengths(centred)
        short = lengths < _SHORT
        centred /= np.where(short, 1, lengths)[:, None]
        centred[short] = unit_rows(rows[short] - self._mean)
        return centred


def _measure_lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("md,md->m", rows, rows))
    return lengths


Rows = Centred | NDArray[np.float32]  # the latter are unit rows already


def find_centroids(centred: Rows, members: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Return the mean of each cluster's rows, (k, d)."""
    centroids = map_in_threads(lambda rows: mean_rows(centred[rows]), list(members))
    return np.array(centroids).reshape(len(members), centred.shape[1])


def measure_cohesion(centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean cosine similarity of each cluster's members to their mean direction, (k,) in [0, 1].

    For unit rows x with mean m it is mean(x . m / |m|) = |m|: the mean resultant length of
    directional statistics (Mardia & Jupp 2000, section 9.2).
    """
    lengths: NDArray[np.float64] = np.linalg.norm(centroids, axis=1)
    return np.clip(lengths, 0, 1)


def find_rivals(
    centred: Rows, clustering: Clustering, centroids: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the clusters' members are held against, (r, d): the centroids.

    A lone cluster's rival is the mean of the images outside it, if there are any.
    """
    outside = clustering.core_labels < 0
    if len(centroids) == 1 and outside.any():
        return np.vstack([centroids, mean_rows(centred[outside])])
    return centroids


def measure_separation(rows: Values, rivals: NDArray[np.float64], own_id: int) -> float:
    """Mean simplified silhouette of a cluster's members (Hruschka 2004), in [-1, 1].

    The distance to the own centroid is held against that to the nearest other one; 0 where there is
    none.

    Parameters
    ----------
    rows : (m, d) float32
        Of the members.
    rivals : (r, d) float64
    own_id : int
        Which of the rivals is the cluster's own centroid.
    """
    if len(rivals) < 2:
        return 0.0
    margins = np.empty(len(rows))
    others = np.delete(rivals, own_id, axis=0).astype(np.float32)  # (r - 1, d)
    centroid, squares = rivals[own_id].astype(np.float32), (others**2).sum(axis=1)
    for part, block in iter_blocks(rows):
        own = _measure_lengths(block - centroid)
        # |a - b|^2 = |a|^2 + |b|^2 - 2ab: no (b, r, d) array of differences
        nearest = (squares - 2 * (block @ others.T)).min(axis=1)  # (b,)
        other = np.sqrt(np.maximum(_measure_lengths(block) ** 2 + nearest, 0))
        margins[part] = (other - own) / np.maximum(np.maximum(own, other), 1e-12)
    return float(margins.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTypes:
    """Images whose type is known.

    Attributes
    ----------
    values : (m, d) float32, unit rows of the same extractor
    labels : (m,) array of str
    """

    values: NDArray[np.float32]
    labels: NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.labels.shape != (len(self.values),):
            raise ValueError(f"{self.values.shape} values for {self.labels.shape} labels")
        if not len(self.labels) or (self.labels == "").any():
            raise ValueError("known types need at least one image, each with a label")


def measure_novelties(
    values: Values, members: Sequence[NDArray[np.intp]], known: KnownTypes | None
) -> list[tuple[float, str]]:
    """Return the share of each cluster outside the reach of every known type, and the nearest type.

    A type reaches as far from each of its images as 95 % of them are from their own nearest
    sibling; a type of one image reaches as far as the types with several do in the mean.

    Parameters
    ----------
    values : (n, d) float32, unit rows
    members : k arrays of positions
        Of each cluster's images.
    known : KnownTypes or None

    Returns
    -------
    list of (float, str)
        NaN and an empty label without known types.
    """
    if known is None:
        return [(float("nan"), "")] * len(members)
    names = np.unique(known.labels)
    types = [known.values[known.labels == name] for name in names]
    # Of the types alone, so once for all clusters: each type is compared with all of itself.
    reaches = _measure_reaches(types)  # (types,)
    novelties = []
    for rows in members:
        own = select(values, rows)
        distances = np.stack([measure_nearest(own, of_type) for of_type in types])  # (types, m)
        inside = (distances <= reaches[:, None]).any(axis=0)  # (m,)
        nearest = int(distances.mean(axis=1).argmin())
        novelties.append((float(1 - inside.mean()), str(names[nearest])))
    return novelties


def _measure_reaches(types: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    reaches = np.full(len(types), np.nan)
    for i, rows in enumerate(types):
        if len(rows) > 1:
            nearest = measure_nearest(rows, rows, withheld=np.arange(len(rows)))
            reaches[i] = np.quantile(nearest, REACH_QUANTILE)
    usual = np.nanmean(reaches) if np.isfinite(reaches).any() else 0.0
    # Without the rounding a type of one image would not even reach that image.
    return np.maximum(np.where(np.isnan(reaches), usual, reaches), ROUNDING)
