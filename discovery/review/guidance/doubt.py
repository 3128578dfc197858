"""Doubt: a page of images whose type is least sure, each with the type it probably is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance.copies import Places, arrange_alike, fold_copies
from discovery.review.guidance.features import Features
from discovery.review.guidance.judge import Judge
from discovery.review.guidance.labelled import Labelled
from discovery.review.guidance.rest import expected_right

PRESSES = 1.3  # a wrong image: a click, and its share of the key that moves it
# While little is settled each answer changes the next page: a page grows with what is settled.
FIRST, SHARE = 30, 0.2
LINKED = 5  # nearest neighbours of an image that do not stand on one page with it
LEAST = 10  # a page has its own key to pay, however little is missing
SUSPECT = 0.9  # this sure must the held-out answer be to ask again about what a person saw


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtPage:
    """Images to be confirmed or moved.

    Attributes
    ----------
    images : (m,) intp
        Those of one likely type side by side, and in it those that look alike.
    current : (m,) int32
        The type each bears, -1 for none.
    likely : (m,) int32
        What confirming the page makes of it.
    right : (m,) float32
        How probably that is right.
    folded : dict of int to (c,) intp
        Near copies that are settled with an image.
    """

    images: Places
    current: NDArray[np.int32]
    likely: NDArray[np.int32]
    right: NDArray[np.float32]
    folded: dict[int, Places]


def rank_doubt(
    judge: Judge,
    labelled: Labelled,
    features: Features,
    *,
    code: int | None = None,
    limit: int = 60,
    target: float | None = None,
) -> DoubtPage:
    """Pick the images whose decision brings most for the presses it will take.

    A decision brings the mistake that it may mend, and what it teaches of others (its entropy);
    it costs the clicks for what is wrong, and its share of the key for the page. So images that
    are a coin's toss come before sure ones, and hopeless ones do not come first.

    Parameters
    ----------
    judge : Judge
    labelled : Labelled
        What the judge was fitted on.
    features : Features
    code : int, optional
        Only images that bear this type or look like it; among them those that a person gave the
        type though all else speaks for another.
    limit : int
        Images a page at most; fewer while little is settled.
    target : float, optional
        The share of right labels that is aimed at: a page has no more images than will probably
        be enough to reach it.
    """
    asked = np.flatnonzero(labelled.is_open & _is_allowed(judge, labelled))
    if code is not None:
        about = (labelled.codes[asked] == code) | (judge.likely[asked] == code)
        asked = asked[about]
    size = min(limit, max(FIRST, round(SHARE * int(labelled.is_seen.sum()))))
    order = asked[np.argsort(-_value(judge.right[asked], size), kind="stable")]
    if code is not None:
        order = np.concatenate([find_suspects(judge, labelled, code), order])
    kept, folded = fold_copies(order, features.copies)
    kept = _spread_out(features, kept, size)
    if target is not None:
        size = min(size, _count_needed(judge, labelled, kept, target=target))
    page = _arrange(features, judge.likely, kept[:size])
    there = set(page.tolist())
    return DoubtPage(
        images=page,
        current=labelled.codes[page],
        likely=judge.likely[page],
        right=judge.right[page],
        folded={one: of for one, of in folded.items() if one in there},
    )


def find_suspects(judge: Judge, labelled: Labelled, code: int) -> Places:
    """Return images that a person gave a type, though they look like another when held out."""
    given = labelled.codes[judge.learned] == code
    other = (judge.held_out != code) & (judge.held_out_right >= SUSPECT)
    found = np.flatnonzero(given & other)
    return judge.learned[found[np.argsort(-judge.held_out_right[found], kind="stable")]]


def _spread_out(features: Features, order: Places, size: int) -> Places:
    """Put images back whose near neighbours stand before them: one teaches what the other would."""
    links = features.links
    is_taken = np.zeros(len(features), np.bool_)
    first: list[int] = []
    later: list[int] = []
    front = order[: 10 * size]
    for image in front.tolist():
        row = slice(links.indptr[image], links.indptr[image + 1])
        near = links.indices[row][np.argsort(-links.data[row], kind="stable")[:LINKED]]
        is_free = not is_taken[near].any()
        is_taken[image] = is_free
        (first if is_free else later).append(image)
    return np.concatenate([np.array(first + later, np.intp), order[len(front) :]])


def _count_needed(judge: Judge, labelled: Labelled, order: Places, *, target: float) -> int:
    """Return how many of the images, in order, hold the mistakes that part from a target."""
    counted = len(labelled.codes) - len(labelled.aside)
    missing = (target - expected_right(judge, labelled, after_rest=True)) * counted
    mended = np.cumsum(1 - judge.right[order])
    return max(LEAST, int(np.searchsorted(mended, missing)) + 1)


def _value(right: NDArray[np.float32], limit: int) -> NDArray[np.float32]:
    wrong = np.clip(1 - right, 1e-6, 1 - 1e-6)
    entropy = -(wrong * np.log(wrong) + (1 - wrong) * np.log(1 - wrong))
    return np.asarray((wrong + entropy) / (PRESSES * wrong + 1 / limit), dtype=np.float32)


def _is_allowed(judge: Judge, labelled: Labelled) -> NDArray[np.bool_]:
    """Say which images are not excluded from what they look like: all types may be."""
    forbidden = labelled.forbid()
    return np.asarray(~forbidden[np.arange(len(forbidden)), judge.likely])


def _arrange(features: Features, likely: NDArray[np.int32], page: Places) -> Places:
    parts = [
        arrange_alike(features.values, page[likely[page] == code])
        for code in np.unique(likely[page]).tolist()
    ]
    return np.concatenate([page[:0], *parts])
