"""A simulated engineer at the review's screens, with the truth in hand.

The engineer looks at what is shown, never at more, names by the majority of what is shown, and
throws out or moves what differs. Each key press, each click and each word typed is an interaction:

- a screen is confirmed with one key; the name of a proposal costs a digit more where it is known, a
  word where it is new, and nothing where the review suggests it first (the keys a and shift-a);
- an image that differs is marked with one click; several in a row by the first and the last;
- what is marked goes to a known type with one digit for all of one type, to a new type with a
  word and a key; singles of a known type are thrown out only, which costs no key;
- that the classifier labels what is left is one key.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from discovery.review import Review
from discovery.review.advisor import Advisor
from discovery.review.guidance import DoubtPage

Places = NDArray[np.intp]
Fold = dict[int, Places]  # near copies by the image that stands for them
PAGE = 60  # images on a screen at most
SHARED = 2  # images of one type on a page that are worth a key of their own
PURE = 0.9  # share of a page that must belong before a person takes it as a page of the type
IMPATIENCE = 2000  # interactions after which nobody goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """How far an engineer is: what it took, and what it came to."""

    interactions: int
    accuracy: float
    shown: int
    types: int
    settled: int
    expected: float = float("nan")
    done: bool = False  # the review says that all is done, or that the rest can be labelled


@dataclass(slots=True)
class Engineer:
    """Works on a review, and keeps count."""

    review: Review
    truth: NDArray[np.str_]
    advisor: Advisor
    interactions: int = 0
    shown: int = 0
    curve: list[Point] = field(default_factory=list)

    # --- what is there ---

    @property
    def known(self) -> tuple[str, ...]:
        """The types that have a name."""
        return self.review.state.labels

    def count_right(self, given: dict[str, Places] | None = None) -> float:
        """Return the share of all images whose label is the true one."""
        state = self.review.state
        names = np.array([*state.labels, ""], dtype=self.truth.dtype)
        labels = names[state.label_codes]
        for label, images in (given or {}).items():
            labels[images] = label
        return float((labels == self.truth).mean())

    def note(self, *, finished: bool, done: bool = False) -> float:
        """Add a point; `finished`: as if the rest were labelled now, which is one more key."""
        given = self.advisor.rest() if finished else None
        right = self.count_right(given)
        expected = self.advisor.expected_right(after_rest=True) if finished else None
        self.curve.append(
            Point(
                interactions=self.interactions + finished,
                accuracy=right,
                shown=self.shown,
                types=len(self.known),
                settled=int((self.review.state.sources == 2).sum()),
                expected=float("nan") if expected is None else expected,
                done=done,
            )
        )
        return right

    # --- screens ---

    def name(self, proposal: str, images: Places, *, first: str = "") -> str:
        """Accept a proposal by the majority of what is shown, whatever differs."""
        label = self.look(images)
        self.interactions += 1 + (label != first)
        self.review.accept(proposal, label)
        return label

    def look(self, images: Places) -> str:
        """Look at images, and return the majority's type."""
        self.shown += len(images)
        return Counter(self.truth[images].tolist()).most_common(1)[0][0]

    def validate(self, proposal: str, images: Places, *, first: str = "") -> str:
        """Accept a proposal, and throw out what differs of what is shown."""
        label = self.look(images)
        strange = images[self.truth[images] != label]
        self.interactions += 1 + (label != first) + self.count_clicks(images, strange)
        self.review.accept(proposal, label, shown=images, thrown=strange)
        return label

    def name_or_validate(self, proposal: str, images: Places, *, first: str) -> None:
        """Vouch for a screen on which nothing differs; of any other take the name alone.

        What differs comes back on a page of doubt, beside what it looks like.
        """
        label = self.look(images)
        is_pure = bool((self.truth[images] == label).all())
        self.interactions += 1 + (label != first)
        self.review.accept(proposal, label, shown=images if is_pure else ())

    def answer_doubt(self, page: DoubtPage) -> None:
        """Confirm a page of doubt, and move or throw out what is not what it says."""
        self.shown += len(page.images)
        names = np.array(self.known)[page.likely]
        truth = self.truth[page.images]
        differs = truth != names
        strange = page.images[differs]
        self.interactions += 1 + self.count_clicks(page.images, strange)
        moves: dict[str, list[int]] = {}
        thrown: dict[str, list[int]] = {}
        named = self.count_keys(truth[differs])
        for image, says, is_type in zip(page.images.tolist(), names, truth, strict=True):
            if says == is_type or is_type in named:
                moves.setdefault(str(is_type), []).append(image)
            else:
                thrown.setdefault(str(says), []).append(image)
        copies = {label: _unfold(images, page.folded) for label, images in moves.items()}
        self.review.settle(moves, copies=copies, thrown=thrown)

    def count_keys(self, truth: NDArray[np.str_]) -> set[str]:
        """Count what names marked images, and return the types that are worth it."""
        named: set[str] = set()
        for label, count in Counter(truth.tolist()).items():
            is_new = label not in self.known
            if count >= SHARED or is_new:
                self.interactions += 2 if is_new else 1
                named.add(label)
        return named

    def grow(self, label: str) -> None:
        """Look at pages of what a type may still win, as far as the search asks."""
        growth, search = self.advisor.grow(label)
        seen: list[Places] = []
        thrown: list[Places] = []
        while not search.done:
            page = growth.images[search.start : search.stop]
            self.shown += len(page)
            strange = page[self.truth[page] != label]
            is_pure = len(strange) <= (1 - PURE) * len(page)
            self.interactions += 1
            if is_pure:
                self.interactions += self.count_clicks(page, strange)
                seen.append(page)
                thrown.append(strange)
            search = search.answer(is_pure)
        if seen:
            self.review.grow(
                label,
                taken=growth.images[: search.take],
                shown=np.concatenate(seen),
                thrown=np.concatenate(thrown),
            )

    def count_clicks(self, shown: Places, strange: Places) -> int:
        """Count the clicks that mark images: a run that one type fills takes two at most.

        A run ends where another type begins; images of the type inside it that were right anyway
        do not matter.
        """
        truth = self.truth[shown]
        is_strange = np.isin(shown, strange)
        starts = np.flatnonzero(np.r_[True, truth[1:] != truth[:-1]])
        counts = np.add.reduceat(is_strange.astype(int), starts) if len(shown) else np.zeros(0)
        return int(np.minimum(counts, 2).sum())


