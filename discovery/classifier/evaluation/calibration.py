"""Whether a confidence of 90 % is right in 90 of 100 cases, and how to make it so.

Measures: `bin_reliability`, `measure_ece`, `measure_brier`. The correction, to be fitted on images
that were not trained on: `fit_temperature`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

BINS = 15
# Temperatures looked at: exp(-5) to exp(5), 0.007 to 148; beyond them a softmax says nothing new.
_LOG_RANGE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBins:
    """Images in bins of equal mass, from the least to the most confident; no bin is empty.

    Attributes
    ----------
    counts : (b,) int64
    right : (b,) int64
        How many answers are right.
    confidences : (b,) float64
        Mean confidence.
    """

    counts: NDArray[np.int64]
    right: NDArray[np.int64]
    confidences: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.counts.shape == self.right.shape == self.confidences.shape:
            raise ValueError("counts, right and confidences differ in shape")
        if (self.counts < 1).any() or (self.right > self.counts).any():
            raise ValueError("a bin is empty, or more of it is right than it holds")

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """Share of right answers of each bin, (b,)."""
        return np.asarray(self.right / self.counts, np.float64)


def bin_reliability(
    confidences: NDArray[np.floating], correct: NDArray[np.bool_], *, bins: int = BINS
) -> ReliabilityBins:
    """Group (n,) answers into at most `bins` bins of equal mass by confidence.

    Equal mass, because a good classifier's confidences crowd near 1 and leave bins of equal
    width almost empty (Nixon et al. 2019). Equal confidences share a bin, so that there may be
    fewer and bigger ones.

    Raises
    ------
    ValueError
        There is no image, the lengths differ, or bins is below 1.
    """
    if confidences.shape != correct.shape or not len(confidences) or bins < 1:
        raise ValueError(f"{len(confidences)} confidences, {len(correct)} answers, {bins} bins")
    # By distinct confidence, (m,): what is equal must not be split by its order in the table.
    values, code = np.unique(confidences.astype(np.float64), return_inverse=True)
    counts = np.bincount(code)  # (m,) images of each distinct confidence
    starts = _split_mass(counts, len(code) / bins)  # (b,)
    sizes = np.add.reduceat(counts, starts)  # (b,) images of each bin
    right = np.bincount(code, weights=correct)
    return ReliabilityBins(
        counts=sizes,
        right=np.add.reduceat(right, starts).astype(np.int64),
        confidences=np.add.reduceat(values * counts, starts) / sizes,
    )


def measure_ece(binned: ReliabilityBins) -> float:
    """Measure the expected calibration error, in [0, 1].

    The mean over images of the distance between their bin's accuracy and mean confidence (Naeini
    et al. 2015). It is never 0 by chance: compare it with `expect_ece`.
    """
    gaps = np.abs(binned.accuracies - binned.confidences)
    return float((binned.counts * gaps).sum() / binned.counts.sum())


def expect_ece(binned: ReliabilityBins) -> float:
    """Expect what `measure_ece` finds if every confidence is exactly right, in [0, 1].

    The accuracy of a bin of m images then strays from its confidence c by sqrt(2 c (1 - c) / (pi
    m)) on average (mean deviation of the normal approximation).
    """
    variances = binned.confidences * (1 - binned.confidences) / binned.counts
    strayed = np.sqrt(2 / np.pi * np.maximum(variances, 0))
    return float((binned.counts * strayed).sum() / binned.counts.sum())


def measure_brier(confidences: NDArray[np.floating], correct: NDArray[np.bool_]) -> float:
    """Measure the Brier score of "the answer is right": mean squared error, in [0, 1]."""
    return float(np.mean((confidences.astype(np.float64) - correct) ** 2))


def fit_temperature(logits: NDArray[np.floating], y: NDArray[np.integer]) -> float:
    """Fit the temperature that makes softmax(logits / T) most likely, T > 0.

    Parameters
    ----------
    logits : (n, k) float
        Scores of k classes, of images that were not trained on.
    y : (n,) int
        True classes, 0 to k - 1.

    Returns
    -------
    float
        Above 1 where the classifier was too sure; from 0.007 to 148.

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks (2017), with Platt's targets (1999): the
    true class has the target 1 - e, the others share e = 1 / (n + 2), so that n right answers of n
    do not prove certainty. The loss is convex in 1/T, so in log T it has one minimum, which a
    bounded search finds.
    """
    if logits.ndim != 2 or len(logits) != len(y) or not len(y):
        raise ValueError(f"logits {logits.shape} for {len(y)} true classes")
    if logits.shape[1] < 2:
        return 1.0  # one class has probability 1 at every temperature
    scores, targets = logits.astype(np.float64), _soften(y, logits.shape[1])

    # Over log T, where half and double are as far from 1.
    def measure_loss(log_t: float) -> float:
        return float(_cross(targets, log_softmax(scores * np.exp(-log_t), axis=1)).mean())

    found = minimize_scalar(
        measure_loss, bounds=(-_LOG_RANGE, _LOG_RANGE), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def measure_losses(
    log_probabilities: NDArray[np.floating], y: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Measure the log loss of each image, (n,), against the targets of `fit_temperature`.

    Parameters
    ----------
    log_probabilities : (n, k)
    y : (n,) int
        True classes.
    """
    return _cross(_soften(y, log_probabilities.shape[1]), log_probabilities)


def _soften(y: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """Return Platt's targets (n, k) for true classes (n,)."""
    n = len(y)
    doubt = 1 / (n + 2)
    targets = np.full((n, k), doubt / max(k - 1, 1))
    targets[np.arange(n), y] = 1 - doubt
    return targets


def _cross(
    targets: NDArray[np.float64], log_probabilities: NDArray[np.floating]
) -> NDArray[np.float64]:
    return np.asarray(-(targets * log_probabilities).sum(axis=1), np.float64)


def apply_temperature(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Turn (n, k) logits into (n, k) probabilities at a temperature."""
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected more than 0")
    return np.asarray(softmax(logits.astype(np.float64) / temperature, axis=1), np.float64)


def _split_mass(counts: NDArray[np.int64], mass: float) -> NDArray[np.intp]:
    """Find where each bin of at least `mass` begins; a rest of less than half joins the last."""
    ends = np.cumsum(counts)
    starts = [0]
    while True:  # at most a turn a bin
        begun = ends[starts[-1] - 1] if starts[-1] else 0
        following = int(np.searchsorted(ends, begun + mass - 1e-9)) + 1
        if following >= len(ends) or ends[-1] - ends[following - 1] < mass / 2:
            return np.array(starts, np.intp)
        starts.append(following)
