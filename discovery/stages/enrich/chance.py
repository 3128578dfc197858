"""Tests of chance: over-represented values, and the false discovery rate over many tests."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve
from scipy.special import gammaln
from scipy.stats import hypergeom

Counts = NDArray[np.int64] | int


def adjust_pvalues(p: NDArray[np.float64], *, tests: int | None = None) -> NDArray[np.float64]:
    """Turn p-values into q-values: the least false discovery rate at which each is a discovery.

    Benjamini and Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57(1), 1995,
    their step-up procedure. Tests on one set of images lean the same way, for which it holds as
    well (Benjamini and Yekutieli, Annals of Statistics 29(4), 2001, theorem 1.2).

    Parameters
    ----------
    p : (m,) float64
    tests : int, optional
        Tests made in all, where those left out of `p` came to nothing; m by default.

    Returns
    -------
    (m,) float64 in [0, 1]
        In the order given; a smaller p never has a larger q.
    """
    total = len(p) if tests is None else tests
    if total < len(p):
        raise ValueError(f"{total} tests for {len(p)} p-values")
    order = np.argsort(p, kind="stable")
    raised = p[order] * total / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return q


def weigh_excess(count: Counts, size: Counts, having: Counts, *, total: int) -> NDArray[np.float64]:
    """Return the chance of `count` or more, of `size` drawn from `total` of which `having` have it.

    One-sided exact test of Fisher, "The logic of inductive inference", J. R. Stat. Soc. 98(1),
    1935: the tail of the hypergeometric distribution. All arguments broadcast, to one
    dimension at least. SciPy's own takes 0.4 ms a tail, one after the other; this sums all tails
    at once, term by term.
    """
    count, size, having = np.broadcast_arrays(*map(np.atleast_1d, (count, size, having)))
    at = np.maximum(count, np.maximum(size + having - total, 0)).astype(np.float64)
    most = np.minimum(size, having).astype(np.float64)
    term = np.exp(_log_pmf(at, size, having, total=total))
    tail = np.where(at <= most, term, 0.0)
    term = tail.copy()
    while True:
        # pmf(x + 1) / pmf(x); 0 past the most that there can be
        ratio = (size - at) * (having - at) / ((at + 1) * (total - size - having + at + 1))
        term = term * np.where(at < most, ratio, 0.0)
        at = at + 1
        tail = tail + term
        # Terms may rise at first, below the middle: they are done when they fall and are small.
        if not ((term > 1e-17 * tail) | ((ratio > 1) & (at < most))).any():
            return np.where(count <= 0, 1.0, np.minimum(tail, 1.0))


def _log_pmf(
    x: NDArray[np.float64], size: NDArray[np.int64], having: NDArray[np.int64], *, total: int
) -> NDArray[np.float64]:
    """Return the log of the hypergeometric chance of exactly x; -inf where x cannot be."""

    def choose(n: NDArray[np.float64] | float, k: NDArray[np.float64]) -> NDArray[np.float64]:
        there = (k >= 0) & (k <= n)
        kept = np.where(there, k, 0.0)
        ways = gammaln(n + 1) - gammaln(kept + 1) - gammaln(n - kept + 1)
        return np.asarray(np.where(there, ways, -np.inf))

    whole = np.asarray(having, np.float64), np.asarray(size, np.float64)
    rest = total - whole[0]
    return choose(whole[0], x) + choose(rest, whole[1] - x) - choose(float(total), whole[1])


def measure_odds(count: Counts, size: Counts, having: Counts, *, total: int) -> NDArray[np.float64]:
    """Return the odds ratio, half added to each of the four counts (Haldane 1956)."""
    others, rest = having - count, total - size
    inside = (count + 0.5) / (size - count + 0.5)
    return np.asarray(inside / ((others + 0.5) / (rest - others + 0.5)))


def weigh_within(
    mask: NDArray[np.bool_], members: NDArray[np.bool_], strata: NDArray[np.bool_]
) -> float:
    """Return the chance of so many members in `mask`, given how many lie in each stratum.

    The exact conditional test of a common odds ratio in 2 x 2 x 2 tables (Birch 1964; the exact
    form of Mantel and Haenszel 1959): within and without the stratum the members are drawn apart.
    A value that only follows another one is not over-represented on either side of it.

    Parameters
    ----------
    mask, members, strata : (n,) bool
    """
    law = np.ones(1)
    for side in (strata, ~strata):
        size, having = int((members & side).sum()), int((mask & side).sum())
        # (size + 1,): the chance of 0, 1, ... of the members on this side
        law = convolve(law, hypergeom.pmf(np.arange(size + 1), int(side.sum()), having, size))
    return float(min(law[int((mask & members).sum()) :].sum(), 1.0))
