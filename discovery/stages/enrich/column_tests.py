"""The tests of one column in every cluster: values, numbers and times.

Each returns the candidates with enough members and effect, whose p is not yet held against the
other tests, and how many tests were made, those that came to nothing included.
"""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from discovery.stages.enrich.columns import Column
from discovery.stages.enrich.hypothesis_tests import compute_excess_p, compute_odds_ratio
from discovery.stages.enrich.records import Candidate, EnrichOptions

# Of the members that a burst must hold: a few stragglers are re-inspected later, or earlier.
_BUNCHED = 0.8


def associate_values(
    column: Column, labels: NDArray[np.int32], *, options: EnrichOptions
) -> tuple[list[Candidate], int]:
    """Test each value of a column in each cluster, by Fisher's exact test.

    Parameters
    ----------
    column : Column of kind ``value``
    labels : (n,) int32
        Cluster of each image. Noise (-1) belongs to the round's images as well.

    Returns
    -------
    list of Candidate
        Those with enough members and odds; their p is not yet held against the other tests.
    int
        How many tests were made, those that came to nothing included.
    """
    known = column.codes >= 0
    k, v = int(labels.max(initial=-1)) + 1, len(column.values)
    inside = known & (labels >= 0)
    # One pass over the images for all k x v tables, however many values there are.
    flat = labels[inside].astype(np.int64) * v + column.codes[inside]
    counts = np.bincount(flat, minlength=k * v).reshape(k, v)
    having = np.bincount(column.codes[known], minlength=v)  # (v,)
    sizes, total = counts.sum(axis=1), int(known.sum())  # (k,)
    testable = np.outer(sizes >= options.least_size, having >= options.least_count)
    clusters, codes = np.nonzero(testable & (counts >= options.least_count))
    table = counts[clusters, codes], sizes[clusters], having[codes]
    odds = compute_odds_ratio(*table, total=total)
    strong = odds >= options.least_odds  # the few that are worth a tail
    p = compute_excess_p(*(part[strong] for part in table), total=total)
    found = [
        Candidate(
            cluster_id=int(cluster),
            column=column.name,
            kind="value",
            value=column.values[code],
            mask=column.codes == code,
            known=known,
            effect=float(effect),
            p=float(one),
            same_as=column.same_as,
        )
        for cluster, code, effect, one in zip(
            clusters[strong], codes[strong], odds[strong], p, strict=True
        )
        if one <= options.q  # its q is no less
    ]
    return found, int(testable.sum())


def associate_numbers(
    column: Column, labels: NDArray[np.int32], *, options: EnrichOptions
) -> tuple[list[Candidate], int]:
    """Test whether the members' numbers rank above or below all other images'.

    The rank-sum test of Mann and Whitney, "On a test of whether one of two random variables is
    stochastically larger than the other", Annals of Mathematical Statistics 18(1), 1947, with its
    normal law, corrected for ties and for continuity. The effect is the rank-biserial correlation
    (Kerby 2014): the share of pairs where the member is higher less that where it is lower.

    Parameters
    ----------
    column : Column of kind ``number`` or ``time``
    labels : (n,) int32

    Returns
    -------
    list of Candidate, int
        As `associate_values`.
    """
    known = np.isfinite(column.numbers)
    k, total = int(labels.max(initial=-1)) + 1, int(known.sum())
    # Ranked once for all clusters: SciPy's own test would sort the column again for each.
    ranks = rankdata(column.numbers[known])
    inside = labels[known]
    sizes = np.bincount(inside[inside >= 0], minlength=k)  # (k,)
    sums = np.bincount(inside[inside >= 0], weights=ranks[inside >= 0], minlength=k)
    testable = (sizes >= options.least_size) & (total - sizes >= options.least_size)
    equal = np.unique(ranks, return_counts=True)[1].astype(np.float64)  # images of each rank
    variance = total + 1 - (equal**3 - equal).sum() / (total * (total - 1.0)) if total > 1 else 0.0
    found: list[Candidate] = []
    for cluster in np.flatnonzero(testable):
        n1, n2 = float(sizes[cluster]), float(total - sizes[cluster])
        above = sums[cluster] - n1 * (n1 + 1) / 2  # U: pairs where the member is higher
        effect = float(2 * above / (n1 * n2) - 1)
        gap = max(abs(above - n1 * n2 / 2) - 0.5, 0.0)
        # No variance: all numbers are equal, and no cluster has higher ones.
        p = float(2 * norm.sf(gap / np.sqrt(n1 * n2 / 12 * variance))) if variance > 0 else 1.0
        if p > options.q or abs(effect) < options.least_effect:
            continue
        value, mask = _describe_side(column, labels == cluster, higher=effect > 0)
        found.append(
            Candidate(
                cluster_id=int(cluster),
                column=column.name,
                kind="number",
                value=value,
                mask=mask,
                known=known,
                effect=effect,
                p=p,
            )
        )
    return found, int(testable.sum())


