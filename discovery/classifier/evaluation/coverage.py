"""What is gained by not answering: risk against coverage, and thresholds that keep a promise.

An image is answered where its confidence is at least the threshold. Images of equal confidence
are answered together or not at all, so no result depends on their order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCoverage:
    """The risk-coverage curve: one point for each confidence that occurs, the highest first.

    Attributes
    ----------
    thresholds : (m,) float64, descending
    answered : (m,) int64
        How many images have at least that confidence.
    right : (m,) int64
        How many of those are right.
    """

    thresholds: NDArray[np.float64]
    answered: NDArray[np.int64]
    right: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not self.thresholds.shape == self.answered.shape == self.right.shape:
            raise ValueError("thresholds, answered and right differ in shape")
        if not len(self.answered) or (np.diff(self.answered) <= 0).any():
            raise ValueError("answered must grow from point to point")

    def __len__(self) -> int:
        return len(self.thresholds)

    @property
    def coverages(self) -> NDArray[np.float64]:
        """Share of images that are answered, (m,)."""
        return np.asarray(self.answered / self.answered[-1], np.float64)

    @property
    def risks(self) -> NDArray[np.float64]:
        """Share of wrong answers among them, (m,)."""
        return np.asarray(1 - self.right / self.answered, np.float64)

    @property
    def area(self) -> float:
        """AURC: the risk, averaged over the coverages 1/n, 2/n, ... 1.

        Inside a group of equal confidence the mean over its orders is taken. Source: Geifman and
        El-Yaniv, Selective Classification for Deep Neural Networks (2017).
        """
        n = int(self.answered[-1])
        ranks = np.arange(1, n + 1)
        # Between two points of the curve, a group of equal confidence, `right` grows evenly.
        ends = np.concatenate([[0], self.answered]), np.concatenate([[0], self.right])
        return float(np.mean(1 - np.interp(ranks, *ends) / ranks))

    @property
    def excess_area(self) -> float:
        """E-AURC: the area above that of the best order of the same answers.

        Source: Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation (2019).
        """
        n, right = int(self.answered[-1]), int(self.right[-1])
        ranks = np.arange(1, n + 1)
        # The best order answers all right ones first: its risk is 0 up to there.
        best = float(np.mean(1 - np.minimum(ranks, right) / ranks))
        return max(self.area - best, 0.0)  # rounding may leave -1e-17


def trace_risk_coverage(
    confidences: NDArray[np.floating], correct: NDArray[np.bool_]
) -> RiskCoverage:
    """Trace risk against coverage over (n,) confidences and whether each answer is right.

    Raises
    ------
    ValueError
        There is no image, or the lengths differ.
    """
    if confidences.shape != correct.shape or not len(confidences):
        raise ValueError(f"{len(confidences)} confidences for {len(correct)} answers")
    # np.unique sorts upwards: negated, the highest confidence comes first.
    thresholds, group = np.unique(-confidences.astype(np.float64), return_inverse=True)
    answered = np.cumsum(np.bincount(group))
    right = np.cumsum(np.bincount(group, weights=correct)).astype(np.int64)
    return RiskCoverage(thresholds=-thresholds, answered=answered, right=right)


def choose_threshold(
    confidences: NDArray[np.floating],
    correct: NDArray[np.bool_],
    *,
    target_purity: float,
) -> float:
    """Choose the lowest threshold whose answers are pure enough.

    Parameters
    ----------
    confidences, correct : (n,)
        Of images that were not trained on.
    target_purity : float in [0, 1]
        Share of right answers wanted, of these images: of others it promises nothing.

    Returns
    -------
    float
        Answer where the confidence is at least this; infinity where no threshold will do, so
        that nothing is answered.
    """
    if not 0 <= target_purity <= 1:
        raise ValueError(f"target_purity is {target_purity}, expected 0 to 1")
    curve = trace_risk_coverage(confidences, correct)
    # The last point that is pure enough, also where purity dips below the target before it.
    good = np.flatnonzero(curve.right / curve.answered >= target_purity)
    return float(curve.thresholds[good[-1]]) if len(good) else float("inf")


def choose_threshold_for_rejection(
    confidences: NDArray[np.floating], *, max_rejection: float
) -> float:
    """Choose the highest threshold that leaves at most a share of (n,) images unanswered."""
    if not 0 <= max_rejection <= 1:
        raise ValueError(f"max_rejection is {max_rejection}, expected 0 to 1")
    if not len(confidences):
        raise ValueError("no confidence came")
    ascending = np.sort(confidences.astype(np.float64))
    # 0.29 * 100 is 28.999...: what is a whole number but for rounding is one
    spared = int(np.floor(max_rejection * len(ascending) + 1e-9))
    return float(ascending[spared]) if spared < len(ascending) else float("inf")


def thin_curve(curve: RiskCoverage, *, limit: int = 100) -> list[dict[str, float]]:
    """List at most `limit` points of a curve, evenly over the images, first and last kept."""
    wanted = np.linspace(curve.answered[0], curve.answered[-1], limit)
    kept = np.unique(np.searchsorted(curve.answered, wanted))  # (<= limit,)
    return [
        {
            "coverage": float(curve.coverages[i]),
            "risk": float(curve.risks[i]),
            "threshold": float(curve.thresholds[i]),
        }
        for i in kept
    ]
