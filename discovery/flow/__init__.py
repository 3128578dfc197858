"""The only place that knows the order of the stages.

``discover_types`` is one round: source -> vectors -> reduced rows -> neighbours -> copies ->
clusters -> rare images -> proposals -> lineage -> handoff -> report. Each artefact is kept in the
run with what it was made from, and made anew only when that has changed.
"""

from typing import TYPE_CHECKING, Any

from discovery.flow.options import (
    AgglomerativeOptions,
    AutoOptions,
    HDBSCANOptions,
    KMeansOptions,
    RoundOptions,
)

if TYPE_CHECKING:
    from discovery.flow.round import Discovered, discover_types

__all__ = [
    "AgglomerativeOptions",
    "AutoOptions",
    "Discovered",
    "HDBSCANOptions",
    "KMeansOptions",
    "RoundOptions",
    "discover_types",
]


def __getattr__(name: str) -> Any:
    if name in ("Discovered", "discover_types"):
        from discovery.flow import round as round_

        return getattr(round_, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
