"""Groups joined from the bottom up, on principal components that are not whitened."""

from dataclasses import dataclass
from typing import Any, Literal

from discovery.clusterers.base import CountedOptions


@dataclass(frozen=True, kw_only=True)
class AgglomerativeOptions(CountedOptions):
    """Groups joined from the bottom up; every image belongs to one."""

    linkage: Literal["ward", "average"] = "ward"
    """ward joins what adds least variance, average what is nearest on average."""

    def build(self, n: int, *, seed: int, share: float = 1.0, k: int | None = None) -> Any:  # noqa: ARG002
        """Make `Agglomerative`; a draw of the bootstrap has as many groups as all images."""
        from discovery.estimators.agglomerative import Agglomerative

        return Agglomerative(self.choose_k(k), linkage=self.linkage, random_state=seed)
