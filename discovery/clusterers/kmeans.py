"""k-means from the means of a Ward tree, on principal components that are not whitened."""

from dataclasses import dataclass
from typing import Any

from discovery.clusterers.base import CountedOptions


@dataclass(frozen=True, kw_only=True)
class KMeansOptions(CountedOptions):
    """Round groups of similar spread; every image belongs to one."""

    def build(self, n: int, *, seed: int, share: float = 1.0, k: int | None = None) -> Any:  # noqa: ARG002
        """Make `KMeans`; a draw of the bootstrap has as many groups as all images."""
        from discovery.estimators.kmeans import KMeans

        return KMeans(self.choose_k(k), random_state=seed)
