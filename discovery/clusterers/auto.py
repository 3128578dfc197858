"""The default: Leiden communities of the neighbour graph that last over many resolutions."""

from dataclasses import dataclass
from typing import Any, ClassVar

from discovery.clusterers.base import ClustererOptions, Rows
from discovery.graph import Granularity, choose_n_neighbors

MIN_COMMUNITY = 5  # images; smaller groups are noise


@dataclass(frozen=True, kw_only=True)
class AutoOptions(ClustererOptions):
    """The default, nothing to choose: groups of the neighbour graph that last, honest noise."""

    rows: ClassVar[Rows] = "graph"
    takes_graph: ClassVar[bool] = True
    fits_in_threads: ClassVar[bool] = True

    granularity: Granularity = "auto"
    """coarse: fewer and larger types; fine: more and smaller ones; auto: what lasts longest."""

    @property
    def view_granularity(self) -> Granularity:
        """The views are compared at the granularity that is then clustered at."""
        return self.granularity

    def describe(self, n: int) -> dict[str, Any]:
        """Return the granularity, and how the communities are found."""
        found = {"communities": "leiden, those that last", "ties": choose_n_neighbors(n)}
        return super().describe(n) | found

    def build(self, n: int, *, seed: int, share: float = 1.0, k: int | None = None) -> Any:  # noqa: ARG002
        """Make `GraphCommunities`; it finds k itself."""
        from discovery.estimators.communities import GraphCommunities

        return GraphCommunities(
            granularity=self.granularity,
            n_neighbors=choose_n_neighbors(max(2, round(n * share))),
            min_community_size=max(2, round(MIN_COMMUNITY * share)),
            # A draw of the bootstrap is one look; the result itself is the best of several.
            n_runs=None if share == 1.0 else 1,
            random_state=seed,
        )
