"""Tests of chance: over-represented values, and the false discovery rate over many tests."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve
from scipy.stats import false_discovery_control, hypergeom

Counts = NDArray[Any] | int  # whole numbers


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
    # A test that came to nothing has p = 1: it counts among the tests and lowers no other q.
    padded = np.concatenate([p, np.ones(total - len(p))])
    return np.asarray(false_discovery_control(padded)[: len(p)]) if total else p


def compute_excess_p(
    count: Counts, size: Counts, having: Counts, *, total: int
) -> NDArray[np.float64]:
    """Return the chance of `count` or more, of `size` drawn from `total` of which `having` have it.

    One-sided exact test of Fisher, "The logic of inductive inference", J. R. Stat. Soc. 98(1),
    1935: the tail of the hypergeometric distribution. All arguments broadcast, to one
    dimension at least.
    """
    count, size, having = np.broadcast_arrays(*map(np.atleast_1d, (count, size, having)))
    most = np.minimum(size, having)
    at = np.maximum(count, np.maximum(size + having - total, 0)).astype(np.float64)
    # SciPy's own `sf` takes one tail after the other, and a scan for bursts asks for millions: in a
    # lot of 50,000 images that is minutes. Here all are summed at once, term by term, from the
    # logarithm, which is 1000 times as fast as its `pmf` by prime factors.
    term = np.exp(hypergeom.logpmf(at, total, having, size))
    tail = term.copy()
    while True:
        # pmf(x + 1) / pmf(x); 0 past the most that there can be
        ratio = (size - at) * (having - at) / ((at + 1) * (total - size - having + at + 1))
        term = term * np.where(at < most, ratio, 0.0)
        at = at + 1
        tail = tail + term
        # Terms may rise at first, below the middle: they are done when they fall and are small.
        if not ((term > 1e-17 * tail) | ((ratio > 1) & (at < most))).any():
            return np.where(count <= 0, 1.0, np.minimum(tail, 1.0))


def compute_odds_ratio(
    count: Counts, size: Counts, having: Counts, *, total: int
) -> NDArray[np.float64]:
    """Return the odds ratio, half added to each of the four counts (Haldane 1956)."""
    others, rest = having - count, total - size
    inside = (count + 0.5) / (size - count + 0.5)
    return np.asarray(inside / ((others + 0.5) / (rest - others + 0.5)))


def compute_stratified_p(
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
        # (size + 1,): the probability of 0, 1, ... of the members on this side
        own = np.exp(hypergeom.logpmf(np.arange(size + 1), int(side.sum()), having, size))
        law = convolve(law, own)
    return float(min(law[int((mask & members).sum()) :].sum(), 1.0))