def _unfold(images: list[int], folded: Fold) -> Places:
    parts = [folded[image] for image in images if image in folded]
    return np.concatenate([*parts, np.empty(0, np.intp)])


Way = Callable[[Engineer, float], None]


def name_proposals(engineer: Engineer, _: float) -> None:
    """Name every proposal, in review order, by the majority of a screen of it."""
    for one in engineer.review.state.proposals:
        images = engineer.advisor.order(one.proposal_id).images
        engineer.name(one.proposal_id, images)
        engineer.note(finished=False)


def validate_proposals(engineer: Engineer, _: float) -> None:
    """Name every proposal and throw out what differs on its screen."""
    for one in engineer.review.state.proposals:
        images = engineer.advisor.order(one.proposal_id).images
        engineer.validate(one.proposal_id, images)
        engineer.note(finished=False)


def validate_and_grow(engineer: Engineer, target: float) -> None:
    """Validate every proposal, then grow every type, the largest first."""
    validate_proposals(engineer, target)
    types = sorted(engineer.review.state.types, key=lambda one: -len(one.images))
    for label in [one.label for one in types]:
        engineer.grow(label)
        engineer.note(finished=False)


def follow_guidance(engineer: Engineer, target: float) -> None:
    """Do what the review suggests, screen after screen, until the labels are right."""
    while engineer.interactions < IMPATIENCE:
        engineer.note(finished=False)
        says = engineer.advisor.suggest(target=target).screen
        if engineer.note(finished=True, done=says in ("rest", "done")) >= target:
            return
        # The engineer goes on until they are right by the truth, whatever is expected.
        found = engineer.advisor.suggest(target=2.0)
        if found.screen == "validate":
            one = engineer.review.state.proposals[found.proposal]
            images = engineer.advisor.order(one.proposal_id).images
            names = engineer.advisor.suggest_names(one.images)
            first = names[0] if names else ""
            engineer.name_or_validate(one.proposal_id, images, first=first)
            continue
        page = engineer.advisor.doubt(target=target)
        if page is None or not len(page.images):
            return
        engineer.answer_doubt(page)


WAYS: Sequence[tuple[str, Way]] = (
    ("naming proposals", name_proposals),
    ("validate", validate_proposals),
    ("validate and grow", validate_and_grow),
    ("all of it", follow_guidance),
)
