"""HDBSCAN of the `hdbscan` package: groups of any shape and number, and noise, from density.

It is given a UMAP layout in 5 dimensions, where its dual trees are fast: 20,000 images take a
second or two, and the answer is exact. Of vectors that coincide it gives no outlier score (NaN),
which the partition takes for 0: nothing is odd about a copy.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from discovery.clusterers.base import ClustererOptions, Rows
from embeddings.errors import OptionError

# Whatever the minimum size, so that another size changes the names, not what is dense.
_MIN_SAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class HDBSCANOptions(ClustererOptions):
    """Density clustering: groups of any shape, and honest noise."""

    rows: ClassVar[Rows] = "umap"

    min_cluster_size: int | None = None
    """The smallest group worth a name (default: from the number of images)."""
    min_samples: int | None = None
    """How many neighbours make a region dense; larger calls more images noise."""
    cluster_selection_method: Literal["eom", "leaf"] = "eom"
    """eom: the most persistent clusters; leaf: the finest ones."""

    def __post_init__(self) -> None:
        _check_least("--min-cluster-size", self.min_cluster_size, 2)
        _check_least("--min-samples", self.min_samples, 1)

    def describe(self, n: int) -> dict[str, Any]:
        """Return the options, the minimum size as it is used."""
        return super().describe(n) | {"min_cluster_size": self._find_min_size(n)}

    def build(self, n: int, *, seed: int, share: float = 1.0, k: int | None = None) -> Any:  # noqa: ARG002
        """Make the package's estimator; nothing in it is random, and it finds k itself."""
        from hdbscan import HDBSCAN

        return HDBSCAN(
            min_cluster_size=max(2, round(self._find_min_size(n) * share)),
            min_samples=_MIN_SAMPLES if self.min_samples is None else self.min_samples,
            cluster_selection_method=self.cluster_selection_method,
            approx_min_span_tree=False,
            core_dist_n_jobs=1,  # a process pool costs more than it saves, and warns when it forks
        )

    def _find_min_size(self, n: int) -> int:
        """Return the smallest group worth a name among n images: as asked for, or by a rule.

        The rule of thumb is 0.65 times the square root of n, at least 5: 20 of 1,000 images, 145 of
        50,000.
        """
        if self.min_cluster_size is not None:
            return self.min_cluster_size
        return max(5, round(0.65 * math.sqrt(n)))


def _check_least(flag: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise OptionError(f"{flag} {value}: expected {least} or more")
