"""How far a share of n images can be trusted, and whether two classifiers really differ.

`estimate_interval` for a figure on a page, `bound_from_below` for a threshold that shall keep a
promise, `compare_paired` for two answers to the same images.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binomtest, norm

Bound = Literal["wilson", "clopper-pearson", "share"]


def estimate_interval(
    successes: int, n: int, *, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Estimate the two-sided score interval of a share; None for a share of nothing.

    Source: Wilson (1927); recommended for small n by Brown, Cai and DasGupta (2001).
    """
    if not n:
        return None
    z = float(norm.ppf((1 + confidence) / 2))
    low, high = (_move_wilson(np.array([successes]), np.array([n]), side)[0] for side in (-z, z))
    share = successes / n  # inside the interval, which rounding must not undo at 0 and 1
    return min(max(float(low), 0.0), share), max(min(float(high), 1.0), share)


def bound_from_below(
    successes: NDArray[np.int64],
    n: NDArray[np.int64],
    *,
    method: Bound = "wilson",
    confidence: float = 0.95,
) -> NDArray[np.float64]:
    """Bound (m,) shares from below, one-sided, (m,).

    Parameters
    ----------
    successes, n : (m,) int
        Counts, n of 1 or more.
    method : {"wilson", "clopper-pearson", "share"}
        Score bound; exact bound (Clopper and Pearson 1934), which never promises too much and
        asks for more images; or the plain share, which promises nothing of other images.
    confidence : float in (0, 1)

    Raises
    ------
    ValueError
        The method is none of these.
    """
    if method == "wilson":
        # never above the share itself, where rounding could put it
        return np.clip(_move_wilson(successes, n, -float(norm.ppf(confidence))), 0.0, successes / n)
    if method == "clopper-pearson":
        exact = beta.ppf(1 - confidence, np.maximum(successes, 1), n - successes + 1)
        return np.where(successes > 0, exact, 0.0)
    if method == "share":
        return np.asarray(successes / n, np.float64)
    raise ValueError(f"bound {method!r}, expected 'wilson', 'clopper-pearson' or 'share'")


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


def _move_wilson(
    successes: NDArray[np.int64], n: NDArray[np.int64], z: float
) -> NDArray[np.float64]:
    """Solve the score equation for the share that lies z standard errors away, (m,)."""
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.asarray((centre + spread) / (1 + z * z / n), np.float64)
