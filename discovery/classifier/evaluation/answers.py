"""When an answer is right: label paths are compared at the depth that the truth, or both, reach.

A truth may stop at an inner node of the taxonomy (`defect/large`): nobody could say more. The
answer is then judged down to there; an answer that stops above the truth is wrong.
"""

import numpy as np
from numpy.typing import NDArray

from discovery.records import Predictions


def count_parts(labels: NDArray[np.str_]) -> NDArray[np.int64]:
    """Count the parts of (n,) label paths; the empty path has none."""
    return np.where(labels == "", 0, np.char.count(labels, "/") + 1).astype(np.int64)


def cut_paths(labels: NDArray[np.str_], depths: NDArray[np.int64] | int) -> NDArray[np.str_]:
    """Cut (n,) label paths to their ancestors at (n,) depths; shorter ones stay as they are."""
    wanted = np.broadcast_to(depths, labels.shape).tolist()
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
    inner = set()
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
    above = depths < count_parts(predictions.forced)
    whole = predictions.confidences.astype(np.float64)
    return np.where(above, np.nan_to_num(levels, nan=1.0).prod(axis=1), whole)
