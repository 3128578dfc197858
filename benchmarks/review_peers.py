"""The peers of `review.py`: naming the groups of UMAP and HDBSCAN, and margin sampling."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from quality_peers import cluster_as_bertopic
from review_engineer import PAGE, Point
from sklearn.linear_model import LogisticRegression

BATCH = 10
# Of 1, 10 and 100 the strongest for the peer on all four sets: unit vectors want little of it.
C = 100.0


def name_clusters(
    vectors: NDArray[np.float32], truth: NDArray[np.str_], *, seed: int
) -> list[Point]:
    """Name each group of UMAP and HDBSCAN, the largest first, by the majority of a screen of it."""
    groups = cluster_as_bertopic(vectors, 0, seed)
    rng = np.random.default_rng(seed)
    labels = np.full(len(truth), "", truth.dtype)
    known: set[str] = set()
    curve: list[Point] = []
    interactions = shown = 0
    sizes = Counter(groups[groups >= 0].tolist())
    for group, _ in sizes.most_common():
        members = np.flatnonzero(groups == group)
        screen = rng.choice(members, min(PAGE, len(members)), replace=False)
        name = Counter(truth[screen].tolist()).most_common(1)[0][0]
        # As generous as can be: a known name takes one press, a new one a word and a press.
        interactions += 1 + (name not in known)
        known.add(name)
        labels[members] = name
        shown += len(screen)
        curve.append(_note(labels, truth, interactions, shown, known, 0))
    return curve


def sample_margins(
    vectors: NDArray[np.float32], truth: NDArray[np.str_], *, seed: int, target: float
) -> list[Point]:
    """Label single images, those between two types first; all others by logistic regression."""
    rng = np.random.default_rng(seed)
    rows = _rotate(vectors)
    picked = rng.choice(len(truth), BATCH, replace=False).tolist()
    curve: list[Point] = []
    while True:
        known = set(truth[picked].tolist())
        labels = np.full(len(truth), truth[picked[0]], truth.dtype)
        closeness = rng.random(len(truth))
        if len(known) > 1:
            model = LogisticRegression(C=C, max_iter=500).fit(rows[picked], truth[picked])
            sure = model.predict_proba(rows)
            labels = model.classes_[sure.argmax(axis=1)]
            ordered = np.sort(sure, axis=1)
            closeness = ordered[:, -1] - ordered[:, -2]
        labels[picked] = truth[picked]
        curve.append(
            _note(labels, truth, len(picked) + len(known), len(picked), known, len(picked))
        )
        if curve[-1].accuracy >= target or len(picked) == len(truth):
            return curve
        closeness[picked] = np.inf
        picked += np.argsort(closeness, kind="stable")[:BATCH].tolist()


def _note(
    labels: NDArray[np.str_],
    truth: NDArray[np.str_],
    interactions: int,
    shown: int,
    known: set[str],
    settled: int,
) -> Point:
    return Point(
        interactions=interactions,
        accuracy=float((labels == truth).mean()),
        shown=shown,
        types=len(known),
        settled=settled,
    )


def _rotate(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the same vectors about their mean, in as few columns as there are images at most.

    Distances and angles stay as they are, so what is learned is the same, and is learned sooner.
    """
    centred = vectors - vectors.mean(axis=0)
    u, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(u * lengths, dtype=np.float32)
