"""Which images a person should look at: confident mistakes first, then what was not named."""

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.evaluation.answers import count_parts, judge_vouched, take_confidences
from discovery.records import Predictions


def choose_mistakes(
    predictions: Predictions, truth: NDArray[np.str_], *, limit: int = 48
) -> list[str]:
    """Choose the images whose pictures the page needs, at most `limit` ids.

    Parameters
    ----------
    predictions : Predictions
    truth : (n,) array of str
    limit : int
        A third of it is kept for images that were not named, where there are so many.

    Returns
    -------
    list of str
        First mistakes (`rank_mistakes`), then images that were not named (`rank_rejected`).
    """
    if limit < 0:
        raise ValueError(f"limit is {limit}, expected 0 or more")
    mistakes, rejected = rank_mistakes(predictions, truth), rank_rejected(predictions)
    shown = min(len(mistakes), max(limit - len(rejected), limit - limit // 3))
    chosen = [*mistakes[:shown], *rejected[: limit - shown]]
    return [str(predictions.ids[i]) for i in chosen]


def rank_mistakes(predictions: Predictions, truth: NDArray[np.str_]) -> NDArray[np.intp]:
    """Rank the named images that are wrong at the depth vouched for, (m,), surest first."""
    wrong = np.flatnonzero(predictions.named & ~judge_vouched(predictions.labels, truth))
    confidences = take_confidences(predictions, count_parts(predictions.labels))
    return wrong[np.lexsort((wrong, -confidences[wrong]))]


def rank_rejected(predictions: Predictions) -> NDArray[np.intp]:
    """Rank the images that were not named, (r,): unknown and undecided ones by turns.

    The unknown begin with the most novel, the undecided with the least sure.
    """
    unknown = np.flatnonzero(predictions.verdicts == "unknown")
    undecided = np.flatnonzero(predictions.verdicts == "undecided")
    unknown = unknown[np.argsort(-predictions.novelties[unknown], kind="stable")]
    undecided = undecided[np.argsort(predictions.confidences[undecided], kind="stable")]
    both = np.concatenate([unknown, undecided])
    turn = np.concatenate([np.arange(len(unknown)), np.arange(len(undecided))])
    return both[np.argsort(turn, kind="stable")]
