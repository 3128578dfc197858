"""Which screen to open next, and why, in one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from discovery.review.guidance.copies import Places
from discovery.review.guidance.judge import Judge
from discovery.review.guidance.labelled import Labelled
from discovery.review.guidance.rest import expected_right
from embeddings.plurals import tell_count

Screen = Literal["validate", "doubt", "rest", "done"]

TARGET = 0.95  # share of the images that must be expected to be right before all is done
KNOWN = 0.5  # a proposal of which more is settled teaches less than a page of doubt
SETTLED_ENOUGH = 30  # images a person saw, before held-out answers are worth a claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """The next screen.

    Attributes
    ----------
    screen : {"validate", "doubt", "rest", "done"}
    proposal : int or None
        With `validate`: the code of the proposal.
    why : str
        One line for a person.
    """

    screen: Screen
    proposal: int | None = None
    why: str


def suggest_next(
    labelled: Labelled,
    judge: Judge | None,
    *,
    waiting: Mapping[int, Places],
    target: float = TARGET,
) -> Suggestion:
    """Say what to look at next.

    Proposals come first, the one with the most images that nobody has settled: each names many at
    once. One that is settled for the most part is left to the pages of doubt. When enough of the
    labels are expected to be right, the rest is labelled in one go.

    Parameters
    ----------
    labelled : Labelled
    judge : Judge or None
        None while there are fewer than two types.
    waiting : mapping of int to (m,) intp
        The members of each open proposal, by its code.
    target : float
        The expected share of right labels at which a person may stop.
    """
    is_open = labelled.is_open
    if not is_open.any():
        return Suggestion(screen="done", why="every image is settled")
    # Proposals first, whatever the labels are expected to be worth: the judge knows the types that
    # have a name, and takes what is new for one of them.
    best = _pick_proposal(labelled, waiting)
    if best is not None:
        left = int(is_open[waiting[best]].sum())
        why = f"{tell_count(left, 'image')} that nobody has settled, proposed as one type"
        return Suggestion(screen="validate", proposal=best, why=why)
    if judge is None:
        return Suggestion(
            screen="done", why="no proposal waits, and fewer than two types are named"
        )
    if int((~is_open).sum()) >= SETTLED_ENOUGH:
        share = expected_right(judge, labelled, after_rest=True)
        if share >= target:
            return _finish(labelled, share)
    return Suggestion(screen="doubt", why="the images whose type is least sure")


def _finish(labelled: Labelled, share: float) -> Suggestion:
    left = labelled.is_open & (labelled.codes < 0)
    if not left.any():
        return Suggestion(screen="done", why=f"expected right {share:.2f}")
    images = tell_count(int(left.sum()), "image")
    why = f"{images} left, expected right {share:.2f} once all are labelled"
    return Suggestion(screen="rest", why=why)


def _pick_proposal(labelled: Labelled, waiting: Mapping[int, Places]) -> int | None:
    is_open = labelled.is_open
    left = {code: int(is_open[images].sum()) for code, images in waiting.items()}
    worth = [code for code, images in waiting.items() if left[code] > KNOWN * len(images)]
    return max(worth, key=lambda code: (left[code], -code), default=None)
