"""What a review should show next: the guidance's functions, told how the review stands.

::

    advisor = Advisor(review)
    advisor.suggest()                       # which screen, and why
    advisor.order(proposal_id)              # validate
    advisor.doubt()                         # a page to confirm or to move
    advisor.rest()                          # what each type gets at the end
"""

import threading
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance import (
    DoubtPage,
    Features,
    GrowSearch,
    Growth,
    Judge,
    Labelled,
    Order,
    Suggestion,
    expected_right,
    fit_judge,
    label_rest,
    make_features,
    order_members,
    pick_prototypes,
    rank_doubt,
    rank_growth,
    suggest_next,
)
from discovery.review.guidance.suggest import TARGET
from discovery.review.state import SOURCE_HUMAN, Places, ReviewState
from embeddings.errors import OptionError

if TYPE_CHECKING:
    from discovery.review.session import ReviewSession

PAGE_SIZE = 60  # images on a screen


class Advisor:
    """The judge of a review, fitted again when decisions were made, and what it advises.

    Every method speaks of the review's state at its call. The first call reduces the vectors;
    fits are kept until the revision changes. Threads may share it.

    Parameters
    ----------
    review : Review
    """

    def __init__(self, review: "ReviewSession") -> None:
        self.review = review
        self._lock = threading.RLock()
        self._fitted: tuple[int, Labelled, Judge | None] | None = None

    @cached_property
    def features(self) -> Features:
        """The images as the judge sees them."""
        data = self.review.data
        return make_features(
            data.vectors, data.neighbours.indices, rows=data.rows, copies=data.copies
        )

    def read(self) -> tuple[ReviewState, Labelled, Judge | None]:
        """Return how the review stands; no judge while fewer than two types have images."""
        with self._lock:
            state = self.review.state
            if self._fitted is None or self._fitted[0] != state.revision:
                labelled = read_labelled(state, self.features.copies)
                named = np.unique(labelled.codes[labelled.codes >= 0])
                judge = fit_judge(self.features, labelled) if len(named) > 1 else None
                self._fitted = (state.revision, labelled, judge)
            return state, *self._fitted[1:]

    def suggest(self, *, target: float = TARGET) -> Suggestion:
        """Say which screen is worth most; a proposal is named by its place in the state's."""
        state, labelled, judge = self.read()
        waiting = {
            place: one.images for place, one in enumerate(state.proposals) if one.status == "open"
        }
        return suggest_next(labelled, judge, waiting=waiting, target=target)

    def order(self, proposal: str, *, limit: int = PAGE_SIZE) -> Order:
        """Put a proposal's members in the order of a validate screen.

        Raises
        ------
        OptionError
            There is no such proposal.
        """
        state = self.review.state
        found = state.find_proposal(proposal)
        if found is None:
            raise OptionError(f"there is no proposal {proposal!r}")
        rows, copies = self.review.data.rows, self.features.copies
        nobody: Places = np.empty(0, np.intp)  # its mean stands for a proposal's prototypes
        return order_members(rows, found.images, prototypes=nobody, copies=copies, limit=limit)

    def suggest_names(self, images: Places) -> tuple[str, ...]:
        """Return the types that images look like, the most frequent first."""
        state, _, judge = self.read()
        return rank_names(state, judge, images)

    def grow(self, label: str) -> tuple[Growth, GrowSearch]:
        """Rank what a type may still win: images without a label, and the cluster-labelled ones.

        Of the latter, those which the judge takes for this type.

        Raises
        ------
        OptionError
            There is no such type, or it has no image.
        """
        state, labelled, judge = self.read()
        found = state.find_type(label)
        if found is None or not len(found.images):
            raise OptionError(f"there is no type {label!r} with an image")
        code = state.labels.index(label)
        free = labelled.is_open & (labelled.codes < 0)
        if judge is not None:
            free |= labelled.is_open & (labelled.codes != code) & (judge.likely == code)
        seen = found.images[labelled.is_seen[found.images]]
        marked = found.prototypes
        rows = self.review.data.rows
        prototypes = marked if len(marked) else pick_prototypes(rows, _or(seen, found.images))
        growth = rank_growth(
            rows, np.flatnonzero(free), prototypes, excluded=state.excluded.get(label)
        )
        return growth, GrowSearch(of=len(growth.images), size=PAGE_SIZE)

    def doubt(
        self, label: str | None = None, *, limit: int = PAGE_SIZE, target: float = TARGET
    ) -> DoubtPage | None:
        """Return a page of images whose type is least sure; None while there is no judge."""
        state, labelled, judge = self.read()
        if judge is None:
            return None
        code = None if label is None else state.labels.index(label)
        return rank_doubt(judge, labelled, self.features, code=code, limit=limit, target=target)

    def expected_right(self, *, after_rest: bool = False) -> float | None:
        """Return the share of labels that are probably right; None while there is no judge."""
        _, labelled, judge = self.read()
        return None if judge is None else expected_right(judge, labelled, after_rest=after_rest)

    def rest(self) -> dict[str, Places]:
        """Return what each type gets of the images that nobody looked at."""
        state, labelled, judge = self.read()
        if judge is None:
            return {}
        return {state.labels[code]: of for code, of in label_rest(judge, labelled).items()}


def rank_names(state: ReviewState, judge: Judge | None, images: Places) -> tuple[str, ...]:
    """Return the types of a state, those first that most of the images look like.

    Parameters
    ----------
    state : ReviewState
        The one that the judge was fitted on.
    """
    if judge is None or not len(images):
        return state.labels
    counts = np.bincount(judge.likely[images], minlength=len(state.labels))
    order = np.argsort(-counts, kind="stable").tolist()
    return tuple(state.labels[code] for code in order)


def read_labelled(state: ReviewState, copies: NDArray[np.int32]) -> Labelled:
    """Return a review's state as the guidance's arrays."""
    code_of = {label: code for code, label in enumerate(state.labels)}
    accepted = [
        code_of.get(one.label, -1) if one.status == "accepted" else -1 for one in state.proposals
    ]
    nobody: Places = np.empty(0, np.intp)
    return Labelled(
        codes=state.label_codes,
        seen=state.sources == SOURCE_HUMAN,
        proposals=state.proposal_codes,
        accepted=np.array(accepted, np.int32),
        n_types=len(state.labels),
        excluded=tuple(state.excluded.get(label, nobody) for label in state.labels),
        aside=state.rejected,
        copies=copies,
    )


def _or(some: Places, others: Places) -> Places:
    return some if len(some) else others
