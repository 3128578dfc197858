"""What placing needs and gives: the fitted images, what a user may ask for, the answers."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from discovery.records import NOISE, Clustering
from embeddings.errors import OptionError

DEFAULT_NEIGHBORS = 14  # that vote, where nothing else is asked: those of the default graph

NAMED, UNKNOWN, UNDECIDED = "named", "unknown", "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """How sure an answer must be.

    Attributes
    ----------
    target_purity : float
        Share of the named images that bear the right name, measured on the fitted images.
    max_rejection : float
        Share of the images of known clusters that may be refused for it; half of it may be lost
        to the limit of what is unknown.
    """

    target_purity: float = 0.95
    max_rejection: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.target_purity <= 1:
            raise OptionError(f"--target-purity {self.target_purity:g}: expected above 0, up to 1")
        if not 0 <= self.max_rejection < 1:
            raise OptionError(f"--max-rejection {self.max_rejection:g}: expected 0 to below 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Images that are in clusters, or in none.

    Attributes
    ----------
    rows : (n, p) float32, unit rows
        What the clusterer saw, or the rows of its graph: here neighbours vote.
    full_vectors : (n, d) float32, unit rows
        The vectors before any reduction: here distances tell what is unknown. Reduced rows do
        not: what is new in a new type lies across the axes of the fit, and is lost.
    labels : (n,) int32
        -1 is noise.
    memberships : (n,) float32 in [0, 1]
    """

    rows: NDArray[np.float32]
    full_vectors: NDArray[np.float32]
    labels: NDArray[np.int32]
    memberships: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.labels)
        lengths = (len(self.rows), len(self.full_vectors), len(self.memberships))
        if lengths != (n, n, n):
            raise ValueError(
                f"rows, full_vectors and memberships have {lengths} entries for {n} labels"
            )
        if n and self.labels.min() < NOISE:
            raise ValueError(f"label {self.labels.min()}, expected -1 (noise) or more")

    @classmethod
    def of(
        cls,
        clustering: Clustering,
        rows: NDArray[np.float32],
        *,
        full_vectors: NDArray[np.float32] | None = None,
    ) -> Self:
        """Take a clustering of these rows, which without `full_vectors` stand for these too."""
        return cls(
            rows=rows,
            full_vectors=rows if full_vectors is None else full_vectors,
            labels=clustering.labels,
            memberships=clustering.memberships,
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def k(self) -> int:
        """Number of clusters, noise not counted."""
        return int(self.labels.max(initial=NOISE)) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where m new images belong.

    Attributes
    ----------
    cluster_ids : (m,) int32
        -1 where the verdict is not *named*.
    confidences : (m,) float32 in [0, 1]
        Share of an image's edges to the fitted images that lead into the likeliest cluster.
    novelties : (m,) float32 in [0, 1]
        Nearly 0 on an image of a cluster, 0.5 where the reach of the nearest cluster ends.
    verdicts : (m,) array of str
        named; unknown: beyond the reach of every cluster; undecided: between clusters, or in
        the noise between them.
    nearest : (m,) int32
        The likeliest cluster, whatever the verdict; -1 where there is none.
    """

    cluster_ids: NDArray[np.int32]
    confidences: NDArray[np.float32]
    novelties: NDArray[np.float32]
    verdicts: NDArray[np.str_]
    nearest: NDArray[np.int32]

    def __post_init__(self) -> None:
        m = len(self.cluster_ids)
        for name in ("confidences", "novelties"):
            values = getattr(self, name)
            if values.shape != (m,) or not ((values >= 0) & (values <= 1)).all():
                raise ValueError(f"{name} must be {m} numbers in [0, 1]")
        # Two columns of one table that contradict each other would both be believed.
        if ((self.cluster_ids >= 0) != (self.verdicts == NAMED)).any():
            raise ValueError("an image has a cluster exactly where its verdict is named")

    def __len__(self) -> int:
        return len(self.cluster_ids)
