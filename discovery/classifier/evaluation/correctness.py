"""Answers against the truth: which are right, in what interval, and what is taken for what.

Label paths are compared at the depth that the truth, or both, reach. A truth may stop at an inner
node of the taxonomy (`defect/large`): nobody could say more. The answer is then judged down to
there; an answer that stops above the truth is wrong.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from discovery.records import Predictions


def count_parts(labels: NDArray[np.str_]) -> NDArray[np.int64]:
    """Count the parts of (n,) label paths; the empty path has none."""
    return np.where(labels == "", 0, np.char.count(labels, "/") + 1).astype(np.int64)


def cut_paths(labels: NDArray[np.str_], depths: NDArray[np.int64] | int) -> NDArray[np.str_]:
    """Cut (n,) label paths to their ancestors at (n,) depths; shorter ones stay as they are."""
    wanted = np.broadcast_to(depths, labels.shape).tolist()
    # Plain strings: np.char has no cut at the n-th slash.
    cut = ["/".join(label.split("/")[:d]) for label, d in zip(labels.tolist(), wanted, strict=True)]
    return np.array(cut, np.str_)


def judge_answers(answers: NDArray[np.str_], truth: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell which (n,) answers are right at the truth's own depth, (n,)."""
    return np.asarray(cut_paths(answers, count_parts(truth)) == truth, np.bool_)


def judge_vouched(labels: NDArray[np.str_], truth: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell which (n,) labels are right at the depth vouched for, (n,); an empty label never is.

    `defect` is a right thing to say of `defect/large/particle`. Where the truth stops first, the
    label is judged down to there.
    """
    depths = np.minimum(count_parts(labels), count_parts(truth))
    return np.asarray((cut_paths(labels, depths) == cut_paths(truth, depths)) & (labels != ""))


def find_inner(truth: NDArray[np.str_], forced: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell which (n,) truths stop at an inner node: one that other truths or answers go below."""
    inner = set()  # all proper ancestors of what occurs
    for label in {*truth.tolist(), *forced.tolist()}:
        parts = label.split("/")
        inner |= {"/".join(parts[:d]) for d in range(1, len(parts))}
    return np.array([label in inner for label in truth.tolist()], np.bool_)


def take_confidences(predictions: Predictions, depths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Take the probability of each forced path down to (n,) depths, (n,).

    Above forced's own depth it is the product of the levels' conditional probabilities; at its
    own depth or below it is `confidences`, which may be calibrated as a whole.
    """
    below = np.arange(predictions.depth) >= depths[:, None]  # (n, depth) levels that do not count
    levels = np.where(below, 1.0, predictions.level_probabilities)
    # Paths are of unequal depth: levels beyond a path's end are NaN, which count as certain.
    above = depths < count_parts(predictions.forced)
    whole = predictions.confidences.astype(np.float64)
    return np.where(above, np.nan_to_num(levels, nan=1.0).prod(axis=1), whole)


def estimate_interval(
    successes: int, n: int, *, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Estimate the two-sided score interval of a share; None for a share of nothing.

    Source: Wilson (1927); recommended for small n by Brown, Cai and DasGupta (2001).
    """
    if not n:
        return None
    z = float(norm.ppf((1 + confidence) / 2))
    share = successes / n
    # The two shares from which the observed one lies z of their own standard errors away.
    centre, scale = share + z * z / (2 * n), 1 + z * z / n
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # Rounding must not put the share itself outside at 0 and 1.
    return min(max(low, 0.0), share), max(min(high, 1.0), share)


def score_share(name: str, successes: int, n: int) -> dict[str, Any]:
    """Return a share and its interval as `name` and `name_interval`; None of nothing."""
    interval = estimate_interval(successes, n)
    return {
        name: successes / n if n else None,
        f"{name}_interval": None if interval is None else list(interval),
    }


def compare_paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    """Compare two classifiers on the same n images by the images only one of them gets right.

    Returns
    -------
    dict
        ``first_only``, ``second_only`` : counts; ``p`` : two-sided p-value of McNemar's test in
        its exact, binomial form: 1 where they never differ.
    """
    only = int((first & ~second).sum()), int((second & ~first).sum())
    p = float(binomtest(only[0], sum(only), 0.5).pvalue) if sum(only) else 1.0
    return {"first_only": only[0], "second_only": only[1], "p": p}


def score_classes(answers: NDArray[np.str_], truth: NDArray[np.str_]) -> dict[str, Any]:
    """Score (n,) answers against the truth, n of 1 or more.

    Returns
    -------
    dict
        ``n``, ``accuracy``, ``accuracy_interval`` (Wilson, 95 %).
        ``confusion`` : ``labels`` sorted, those of truth and answers; ``matrix`` : counts, a row
        a true class, a column an answer.
        ``classes`` : for each label ``n``, ``precision`` (None where it was never answered),
        ``recall`` (None where no image is of it) and ``f1``.
        ``precision``, ``recall``, ``f1`` : means over the classes of the truth, each counting the
        same; a precision of None counts as 0.
    """
    labels, codes = np.unique(np.concatenate([truth, answers]), return_inverse=True)
    k, n = len(labels), len(truth)
    # Both columns as one number in 0 to k * k - 1, so that one count fills the matrix.
    matrix = np.bincount(codes[:n] * k + codes[n:], minlength=k * k).reshape(k, k)
    right = int(np.trace(matrix))
    rows = [_score_class(matrix, i) for i in range(k)]
    # A class that is only answered has no image and no recall: it takes no part in the means.
    present = [row for row in rows if row["n"]]
    return {
        "n": n,
        **score_share("accuracy", right, n),
        "confusion": {"labels": labels.tolist(), "matrix": matrix.tolist()},
        "classes": dict(zip(labels.tolist(), rows, strict=True)),
        **{
            measure: sum(row[measure] or 0.0 for row in present) / len(present)
            for measure in ("precision", "recall", "f1")
        },
    }


def score_levels(forced: NDArray[np.str_], truth: NDArray[np.str_]) -> dict[str, Any]:
    """Score (n,) forced answers at each depth, as ``{"L1": {...}, "L2": {...}, ...}``.

    Each level holds what `score_classes` gives of the images whose truth is that deep, and
    ``accuracy_given_parent`` with ``n_given_parent``: the same over the images that were right one
    level above, which is what this level's own classifier is to blame for. None of none.
    """
    depths = count_parts(truth)
    return {
        f"L{d}": _score_level(forced[depths >= d], truth[depths >= d], d)
        for d in range(1, int(depths.max(initial=0)) + 1)
    }


def _score_level(forced: NDArray[np.str_], truth: NDArray[np.str_], depth: int) -> dict[str, Any]:
    answers, wanted = cut_paths(forced, depth), cut_paths(truth, depth)
    # At the first level nothing lies above: the empty path is always right.
    parent_right = cut_paths(forced, depth - 1) == cut_paths(truth, depth - 1)
    below = int(parent_right.sum())
    right = int((answers == wanted)[parent_right].sum())
    return {
        **score_classes(answers, wanted),
        "accuracy_given_parent": right / below if below else None,
        "n_given_parent": below,
    }


def _score_class(matrix: NDArray[np.int64], i: int) -> dict[str, Any]:
    right, n, answered = int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum())
    return {
        "n": n,
        "precision": right / answered if answered else None,
        "recall": right / n if n else None,
        "f1": 2 * right / (n + answered),  # every label occurs on one side at least
    }
