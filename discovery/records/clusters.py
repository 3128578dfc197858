"""What the stages hand on: neighbours, clusters, their map, the rare images, and the sweep.

n images, k clusters, noise has label -1 everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOISE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The k nearest neighbours of each image, itself not among them.

    Attributes
    ----------
    indices : (n, k) int32
        Positions, nearest first.
    distances : (n, k) float32
        L2 on unit rows, ascending along a row.
    exact : bool
        False where an approximate index found them.
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]
    exact: bool = True

    def __post_init__(self) -> None:
        # float64 and int64 would double the biggest array of a round.
        if self.indices.dtype != np.int32 or self.distances.dtype != np.float32:
            raise ValueError("indices must be int32 and distances float32")
        if self.indices.ndim != 2 or self.indices.shape != self.distances.shape:
            raise ValueError(f"shapes {self.indices.shape} and {self.distances.shape} differ")
        n = len(self.indices)
        if self.indices.size and not 0 <= self.indices.min() <= self.indices.max() < n:
            raise ValueError(f"an index lies outside 0..{n - 1}")

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """Which image belongs to which cluster, and how firmly.

    Attributes
    ----------
    ids : (n,) array of str
    labels : (n,) int32
        0 is the biggest cluster, -1 is noise.
    memberships : (n,) float32 in [0, 1]; 0 for noise
    outlier_scores : (n,) float32 in [0, 1], 1 is the strangest
    spec : dict
        The clusterer and its parameters, as JSON-ready values.
    made_by : str
        Name of the clusterer.
    assigned : (n,) bool or None
        Noise that was given the nearest cluster on request: it bears that cluster's label, has
        membership 0 and does not count in the order by size. None where nothing was assigned.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int32]
    memberships: NDArray[np.float32]
    outlier_scores: NDArray[np.float32]
    spec: dict[str, Any]
    made_by: str
    assigned: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name in ("labels", "memberships", "outlier_scores"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected ({n},)")
        for name in ("memberships", "outlier_scores"):
            values = getattr(self, name)
            if n and not (np.isfinite(values).all() and 0 <= values.min() <= values.max() <= 1):
                raise ValueError(f"{name} must lie in [0, 1]")
        # Ids are the keys of every table that is written of it.
        if len(np.unique(self.ids)) != n:
            raise ValueError("ids are not unique")
        if self.assigned is not None:
            self._check_assigned(self.assigned)
        # Assigned noise does not count: else one stray image could renumber the clusters.
        own = self.core_labels
        sizes = np.bincount(own[own >= 0]) if n else np.empty(0, np.int64)
        if n and self.labels.min() < NOISE:
            raise ValueError(f"label {self.labels.min()}, expected -1 (noise) or more")
        if (sizes == 0).any() or (np.diff(sizes) > 0).any():
            raise ValueError(f"clusters must be numbered by size without gaps, sizes are {sizes}")

    def _check_assigned(self, assigned: NDArray[np.bool_]) -> None:
        if assigned.shape != (len(self.ids),) or assigned.dtype != np.bool_:
            raise ValueError(f"assigned has shape {assigned.shape}, expected ({len(self.ids)},)")
        if (self.labels[assigned] < 0).any() or self.memberships[assigned].any():
            raise ValueError("assigned images must bear a cluster's label, and membership 0")
        if self.labels.max(initial=NOISE) > self.core_labels.max(initial=NOISE):
            raise ValueError("a cluster has assigned images only")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def core_labels(self) -> NDArray[np.int32]:
        """The (n,) labels as they were found: noise that was assigned is -1 again."""
        if self.assigned is None:
            return self.labels
        # A new array: the labels as they were given stay what they are.
        return np.where(self.assigned, np.int32(NOISE), self.labels)

    @property
    def k(self) -> int:
        """Number of clusters, noise not counted."""
        return int(self.labels.max(initial=NOISE)) + 1

    def members(self, cluster_id: int) -> NDArray[np.intp]:
        """Positions of a cluster's images."""
        return np.flatnonzero(self.labels == cluster_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each image lies on the 2-D map, and where its file lies on the disk.

    Attributes
    ----------
    ids : (n,) array of str
    paths : n tuples of str
        Every path of each image, one or more: exact duplicates share an image id.
    xy : (n, 2) float32
        Position on the map, without unit.
    """

    ids: NDArray[np.str_]
    paths: tuple[tuple[str, ...], ...]
    xy: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(self.paths) != n or self.xy.shape != (n, 2):
            raise ValueError(f"{len(self.paths)} paths and xy {self.xy.shape} for {n} ids")
        if len(np.unique(self.ids)) != n:
            raise ValueError("ids are not unique")
        if not all(self.paths):
            raise ValueError("an image has no path")

    def __len__(self) -> int:
        return len(self.ids)


def number_by_size(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Renumber (n,) labels so that 0 is the biggest cluster; ties keep the order of first sight.

    Negative labels are noise and become -1.
    """
    renumbered = np.full(len(labels), NOISE, np.int32)
    kept = np.asarray(labels) >= 0
    _, first, inverse, counts = np.unique(
        np.asarray(labels)[kept], return_index=True, return_inverse=True, return_counts=True
    )
    # Ties by first sight, not by label: the numbers do not depend on a clusterer's own.
    order = np.lexsort((first, -counts))  # biggest first, then first seen
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    renumbered[kept] = rank[inverse]
    return renumbered


@dataclass(frozen=True, slots=True, kw_only=True)
class Rarity:
    """The images worth a look before any cluster: m of n, rarest first, look-alikes together.

    Attributes
    ----------
    positions : (m,) intp
        Of the images in the clustering.
    scores : (m,) float32 in [0, 1]
        Their outlier scores.
    groups : (m,) int32
        Ascending from 0 without gaps: images with one number look alike, and are few.
    nearest : (m,) int32
        The cluster that an image has most ties to, -1 where no neighbour is in any.
    ratios : (m,) float32
        How far the neighbours are, as a multiple of what is usual in the nearest cluster; in all
        clusters where there is none.
    """

    positions: NDArray[np.intp]
    scores: NDArray[np.float32]
    groups: NDArray[np.int32]
    nearest: NDArray[np.int32]
    ratios: NDArray[np.float32]

    def __post_init__(self) -> None:
        m = len(self.positions)
        for name in ("scores", "groups", "nearest", "ratios"):
            if getattr(self, name).shape != (m,):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected ({m},)")
        if len(np.unique(self.positions)) != m:
            raise ValueError("an image stands twice among the rare ones")
        # So the images of one group stand together, and its number is its rank.
        steps = np.diff(self.groups)
        if m and (self.groups[0] != 0 or ((steps != 0) & (steps != 1)).any()):
            raise ValueError("groups must ascend from 0 without gaps")

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How groups come and go over the resolutions, fine to coarse: why there are so many types.

    Attributes
    ----------
    resolutions : (m,) float64, falling
    counts : (m,) int64
        Groups there are at each.
    born, died : (k,) float64
        The resolutions from which and to which each chosen group is one of its own.
    sizes : (k,) int64
        Images in it when it was chosen.
    clusters : (k,) int32
        The cluster it became, -1 where all its images were called noise.
    choices : mapping of str to int
        How many groups each granularity takes.
    """

    resolutions: NDArray[np.float64]
    counts: NDArray[np.int64]
    born: NDArray[np.float64]
    died: NDArray[np.float64]
    sizes: NDArray[np.int64]
    clusters: NDArray[np.int32]
    choices: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.counts.shape != self.resolutions.shape or (np.diff(self.resolutions) > 0).any():
            raise ValueError("expected a count for each of falling resolutions")
        k = len(self.born)
        if any(len(part) != k for part in (self.died, self.sizes, self.clusters)):
            raise ValueError(f"{k} groups are born, but other arrays have other lengths")
        if (self.born < self.died).any():
            raise ValueError("a group has gone before it is born")

    @property
    def lasting(self) -> NDArray[np.float64]:
        """How long each chosen group lasts, (k,), in natural logarithms of the resolution."""
        # A ratio, since a resolution has no unit: from 4 to 2 is as long as from 2 to 1.
        return np.log(self.born / self.died)
