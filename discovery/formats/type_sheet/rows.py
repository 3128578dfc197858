"""The rows of the sheet: what the machine found of each proposal, and what was decided so far."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from discovery.records import Clustering, Decided, Proposal

VERDICTS = ("accept", "merge", "split", "reject", "defer")
# Ranks, ids and sizes first, then the evidence, then what a person fills in, then who did.
COLUMNS = (
    "proposal_id", "number", "cluster_id", "size", "distinct", "cohesion", "separation",
    "stability", "novelty", "nearest_known", "in_common", "named_images", "label", "verdict",
    "note", "decided_by", "decided_at", "revision",
)  # fmt: skip
_MOST_NAMED = 3  # associations, and labels, that are written out


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeState:
    """What is decided on one proposal; all empty where nothing is."""

    label: str = ""
    verdict: str = ""
    note: str = ""
    by: str = ""
    at: str = ""

    @property
    def said(self) -> tuple[str, str, str]:
        """What a person may fill in: label, verdict, note."""
        return self.label, self.verdict, self.note

    @property
    def said_anything(self) -> bool:
        """Whether anything is decided at all."""
        return any(self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    """One row: a proposal with its evidence and its state.

    Attributes
    ----------
    proposal : Proposal
    state : TypeState
    named_images : str
        How many of its images bear which label, where any does.
    revision : int
        How many decisions there were when the row was made: what came later is newer.
    """

    proposal: Proposal
    state: TypeState
    named_images: str
    revision: int

    def cells(self) -> dict[str, str | int | float]:
        """Return the cells by column; what was not measured is empty."""
        one, state = self.proposal, self.state
        return {
            "proposal_id": one.proposal_id,
            # The rank: the one number that report, page and sheets call a proposal by.
            "number": one.rank,
            "cluster_id": one.cluster_id,
            "size": one.size,
            "distinct": "" if one.distinct is None else one.distinct,
            "cohesion": _round(one.cohesion),
            "separation": _round(one.separation),
            "stability": _round(one.stability),
            "novelty": _round(one.novelty),
            "nearest_known": one.nearest_known,
            "in_common": describe_associations(one.associations),
            "named_images": self.named_images,
            "label": state.label,
            "verdict": state.verdict,
            "note": state.note,
            "decided_by": state.by,
            "decided_at": state.at,
            "revision": self.revision,
        }


def build_type_rows(
    proposals: Sequence[Proposal],
    clustering: Clustering,
    decided: Decided,
    *,
    states: Mapping[str, TypeState],
    revision: int,
) -> tuple[TypeRow, ...]:
    """Make the rows, the proposal to look at first on top.

    Parameters
    ----------
    states : mapping of proposal id to TypeState
        As `find_type_states` finds them.
    revision : int
        How many decisions there are.
    """
    return tuple(
        TypeRow(
            proposal=one,
            state=states.get(one.proposal_id, TypeState()),
            named_images=_count_labels(clustering, one.cluster_id, decided),
            revision=revision,
        )
        for one in sorted(proposals, key=lambda one: one.rank)
    )


def find_type_states(decided: Decided) -> dict[str, TypeState]:
    """Say what holds of each proposal that was decided on.

    Parameters
    ----------
    decided : Decided
        What the ledger comes to.
    """
    found = {
        name: TypeState(
            label=last.label,
            verdict=last.verdict,
            note=decided.definitions.get(last.label, "") if last.label else last.note,
            by=last.by,
            at=last.at,
        )
        for name, last in decided.proposals.items()
    }
    for name, one in decided.deferred.items():
        # Put off, and nothing else said of it: a later word takes its place.
        state = TypeState(verdict="defer", note=one.note, by=one.by, at=one.at)
        found.setdefault(name, state)
    return found


def describe_associations(associations: Mapping[str, Any]) -> str:
    """Write in one line what a proposal's images have in common."""
    found = [one for one in associations.get("found", ()) if not one.get("explained_by")]
    parts = [
        f"{one['column']} {one['value']}: {one['count']} of {one['size']}"
        for one in found[:_MOST_NAMED]
    ]
    signature = associations.get("signature") or {}
    if signature.get("measures"):
        parts.append(f"wafer map: {signature['name']}")
    if warning := associations.get("warning"):
        parts.insert(0, str(warning))
    return "; ".join(parts)


def _count_labels(clustering: Clustering, cluster: int, decided: Decided) -> str:
    ids = clustering.ids[clustering.members(cluster)].tolist()
    labels = [decided.images[name].label for name in ids if name in decided.images]
    common = Counter(labels).most_common(_MOST_NAMED)
    return ", ".join(f"{count} {label}" for label, count in common)


def _round(value: float) -> float | str:
    return "" if math.isnan(value) else round(float(value), 3)
