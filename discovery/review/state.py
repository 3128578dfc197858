"""What a review looks like at one moment: types, their images, what is proposed, what is left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
Status = Literal["open", "accepted", "rejected", "deferred", "split", "gone"]

SOURCE_NONE, SOURCE_CLUSTER, SOURCE_HUMAN = 0, 1, 2  # codes of `ReviewState.sources`


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProposal:
    """A proposal as it stands in a review.

    Attributes
    ----------
    proposal_id : str
    number : str
        The one that is shown everywhere: its rank in proposals.csv, parts of it as ``3.1``.
    cluster_id : int or None
        None where a person's split or the clustering of the rest brought it about.
    parent : str
        The proposal it is a part of, or empty.
    images : (m,) intp
        Positions; without those that went to a part of it.
    status : {"open", "accepted", "rejected", "deferred", "split", "gone"}
        *gone*: none of its images is left to it.
    label : str
        The name it was accepted under, or empty.
    evidence : mapping
        Its row of proposals.csv; of a part only its size.
    likely : str
        The type that the clustering of the rest matched its images with, or empty.
    """

    proposal_id: str
    number: str
    cluster_id: int | None
    parent: str
    images: Places
    status: Status
    label: str
    evidence: Mapping[str, Any] = field(repr=False)
    likely: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewType:
    """A type with a name.

    Attributes
    ----------
    label : str
    images : (m,) intp
        Positions of all that bear it.
    human : int
        How many of them a person named one by one, or looked at.
    definition : str
    proposals : tuple of str
        Ids of those that were accepted as it.
    prototypes : (p,) intp
        Those of its images that were marked, in this order.
    """

    label: str
    images: Places
    human: int
    definition: str
    proposals: tuple[str, ...]
    prototypes: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a review is.

    Attributes
    ----------
    decisions : int
        Actions that were not undone.
    named : int
        Images with a label.
    named_share : float
    seconds : float
        How long all actions took, where they say so.
    """

    decisions: int
    named: int
    named_share: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewState:
    """A review at one moment. Arrays are over the n images, in the order of clustering.parquet.

    Attributes
    ----------
    revision : int
        How many lines of the ledger it knows.
    ids : (n,) array of str
    labels : tuple of str
        The types, by first use: an image's code is a place in it.
    label_codes : (n,) int32
        -1 without a label.
    sources : (n,) uint8
        0 none, 1 cluster, 2 human.
    proposal_codes : (n,) int32
        Places in `proposals`; -1 in none.
    proposals : tuple of OpenProposal
        Those of the run by rank, then parts, then those of the rest.
    types : tuple of ReviewType
        In the order of `labels`.
    excluded : mapping of label to (m,) intp
        Images a person said are not of the type.
    prototypes : mapping of label to (m,) intp
    rejected : (m,) intp
        Images that stay without a label on purpose.
    progress : Progress
    undoable, redoable : str or None
        What `undo` and `redo` would act on, in words.
    """

    revision: int
    ids: NDArray[np.str_] = field(repr=False)
    labels: tuple[str, ...]
    label_codes: NDArray[np.int32]
    sources: NDArray[np.uint8]
    proposal_codes: NDArray[np.int32]
    proposals: tuple[OpenProposal, ...] = field(repr=False)
    types: tuple[ReviewType, ...] = field(repr=False)
    excluded: Mapping[str, Places]
    prototypes: Mapping[str, Places]
    rejected: Places
    progress: Progress
    undoable: str | None
    redoable: str | None

    def __len__(self) -> int:
        """Count the images."""
        return len(self.ids)

    @property
    def left(self) -> Places:
        """Images without a label that nobody rejected."""
        without = self.label_codes < 0
        without[self.rejected] = False
        return np.flatnonzero(without)

    @property
    def held(self) -> NDArray[np.bool_]:
        """(n,) images that were decided on one by one: no decision on a group changes them."""
        is_held: NDArray[np.bool_] = self.sources == SOURCE_HUMAN
        is_held[self.rejected] = True
        return is_held

    def find_proposal(self, proposal_id: str) -> OpenProposal | None:
        """Return a proposal by its id; None where there is none."""
        return next((one for one in self.proposals if one.proposal_id == proposal_id), None)

    def find_type(self, label: str) -> ReviewType | None:
        """Return a type by its label; None where there is none."""
        return self.types[self.labels.index(label)] if label in self.labels else None
