"""Name what the clusters' places on the wafer look like: a spatial scan over zones of known shape.

Every zone of `zones` is asked how much better the members are explained by one rate inside it and
a lower one outside than by one rate everywhere: the log-likelihood ratio of Kulldorff, "A spatial
scan statistic", Communications in Statistics 26(6), 1997, its Bernoulli model. The images of the
whole round are the ground: what the tool looked at, and where all defects lie, is no signature.
As many images drawn at random from the round tell what the best zone reaches by chance.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import gumbel_r

from discovery.stages.enrich.hypothesis_tests import adjust_pvalues, compute_odds_ratio
from discovery.stages.enrich.records import EnrichOptions, Positions, Signature
from discovery.stages.enrich.reticle import find_repeat
from discovery.stages.enrich.zones import FAMILIES, SIDE, Zone, ZoneSet, build_zones, find_cells

LEAST_POINTS = 8  # a ring and a spot of seven points cannot be told apart, tried at random
RANDOM, TOO_FEW = "random", "too few points"
# How a family's ratio, less what it reaches by chance, is weighed against the others'. Chosen on
# every second map of WM-811K (docs/log.md): edges fail a little on most wafers, and a scratch bends
# out of its strip. All within a factor of two: the ratio itself does the work.
_WEIGHTS = {"centre": 1.1, "donut": 1.2, "edge ring": 0.6, "edge local": 0.8, "local": 1.0,
            "scratch": 1.25}  # fmt: skip
_LEAST_LIFT = 2.2  # rate inside over rate outside
_LEAST_ODDS = {"edge ring": 7.0, "edge local": 7.0}
_OTHER_ODDS = 3.0
_MUCH = 0.35  # of the members are more than the zone's due: a pattern, whatever the odds
# Most clusters have no pattern: a few draws tell (Besag and Clifford, Biometrika 78(2), 1991).
_FIRST_DRAWS, _HOPELESS = 19, 0.3
_LEAST_GROUND = 4  # images of the round in a zone, to speak of a rate
_MOST_GROUND = 0.8  # of them: a zone of nearly all says nothing
_DRAWN = 300  # places drawn of a cluster: more fill the picture, and proposals.csv
_DRAWN_GROUND = 200  # places drawn of all images, behind them


def name_signature(
    xy: NDArray[np.float64],
    members: NDArray[np.bool_],
    *,
    alpha: float = 0.05,
    draws: int = 99,
    seed: int = 0,
) -> Signature:
    """Name the spatial signature of some of a round's images.

    Parameters
    ----------
    xy : (n, 2) float64
        Places of all images of the round, in wafer radii from the centre, all known.
    members : (n,) bool
        The images in question.
    alpha : float
        Most p to speak of a pattern.
    draws : int
        Random sets of as many images. Their best ratios follow a Gumbel distribution, whose tail
        gives a p below 1 / draws (Abrams, Kulldorff and Kleinman, "Empirical/Monte Carlo p-value
        approximations for the spatial scan statistic", Int. J. Health Geographics 9:61, 2010).

    Returns
    -------
    Signature
        ``random`` where no zone stands out by chance alone, or by too little to matter;
        ``too few points`` below 8 members or 8 other images.

    Raises
    ------
    ValueError
        A place is not known, or the lengths differ.
    """
    if xy.shape != (len(members), 2) or not np.isfinite(xy).all():
        raise ValueError(f"xy has shape {xy.shape}, expected known places of {len(members)} images")
    size = int(members.sum())
    if min(size, len(members) - size) < LEAST_POINTS:
        return Signature(name=TOO_FEW, p=float("nan"), q=float("nan"), size=size)
    cells = find_cells(xy)
    ground = np.bincount(cells, minlength=SIDE * SIDE)  # (cells,)
    mine = np.bincount(cells[members], minlength=SIDE * SIDE)
    rng = np.random.default_rng(seed)
    for made in (min(_FIRST_DRAWS, draws), draws):
        chance = rng.multivariate_hypergeometric(ground, size, size=made, method="marginals")
        scan = _Scan(np.column_stack([mine, chance.T]), ground)
        best, p = scan.find_best()
        if p > _HOPELESS or made == draws:
            break
    return _describe(scan, best, p=p, alpha=alpha)


class _Scan:
    """The ratios of all zones: column 0 are the members, the others are drawn at random."""

    def __init__(self, counts: NDArray[np.int64], ground: NDArray[np.int64]) -> None:
        self.set: ZoneSet = build_zones()
        self.size, self.total = int(counts[:, 0].sum()), int(ground.sum())
        area = self.set.cells @ ground.astype(np.float64)  # (z,)
        usable = (area >= _LEAST_GROUND) & (area <= _MOST_GROUND * self.total)
        self.zones = np.flatnonzero(usable)
        self.area = area[usable]
        self.inside = self.set.cells[self.zones] @ counts.astype(np.float64)  # (u, 1 + draws)
        self.ratios = measure_ratios(self.inside, self.area[:, None], self.size, total=self.total)

    def find_best(self) -> tuple[int | None, float]:
        """Return the row of the zone that stands out most, and its p."""
        tops, scores = [], []
        for number, family in enumerate(FAMILIES):
            rows = np.flatnonzero(self.set.families[self.zones] == number)
            if not len(rows):
                continue
            ratios = self.ratios[rows]
            highest = ratios.max(axis=0)  # (1 + draws,)
            tops.append(int(rows[ratios[:, 0].argmax()]))
            scores.append(_WEIGHTS[family] * (highest - highest[1:].mean()))
        if not tops:
            return None, 1.0
        first = np.array(scores)[:, 0].argmax()
        return tops[first], measure_tail(np.array(scores).max(axis=0))

    def zone(self, row: int) -> Zone:
        """Return the zone of a row of the ratios."""
        return self.set.zones[int(self.zones[row])]


def measure_ratios(
    inside: NDArray[np.float64], area: NDArray[np.float64], size: int, *, total: int
) -> NDArray[np.float64]:
    """Measure Kulldorff's log-likelihood ratio of each zone; 0 where the rate inside is lower.

    Parameters
    ----------
    inside : (z, ...) float64
        Members in each zone, of `size`.
    area : (z, 1) float64
        Images of the round in each zone, of `total`.
    """
    out, beyond = size - inside, total - area
    high, low = inside / area, out / beyond
    split = (
        xlogy(inside, high)
        + xlogy(area - inside, 1 - high)
        + xlogy(out, low)
        + xlogy(beyond - out, 1 - low)
    )
    whole = xlogy(size, size / total) + xlogy(total - size, 1 - size / total)
    return np.where(high > low, np.maximum(split - whole, 0.0), 0.0)


def measure_tail(scores: NDArray[np.float64]) -> float:
    """Return the p of the first score among the others, by a Gumbel law fitted by its moments.

    Never below what the draws say outright by more than the law's tail: where a draw reaches the
    score, the larger of the two p counts.
    """
    first, others = scores[0], scores[1:]
    spread = others.std() * np.sqrt(6) / np.pi
    reached = int((others >= first).sum())
    if spread == 0:
        return (1 + reached) / len(scores)
    location = others.mean() - np.euler_gamma * spread
    tail = float(gumbel_r.sf(first, loc=location, scale=spread))
    return max(tail, (1 + reached) / len(scores)) if reached else tail


def _describe(scan: _Scan, best: int | None, *, p: float, alpha: float) -> Signature:
    """Turn the best zone into a signature; random where it is chance or too faint."""
    if best is None:
        return Signature(name=RANDOM, p=p, size=scan.size)
    zone, count, area = scan.zone(best), scan.inside[best, 0], scan.area[best]
    rest, others = scan.total - scan.size, area - count
    odds = float(compute_odds_ratio(count, scan.size, area, total=scan.total))
    rate_out = (scan.size - count + 0.5) / (scan.total - area + 1)
    lift = count / area / rate_out
    surplus = (count - rate_out * area) / scan.size
    clear = odds >= _LEAST_ODDS.get(zone.family, _OTHER_ODDS) or surplus >= _MUCH
    if p > alpha or lift < _LEAST_LIFT or not clear:
        return Signature(name=RANDOM, p=p, size=scan.size)
    return Signature(
        name=zone.family,
        p=p,
        size=scan.size,
        count=int(count),
        others=int(others),
        rest=rest,
        effect=odds,
        kind=zone.kind,
        measures=zone.measures,
    )


def name_signatures(
    positions: Positions,
    labels: NDArray[np.int32],
    wafers: NDArray[np.int64] | None = None,
    *,
    options: EnrichOptions,
    seed: int = 0,
) -> dict[int, Signature]:
    """Name the spatial signature of each cluster, the false discovery rate held over all.

    Parameters
    ----------
    positions : Positions of n images
    labels : (n,) int32
        Cluster of each image, -1 for noise: the ground of all.
    wafers : (n,) int64, optional
        Numbered, -1 for unknown.
    """
    known = positions.known
    xy, inside = positions.xy[known], labels[known]
    named: list[Signature] = []
    for cluster in range(int(labels.max(initial=-1)) + 1):
        scanned = name_signature(
            xy, inside == cluster, alpha=options.q, draws=options.draws, seed=seed + cluster
        )
        repeat = find_repeat(positions, labels == cluster, wafers, alpha=options.q)
        named.append(repeat or scanned)
    p = np.array([signature.p for signature in named])
    tested = np.isfinite(p)  # NaN: too few places to be tested, and no test to pay for
    q = np.full(len(p), np.nan)
    q[tested] = adjust_pvalues(p[tested])
    return {i: _confirm(one, float(q[i]), options.q) for i, one in enumerate(named)}


def _confirm(signature: Signature, q: float, most: float) -> Signature:
    """Keep the name where it stands among all clusters; else it is random."""
    if signature.measures and q > most:
        return Signature(name=RANDOM, p=signature.p, q=q, size=signature.size)
    return replace(signature, q=q)


def sample_map(
    positions: Positions, members: NDArray[np.bool_], *, seed: int = 0
) -> dict[str, Any]:
    """Return the places to draw: JSON-ready, in thousandths of a radius, x and y in turn.

    Returns
    -------
    dict
        ``points`` and ``ground`` (all images of the round), each sampled where there are many;
        ``known``: members whose place is known; ``source``: the columns.
    """
    rng = np.random.default_rng(seed)
    known = positions.known
    return {
        "source": positions.source,
        "known": int((known & members).sum()),
        "points": _flatten(positions.xy[known & members], _DRAWN, rng),
        "ground": _flatten(positions.xy[known], _DRAWN_GROUND, rng),
    }


def _flatten(xy: NDArray[np.float64], most: int, rng: np.random.Generator) -> list[int]:
    if len(xy) > most:
        # In their order, so that the file does not change with how they were drawn.
        xy = xy[np.sort(rng.choice(len(xy), most, replace=False))]
    return [int(value) for value in np.rint(1000 * xy).ravel()]
