"""Answers against the truth, class by class: a confusion matrix, precision, recall and F1.

`score_classes` scores any two columns of labels; `score_levels` does so at every depth of the
taxonomy, over the images whose truth reaches that depth.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.evaluation.answers import count_parts, cut_paths
from discovery.classifier.evaluation.intervals import estimate_interval


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
    matrix = np.bincount(codes[:n] * k + codes[n:], minlength=k * k).reshape(k, k)
    right = int(np.trace(matrix))
    rows = [_score_class(matrix, i) for i in range(k)]
    present = [row for row in rows if row["n"]]
    return {
        "n": n,
        "accuracy": right / n,
        "accuracy_interval": _as_list(estimate_interval(right, n)),
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


def _as_list(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
