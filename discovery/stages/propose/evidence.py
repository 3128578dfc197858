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
from embeddings.records import unit_rows
from embeddings.threads import map_in_threads


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

    def __init__(self, values: NDArray[np.float32]) -> None:
        self._values, self._mean = values, values.mean(axis=0)

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of an array, (n, d)."""
        return self._values.shape

    def __getitem__(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return the rows at these positions, or of this mask, (m, d)."""
        return unit_rows(self._values[rows] - self._mean)


Rows = Centred | NDArray[np.float32]


def find_centroids(centred: Rows, members: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Return the mean of each cluster's rows, (k, d)."""
    centroids = map_in_threads(
        lambda rows: centred[rows].mean(axis=0, dtype=np.float64), list(members)
    )
    return np.array(centroids).reshape(len(members), centred.shape[1])


def measure_cohesion(centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean cosine similarity of each cluster's members to their mean direction, (k,) in [0, 1].

    For unit rows x with mean m it is mean(x . m / |m|) = |m|: the mean resultant length of
    directional statistics (Mardia & Jupp 2000, section 9.2).
    """
    lengths: NDArray[np.float64] = np.linalg.norm(centroids, axis=1)
    return np.clip(lengths, 0, 1)


def measure_separation(
    centred: Rows,
    clustering: Clustering,
    *,
    members: Sequence[NDArray[np.intp]],
    centroids: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean simplified silhouette of each cluster's members (Hruschka 2004), (k,) in [-1, 1].

    The distance to the own centroid is held against that to the nearest other one; a lone
    cluster against the mean of the images outside it, and it has 0 where there are none.
    """
    outside = clustering.core_labels < 0
    rivals = centroids
    if len(centroids) == 1 and outside.any():
        rivals = np.vstack([centroids, centred[outside].mean(axis=0)])
    if len(rivals) < 2:
        return np.zeros(len(members))
    return np.array(
        map_in_threads(lambda one: _margin(centred[members[one]], rivals, one), range(len(members)))
    )


def _margin(rows: NDArray[np.float32], rivals: NDArray[np.float64], own_id: int) -> float:
    # |a - b|^2 = |a|^2 + |b|^2 - 2ab: no (m, k, d) array of differences
    squared = (rows**2).sum(1)[:, None] + (rivals**2).sum(1) - 2 * rows @ rivals.T  # (m, k)
    distances = np.sqrt(np.maximum(squared, 0))
    own = distances[:, own_id].copy()
    distances[:, own_id] = np.inf
    other = distances.min(axis=1)
    return float(np.mean((other - own) / np.maximum(np.maximum(own, other), 1e-12)))


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
    values: NDArray[np.float32], members: Sequence[NDArray[np.intp]], known: KnownTypes | None
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
        own = values[rows]
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