def _describe_side(
    column: Column, members: NDArray[np.bool_], *, higher: bool
) -> tuple[str, NDArray[np.bool_]]:
    """Say on which side of the other images' median the members lie, and which images do, (n,)."""
    known = np.isfinite(column.numbers)
    middle = float(np.median(column.numbers[known & ~members]))
    mine = float(np.median(column.numbers[known & members]))
    words = ("later", "earlier") if column.kind == "time" else ("higher", "lower")
    write = _write_time if column.kind == "time" else _write_number
    text = f"{words[0] if higher else words[1]}: median {write(mine)}, others {write(middle)}"
    return text, known & ((column.numbers > middle) if higher else (column.numbers < middle))


def associate_bursts(
    column: Column, labels: NDArray[np.int32], *, options: EnrichOptions
) -> tuple[list[Candidate], int]:
    """Test whether four fifths of the members fall into a window that holds few of all images.

    The scan statistic of Naus, "The distribution of the size of the maximum cluster of points on
    a line", J. Am. Stat. Assoc. 60(310), 1965, on ranks: an hour in which the tool looked at much
    counts for more than an idle one. Its p is the sum over all windows of no more images
    (Bonferroni), an upper bound.

    Parameters
    ----------
    column : Column of kind ``time``
    labels : (n,) int32

    Returns
    -------
    list of Candidate, int
        As `associate_values`.
    """
    known = np.isfinite(column.numbers)
    times, repeats = np.unique(column.numbers[known], return_counts=True)
    ends = np.cumsum(repeats)  # images up to each time
    total, tests = int(known.sum()), 0
    found: list[Candidate] = []
    for cluster in range(int(labels.max(initial=-1)) + 1):
        members = (labels == cluster) & known
        size = int(members.sum())
        if min(size, total - size) < options.least_size:
            continue
        tests += 1
        low, high, p = _find_burst(np.sort(column.numbers[members]), times=times, ends=ends)
        mask = (column.numbers >= low) & (column.numbers <= high)
        counts = int((mask & members).sum()), size, int(mask.sum())
        odds = float(compute_odds_ratio(*counts, total=total))
        if p <= options.q and odds >= options.least_odds:
            found.append(
                Candidate(
                    cluster_id=cluster,
                    column=column.name,
                    kind="time",
                    value=f"{_write_time(low)} to {_write_time(high)}",
                    mask=mask,
                    known=known,
                    effect=odds,
                    p=p,
                )
            )
    return found, tests


def _find_burst(
    mine: NDArray[np.float64], *, times: NDArray[np.float64], ends: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return start, end and p of the window of four fifths of the members with fewest images.

    Parameters
    ----------
    mine : (m,) float64, ascending
        Times of the members.
    times, ends : (t,)
        Every time there is, ascending, and how many images there are up to it.
    """
    wanted = int(np.ceil(_BUNCHED * len(mine)))
    before = np.concatenate([[0], ends[:-1]])
    starts = np.searchsorted(times, mine[: len(mine) - wanted + 1])
    stops = np.searchsorted(times, mine[wanted - 1 :])
    held = ends[stops] - before[starts]  # images of the round in each window of `wanted` members
    best = int(held.argmin())
    # The widest window from each time that holds no more images than the best one.
    last = np.searchsorted(ends, before + held[best], side="right") - 1
    widths = np.where(last >= np.arange(len(times)), ends[last] - before, 0)
    # Windows of one width have one tail: few widths stand for tens of thousands of windows.
    sizes, repeats = np.unique(widths[widths >= wanted], return_counts=True)
    tails = compute_excess_p(wanted, len(mine), sizes, total=int(ends[-1]))
    p = min(float((tails * repeats).sum()), 1.0)
    return float(times[starts[best]]), float(times[stops[best]]), p


def _write_time(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S")


def _write_number(number: float) -> str:
    return f"{number:.4g}"
