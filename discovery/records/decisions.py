"""What a person said: decisions, the labels they come to, and the handoff that carries them.

A decision is about a whole proposal or about single images, and lists the images it is about
as they were at that time: so an image keeps its label when a later run groups it otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

import pandas as pd

from discovery.records.labels import find_label_fault

Verdict = Literal[
    "accept", "merge", "split", "reject", "defer",
    "rename", "exclude", "prototype", "unprototype", "regroup", "undo", "redo",
]  # fmt: skip
Scope = Literal["proposal", "image", "group", "type", "rest", "action"]
LabelSource = Literal["human", "cluster", ""]

HANDOFF_FORMAT = "defect-discovery-handoff"  # what handoff.json says it is
HANDOFF_COLUMNS = (
    "image_id", "path", "cluster_id", "membership", "proposal_id", "label", "label_source",
    "decided_by", "decided_at",
)  # fmt: skip
NAMING = ("accept", "merge", "rename")  # the verdicts that give a label
_LABELLED = (*NAMING, "exclude", "prototype", "unprototype")  # those that speak of one
_ALLOWED = {
    "proposal": ("accept", "merge", "split", "reject", "defer"),
    # Merge and split speak of groups; an image has no parts and is none.
    "image": ("accept", "reject", "defer", "exclude", "prototype", "unprototype"),
    "group": ("accept",),
    "type": ("rename", "merge"),
    "rest": ("regroup",),
    "action": ("undo", "redo"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A person's verdict: one line of decisions.jsonl.

    Attributes
    ----------
    proposal_id : str
        The proposal it is about; may be empty where single images outside any are meant.
    verdict : str
        On a proposal: *accept* names it; *merge* gives it the label of a type that exists;
        *split* says it holds several types and *reject* that it is none, both take back the
        label it had; *defer* leaves all as it is. On images: *accept* names them, *reject*
        leaves them without a label whatever their proposal says, *defer* lets them follow
        their proposal again, *exclude* says they are not of the type (until they are accepted for
        it as images), *prototype* that they show it best, *unprototype* takes that back. On a
        group, images decided together: *accept* names them as a proposal's. On a type: *rename*
        and *merge* give what bears the previous label the label. On the rest: *regroup* proposes
        what is left anew. On an action: *undo* and *redo*.
    label : str
        The type, where the verdict speaks of one.
    by : str
    at : str
        ISO 8601 with the offset from UTC.
    note : str
        With a verdict that names, the type's definition.
    scope : {"proposal", "image", "group", "type", "rest", "action"}
    image_ids : tuple of str
        The images it is about, as they were when it was made.
    action : str
        One id for all lines of one action; empty in a ledger of an earlier version.
    selection : mapping
        How the images were chosen, JSON-ready: its ``kind`` is proposal, lasso, look_alikes, grow,
        doubt, filter, sheet or rest.
    seconds : float or None
        How long the action took the person; in the first of its lines.
    previous : str
        The label that was, on a type.
    parts : mapping of str to tuple of str
        With split and regroup: the images of each new proposal.
    target : str
        The action that is undone or done again.
    """

    proposal_id: str
    verdict: Verdict
    label: str
    by: str
    at: str
    note: str = ""
    scope: Scope = "proposal"
    image_ids: tuple[str, ...] = ()
    action: str = ""
    selection: Mapping[str, Any] = field(default_factory=dict, hash=False)
    seconds: float | None = None
    previous: str = ""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    target: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict) or self.scope not in _ALLOWED:
            raise ValueError(f"verdict {self.verdict!r} on {self.scope!r} is not known")
        needs_images = self.scope in ("image", "group")
        if self.verdict not in _ALLOWED[self.scope] or (needs_images and not self.image_ids):
            raise ValueError(
                f"{self.verdict} on {self.scope}, {len(self.image_ids)} images, makes no sense"
            )
        # A label that no verdict gives would be lost without a word.
        if bool(self.label) != (self.verdict in _LABELLED):
            raise ValueError(f"{self.verdict} with the label {self.label!r}")
        for label in filter(None, (self.label, self.previous)):
            if fault := find_label_fault(label):
                raise ValueError(fault)
        # Without an offset two shifts or two sites could not be put in order.
        if datetime.fromisoformat(self.at).tzinfo is None:
            raise ValueError(f"at is {self.at!r}, expected an offset from UTC")
        self._check_details()

    def _check_details(self) -> None:
        for name, value, wanted in (
            ("previous", self.previous, self.scope == "type"),
            ("target", self.target, self.scope == "action"),
        ):
            if bool(value) != wanted:
                raise ValueError(f"{self.verdict} on {self.scope} with {name} {value!r}")
        if self.parts and self.verdict not in ("split", "regroup"):
            raise ValueError(f"{self.verdict} with parts")
        if self.verdict == "regroup" and not self.parts:
            raise ValueError("regroup without parts")
        # NaN is no JSON, and what is left of a clock that was set back is no duration.
        if self.seconds is not None and not 0 <= self.seconds < float("inf"):
            raise ValueError(f"seconds is {self.seconds}, expected 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLabel:
    """The label of an image and where it came from; all empty where nothing is decided."""

    label: str = ""
    source: LabelSource = ""
    by: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What all decisions come to, one after the other.

    Attributes
    ----------
    images : mapping of image id to ImageLabel
        The label of each image that has one now.
    history : mapping of image id to set of ImageLabel
        Every label the image ever had, undone ones too: a handoff written earlier holds one of
        them.
    proposals : mapping of proposal id to Decision
        The last decision on each whole proposal that was not *defer*, under the name that its
        label has now.
    deferred : mapping of proposal id to Decision
        The last *defer* of each proposal that nothing was said of since.
    excluded : mapping of label to set of image ids
        Images that a person said are not of the type.
    definitions : mapping of label to str
        The last note that was given with a label.
    """

    images: Mapping[str, ImageLabel] = field(default_factory=dict)
    history: Mapping[str, frozenset[ImageLabel]] = field(default_factory=dict)
    proposals: Mapping[str, Decision] = field(default_factory=dict)
    deferred: Mapping[str, Decision] = field(default_factory=dict)
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectType:
    """A type that was decided on: its label, what it means, how many images bear it."""

    label: str
    definition: str
    proposals: tuple[str, ...]
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """The labelled images as they go to a classifier: the content of handoff.csv and .json.

    Attributes
    ----------
    rows : DataFrame
        The columns of `HANDOFF_COLUMNS`, one row a path, index 0..n-1.
    types : tuple of DefectType
        Sorted by label.
    proposals : mapping of int to str
        The proposal id of each cluster id.
    run_id : str
    store, provenance : mapping
        JSON-ready.
    """

    rows: pd.DataFrame
    types: tuple[DefectType, ...]
    proposals: Mapping[int, str]
    run_id: str
    store: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if tuple(self.rows.columns) != HANDOFF_COLUMNS:
            raise ValueError(f"rows have the columns {list(self.rows.columns)}")
        # An exact duplicate has the id of its twin: both together name a file.
        if self.rows.duplicated(["image_id", "path"]).any():
            raise ValueError("a row is there twice")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labelled(self) -> pd.DataFrame:
        """The rows that have a label."""
        return self.rows[self.rows["label"] != ""]
