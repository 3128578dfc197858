"""Which labels the judge learns, and how much each counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance.copies import Places, fold_copies
from discovery.review.guidance.labelled import Labelled

# What nobody looked at counts this much of an image that a person saw, at most: its mistakes are
# alike, and last the longer the more it counts (docs/log.md).
HINT = 0.1
PURITY_POWER = 4  # half of the members strangers: a sixteenth of the weight
SOON = 10  # seen members of a proposal that halve the weight of those nobody saw
MOST = 1200  # images learned: the fit's time grows with their third power
MOST_GUESSES = 500
HINTS_EACH = 60  # of a proposal, so that a large one does not drown the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is learned.

    Attributes
    ----------
    images : (m,) intp
    codes : (m,) int32
    weights : (m,) float64
        1 for what a person saw.
    is_seen : (m,) bool
    """

    images: Places
    codes: NDArray[np.int32]
    weights: NDArray[np.float64]
    is_seen: NDArray[np.bool_]


def gather_evidence(labelled: Labelled, copies: NDArray[np.int32], *, seed: int) -> Evidence:
    """Gather what a person saw and, with small weights, the rest of accepted proposals.

    Of near copies one is learned: a copy of an image would vouch for it.

    Raises
    ------
    ValueError
        Nothing is labelled.
    """
    rng = np.random.default_rng(seed)
    seen = np.flatnonzero(labelled.is_seen)
    seen = fold_copies(seen, copies)[0]
    if len(seen) > MOST:
        seen = np.sort(rng.choice(seen, MOST, replace=False))
    hinted, codes = labelled.hinted, labelled.codes
    hints = _sample_hints(labelled, hinted, rng)[: MOST - len(seen)]
    # What was seen comes first: of copies it is the one that is kept.
    images = fold_copies(np.concatenate([seen, hints]), copies)[0]
    if not len(images):
        raise ValueError("nothing is labelled yet: there is nothing to learn")
    is_seen = labelled.is_seen[images]
    weights = np.where(is_seen, 1.0, _weigh(labelled)[labelled.proposals[images]])
    chosen = np.where(is_seen, codes[images], hinted[images]).astype(np.int32)
    return Evidence(images=images, codes=chosen, weights=weights, is_seen=is_seen)


def find_thrown(labelled: Labelled) -> Places:
    """Return open images that a person threw out of some types, but not out of all."""
    forbidden = labelled.forbid()
    some = forbidden.any(axis=1) & ~forbidden.all(axis=1)
    return np.flatnonzero(some & labelled.is_open)[:MOST_GUESSES]


def add_guesses(
    evidence: Evidence, images: Places, *, codes: NDArray[np.int32], right: NDArray[np.float32]
) -> Evidence:
    """Add images with the types they are taken for; hints on the same images go.

    Parameters
    ----------
    evidence : Evidence
    images : (t,) intp
    codes : (t,) int32
    right : (t,) float32
        How probable each type is; its square is the weight.
    """
    kept = ~np.isin(evidence.images, images)
    nobody = np.zeros(len(images), np.bool_)
    return Evidence(
        images=np.concatenate([evidence.images[kept], images]),
        codes=np.concatenate([evidence.codes[kept], codes]),
        weights=np.concatenate([evidence.weights[kept], right.astype(np.float64) ** 2]),
        is_seen=np.concatenate([evidence.is_seen[kept], nobody]),
    )


def _sample_hints(
    labelled: Labelled, hinted: NDArray[np.int32], rng: np.random.Generator
) -> Places:
    hints = rng.permutation(np.flatnonzero(hinted >= 0))
    proposals = labelled.proposals[hints]
    order = np.argsort(proposals, kind="stable")
    starts = np.searchsorted(proposals[order], proposals[order])
    rank = np.arange(len(order)) - starts  # of each within its proposal
    kept = np.sort(order[rank < HINTS_EACH])
    picked: Places = hints[kept]
    return picked


def _weigh(labelled: Labelled) -> NDArray[np.float64]:
    """Return the weight of an unseen member of each proposal, (q,)."""
    count = len(labelled.accepted)
    inside = labelled.proposals >= 0
    judged = inside & labelled.is_seen
    agree = judged & (labelled.codes == labelled.accepted[labelled.proposals])
    looked = np.bincount(labelled.proposals[judged], minlength=count)
    hits = np.bincount(labelled.proposals[agree], minlength=count)
    purity = (hits + 2) / (looked + 3)
    weights: NDArray[np.float64] = HINT * purity**PURITY_POWER / (1 + looked / SOON)
    return weights
