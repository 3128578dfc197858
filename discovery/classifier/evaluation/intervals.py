"""How far a share of n images can be trusted, and whether two classifiers really differ.

`estimate_interval` for a figure on a page, `compare_paired` for two answers to the same images.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm


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
