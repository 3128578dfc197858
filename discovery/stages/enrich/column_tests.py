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
from discovery.stages.enrich.records import Association, Candidate, EnrichOptions

_BUNCHED = 0.8  # of the members: a burst is told with a few stragglers beside it


def associate_values(
    column: Column, labels: NDArray[np.int32], *, options: EnrichOptions
) -> tuple[list[Candidate], int]:
    """Test each value of a column in each cluster.

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
    flat = labels[inside].astype(np.int64) * v + column.codes[inside]
    counts = np.bincount(flat, minlength=k * v).reshape(k, v)
    having = np.bincount(column.codes[known], minlength=v)  # (v,)
    sizes, total = counts.sum(axis=1), int(known.sum())  # (k,)
    testable = np.outer(sizes >= options.least_size, having >= options.least_count)
    clusters, codes = np.nonzero(testable & (counts >= options.least_count))
    of = counts[clusters, codes], sizes[clusters], having[codes]
    odds = compute_odds_ratio(*of, total=total)
    kept = odds >= options.least_odds
    clusters, codes, odds = clusters[kept], codes[kept], odds[kept]
    p = compute_excess_p(*(part[kept] for part in of), total=total)
    missing = np.bincount(labels[(labels >= 0) & ~known], minlength=k)
    found: list[Candidate] = []
    for cluster, code, effect, chance in zip(clusters, codes, odds, p, strict=True):
        if chance > options.q:
            continue  # its q is no less
        count, size = int(counts[cluster, code]), int(sizes[cluster])
        association = Association(
            cluster_id=int(cluster),
            column=column.name,
            kind="value",
            value=column.values[code],
            count=count,
            size=size,
            others=int(having[code]) - count,
            rest=total - size,
            effect=float(effect),
            p=float(chance),
            missing=int(missing[cluster]),
            same_as=column.same_as,
        )
        found.append(Candidate(association=association, mask=column.codes == code))
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
    ranks = rankdata(column.numbers[known])
    inside = labels[known]
    sizes = np.bincount(inside[inside >= 0], minlength=k)  # (k,)
    sums = np.bincount(inside[inside >= 0], weights=ranks[inside >= 0], minlength=k)
    testable = (sizes >= options.least_size) & (total - sizes >= options.least_size)
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    found: list[Candidate] = []
    for cluster in np.flatnonzero(testable):
        n1, n2 = float(sizes[cluster]), float(total - sizes[cluster])
        above = sums[cluster] - n1 * (n1 + 1) / 2  # U: pairs where the member is higher
        effect = 2 * above / (n1 * n2) - 1
        spread = total + 1 - (ties**3 - ties).sum() / (total * (total - 1.0))
        gap = max(abs(above - n1 * n2 / 2) - 0.5, 0.0)
        p = 2 * norm.sf(gap / np.sqrt(n1 * n2 / 12 * spread)) if spread > 0 else 1.0
        if p <= options.q and abs(effect) >= options.least_effect:
            evidence = float(effect), float(p)
            found.append(_tell_side(column, labels == cluster, int(cluster), evidence=evidence))
    return found, int(testable.sum())


def _tell_side(
    column: Column, members: NDArray[np.bool_], cluster: int, *, evidence: tuple[float, float]
) -> Candidate:
    """Say on which side of the other images' median the members lie, and how many do."""
    effect, p = evidence
    known = np.isfinite(column.numbers)
    mine, others = column.numbers[known & members], column.numbers[known & ~members]
    middle = float(np.median(others))
    higher = effect > 0
    mask = known & ((column.numbers > middle) if higher else (column.numbers < middle))
    words = ("later", "earlier") if column.kind == "time" else ("higher", "lower")
    write = _write_time if column.kind == "time" else _write_number
    word = words[0] if higher else words[1]
    association = Association(
        cluster_id=cluster,
        column=column.name,
        kind="number",
        value=f"{word}: median {write(float(np.median(mine)))}, others {write(middle)}",
        count=int((mask & members).sum()),
        size=len(mine),
        others=int((mask & ~members).sum()),
        rest=len(others),
        effect=effect,
        p=p,
        missing=int((members & ~known).sum()),
    )
    return Candidate(association=association, mask=mask)


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
        members = labels == cluster
        size = int((members & known).sum())
        if min(size, total - size) < options.least_size:
            continue
        tests += 1
        candidate = _find_burst(column, members, cluster, times=times, ends=ends)
        odds = candidate.association.effect
        if candidate.association.p <= options.q and odds >= options.least_odds:
            found.append(candidate)
    return found, tests


def _find_burst(
    column: Column,
    members: NDArray[np.bool_],
    cluster: int,
    *,
    times: NDArray[np.float64],
    ends: NDArray[np.int64],
) -> Candidate:
    """Return the window of four fifths of the members with the fewest images of the round."""
    known = np.isfinite(column.numbers)
    mine, total = np.sort(column.numbers[members & known]), int(ends[-1])
    wanted = int(np.ceil(_BUNCHED * len(mine)))
    before = np.concatenate([[0], ends[:-1]])
    starts = np.searchsorted(times, mine[: len(mine) - wanted + 1])
    stops = np.searchsorted(times, mine[wanted - 1 :])
    held = ends[stops] - before[starts]  # images of the round in each window of `wanted` members
    best = int(held.argmin())
    # The widest window from each time that holds no more images than the best one.
    last = np.searchsorted(ends, before + held[best], side="right") - 1
    widths = np.where(last >= np.arange(len(times)), ends[last] - before, 0)
    sizes, repeats = np.unique(widths[widths >= wanted], return_counts=True)
    chances = compute_excess_p(wanted, len(mine), sizes, total=total)
    p = min(float((chances * repeats).sum()), 1.0)
    low, high = times[starts[best]], times[stops[best]]
    mask = (column.numbers >= low) & (column.numbers <= high)
    count = int((mask & members).sum())
    counts = count, len(mine), int(mask.sum())
    association = Association(
        cluster_id=cluster,
        column=column.name,
        kind="time",
        value=f"{_write_time(low)} to {_write_time(high)}",
        count=count,
        size=len(mine),
        others=int(mask.sum()) - count,
        rest=total - len(mine),
        effect=float(compute_odds_ratio(*counts, total=total)),
        p=p,
        missing=int((members & ~known).sum()),
    )
    return Candidate(association=association, mask=mask)


def _write_time(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S")


def _write_number(number: float) -> str:
    return f"{number:.4g}"
