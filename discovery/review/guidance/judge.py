"""A light classifier of what is decided so far, fitted again after each screen.

Kernel ridge regression: one linear solve, and the answer it would give to an image had it not
learned it comes out of the same solve. Its answers are then passed along the neighbour graph,
which holds what nobody labelled, too.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from discovery.review.guidance.copies import Places
from discovery.review.guidance.evidence import (
    Evidence,
    add_guesses,
    find_thrown,
    gather_evidence,
)
from discovery.review.guidance.features import Features
from discovery.review.guidance.labelled import Labelled

Floats = NDArray[np.float32]

WIDTH = 0.2  # of the kernel, in mean square lengths: between .1 and .5 four sets saw no difference
RIDGE = 0.03
# Half of an answer comes from the neighbours' answers; of two steps away a quarter, and so on.
PASSED_ON, STEPS = 0.5, 8
FORBIDDEN = 9.0  # taken off a score: more than any two differ by
_CHUNK = 2048  # images a product: the kernel of all at once would be gigabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What the labels so far say of n images.

    Attributes
    ----------
    likely : (n,) int32
        The type each image looks like most; never one it was excluded from.
    second : (n,) int32
        The next; the same as `likely` where there is one type alone.
    right : (n,) float32
        How probable it is that `likely` is right, by the held-out answers.
    learned : (m,) intp
        Images a person saw and it learned.
    held_out : (m,) int32
        What it says of each while it is held out.
    held_out_right : (m,) float32
        How probable it is that `held_out` is right.
    """

    likely: NDArray[np.int32]
    second: NDArray[np.int32]
    right: Floats
    learned: Places = field(repr=False)
    held_out: NDArray[np.int32] = field(repr=False)
    held_out_right: Floats = field(repr=False)


def fit_judge(features: Features, labelled: Labelled, *, seed: int = 0) -> Judge:
    """Learn the types from what a person saw, and a little from accepted proposals.

    Parameters
    ----------
    features : Features of n images
    labelled : Labelled
    seed : int
        Of the sample that is learned where more is labelled than it can bear.

    Raises
    ------
    ValueError
        Nothing is labelled.
    """
    evidence = gather_evidence(labelled, features.copies, seed=seed)
    thrown = find_thrown(labelled)
    if len(thrown):
        evidence = _guess(features, labelled, evidence, thrown)
    fit = _solve(features, evidence, labelled.n_types)
    scores = _apply(features.values, fit)
    scores = _pass_on(features, scores, labelled)
    scores -= FORBIDDEN * labelled.forbid()
    likely, second, margins = _read(scores)
    return Judge(
        likely=likely,
        second=second,
        right=_predict(fit.chance, margins),
        learned=evidence.images[evidence.is_seen],
        held_out=fit.held_out,
        held_out_right=_predict(fit.chance, fit.held_out_margins),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """What was solved for m images learned: the kernel's strengths (m, k), the held-out answers."""

    learned: Floats
    strengths: Floats
    held_out: NDArray[np.int32]
    held_out_margins: Floats
    chance: LogisticRegression


def _solve(features: Features, evidence: Evidence, k: int) -> _Fit:
    targets = np.full((len(evidence.images), k), -1 / k, np.float32)
    targets[np.arange(len(targets)), evidence.codes] += 1
    learned = features.values[evidence.images]
    kernel = _compare(learned, learned).astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += RIDGE / evidence.weights
    inverse = np.linalg.inv(kernel)
    strengths = inverse @ targets  # (m, k)
    held_out = targets - strengths / np.diag(inverse)[:, None]
    said, _, margins = _read(held_out[evidence.is_seen].astype(np.float32))
    return _Fit(
        learned=learned,
        strengths=strengths.astype(np.float32),
        held_out=said,
        held_out_margins=margins,
        chance=_calibrate(margins, said == evidence.codes[evidence.is_seen]),
    )


def _guess(features: Features, labelled: Labelled, evidence: Evidence, thrown: Places) -> Evidence:
    """Add to the evidence what images are taken for that a person threw out of a type.

    That they are not of it cannot be learned as such. Of the types that are left the likely one is
    usually right, and these images are the doubtful ones.
    """
    fit = _solve(features, evidence, labelled.n_types)
    scores = _apply(features.values[thrown], fit) - FORBIDDEN * labelled.forbid()[thrown]
    likely, _, margins = _read(scores)
    return add_guesses(evidence, thrown, codes=likely, right=_predict(fit.chance, margins))


def _compare(left: Floats, right: Floats) -> Floats:
    squares = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1)
    gaps = np.maximum(squares - 2 * (left @ right.T), 0)
    return np.asarray(np.exp(-WIDTH * gaps), dtype=np.float32)


def _apply(values: Floats, fit: _Fit) -> Floats:
    chunks = (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK))
    return np.concatenate([_compare(chunk, fit.learned) @ fit.strengths for chunk in chunks])


def _pass_on(features: Features, scores: Floats, labelled: Labelled) -> Floats:
    """Mix each image's scores with its neighbours'; what is settled stands fast."""
    k = labelled.n_types
    seen = np.flatnonzero(~labelled.is_open & (labelled.codes >= 0))
    own = scores.copy()
    own[seen] = -1 / k
    own[seen, labelled.codes[seen]] += 1
    mixed = own
    for _ in range(STEPS):
        mixed = PASSED_ON * (features.links @ mixed) + (1 - PASSED_ON) * own
    return np.asarray(mixed, dtype=np.float32)


def _read(scores: Floats) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Return the best type, the second, and how far it lies behind."""
    every = np.arange(len(scores))
    best = scores.argmax(axis=1)
    if scores.shape[1] == 1:
        return best.astype(np.int32), best.astype(np.int32), scores[:, 0]
    others = scores.copy()
    others[every, best] = -np.inf
    second = others.argmax(axis=1)
    return (
        best.astype(np.int32),
        second.astype(np.int32),
        scores[every, best] - others[every, second],
    )


def _calibrate(margins: Floats, was_right: NDArray[np.bool_]) -> LogisticRegression:
    """Learn how probably an answer is right, from its margin, by held-out answers.

    Four answers are put in that nobody gave: with few or no mistakes it claims no certainty.
    """
    seen = np.concatenate([margins, [0.0, 0.0, 0.5, 1.0]])
    right = np.concatenate([was_right, [True, False, True, True]])
    model = LogisticRegression(C=100.0)
    model.fit(seen[:, None], right)
    return model


def _predict(model: LogisticRegression, margins: Floats) -> Floats:
    if not len(margins):
        return np.empty(0, np.float32)
    return np.asarray(model.predict_proba(margins[:, None])[:, 1], dtype=np.float32)
