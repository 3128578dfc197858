"""What an action starts from, and what a person gave, checked."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from discovery.ledger import Replay
from discovery.records import Decision, Scope, Verdict, find_label_fault, tidy_label
from discovery.review.state import OpenProposal, Places, ReviewState
from embeddings.bounded import parse_json
from embeddings.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an action starts from.

    Attributes
    ----------
    state : ReviewState
    replay : Replay
    clustering : str
        Identity of the run's clusters.
    by, at : str
    action : str
        The id of this action.
    selection : mapping
    """

    state: ReviewState
    replay: Replay
    clustering: str
    by: str
    at: str
    action: str
    selection: Mapping[str, Any] = field(default_factory=dict)

    def decide(
        self,
        verdict: Verdict,
        scope: Scope,
        *,
        label: str = "",
        images: Iterable[int] = (),
        proposal: str = "",
        **more: Any,
    ) -> Decision:
        """Make one line of the action."""
        return Decision(
            proposal_id=proposal,
            verdict=verdict,
            label=label,
            by=self.by,
            at=self.at,
            scope=scope,
            image_ids=self.name(images),
            action=self.action,
            **{"selection": self.selection, **more},
        )

    def name(self, images: Iterable[int]) -> tuple[str, ...]:
        """Return the ids of images."""
        return tuple(self.state.ids[np.fromiter(images, np.intp)].tolist())

    # --- what came, checked ---

    def take_images(self, images: ArrayLike, *, what: str = "images") -> Places:
        """Return positions, each once, in their order."""
        places = np.asarray(images)
        if places.size == 0:
            return np.empty(0, np.intp)
        n = len(self.state)
        if places.ndim != 1 or places.dtype.kind not in "iu":
            raise OptionError(f"{what}: expected positions of images, whole numbers from 0")
        if places.min() < 0 or places.max() >= n:
            raise OptionError(f"{what}: {places.min()} to {places.max()}, expected 0 to {n - 1}")
        return np.fromiter(dict.fromkeys(places.tolist()), np.intp)

    def take_some(self, images: ArrayLike) -> Places:
        """Return positions of one image or more."""
        places = self.take_images(images)
        if not len(places):
            raise OptionError("no image was given: choose one or more")
        return places

    def take_proposal(self, proposal: str) -> OpenProposal:
        """Return a proposal that has images."""
        found = self.state.find_proposal(proposal)
        if found is None:
            raise OptionError(f"there is no proposal {proposal!r}: give the id of one of the run")
        if not len(found.images):
            raise OptionError(f"proposal {found.number} has no images left: decide on its parts")
        return found

    def take_type(self, label: str) -> str:
        """Return the label of a type that is there."""
        label = take_label(label)
        if label not in self.state.labels:
            raise OptionError(f"there is no type {label!r}: name images or a proposal so first")
        return label


def take_seconds(seconds: float | None) -> float | None:
    """Return how long an action took, to the millisecond.

    Raises
    ------
    OptionError
        It is no duration.
    """
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise OptionError(f"seconds is {seconds}, expected 0 or more")
    return None if seconds is None else round(float(seconds), 3)


def take_selection(selection: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return how images were chosen as it will be read back: arrays become lists.

    Raises
    ------
    OptionError
        It holds what cannot be written as JSON.
    """
    try:
        text = json.dumps(dict(selection or {}), default=_list_array, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OptionError(f"selection cannot be written as JSON ({error})") from error
    found: dict[str, Any] = parse_json(text)
    return found


def _list_array(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is in it")


def take_label(label: str) -> str:
    """Return a label that can be one, tidied.

    Raises
    ------
    OptionError
        It cannot be one.
    """
    tidy = tidy_label(label)
    if fault := find_label_fault(tidy):
        raise OptionError(fault)
    return tidy
