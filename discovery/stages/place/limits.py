"""How sure is sure enough: limits from the fitted images, and answers for new ones by them.

Each fitted image is placed as if it were new. This leave-one-out tells three things: whether
neighbours or centres place these clusters better; how far from its siblings an image of a cluster
lies; and above which confidence the target purity holds.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from discovery.graph.distances import REACH_QUANTILE, ROUNDING, measure_distances
from discovery.records import NOISE
from discovery.stages.place.records import (
    NAMED,
    UNDECIDED,
    UNKNOWN,
    Fitted,
    Placement,
    PlaceOptions,
)
from discovery.stages.place.votes import (
    Floats,
    NeighborVotes,
    Positions,
    Votes,
    predict_by_centre,
)

Rule = Literal["neighbours", "centres"]

_MOST_WITHHELD = 5_000  # fitted images placed as if new: more change no limit by a hundredth
# Of the limit: where all images are alike, rounding is not many spreads.
_LEAST_SPREAD = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an image must show to be named.

    Attributes
    ----------
    rule : {"neighbours", "centres"}
        Which of the two is right more often on the fitted images.
    confidence : float
        Below it, undecided.
    scales : (k,) float64
        Unit of distance of each cluster: the root of its reach. Half way between one reach for
        all and a reach a cluster's own, which a handful of images cannot tell.
    distance, spread : float
        In these units: beyond the distance an image is unknown; the spread is the way to it from
        the median of the fitted images.
    purity, rejection : float
        What the fitted images come to under these limits: the share of the named that come into
        the cluster they are in (their label may still be wrong), NaN where none is named; and the
        share of those in clusters that are refused.
    mistakable : float
        Share of the images in clusters that would be within the reach of another one if theirs
        were not there: as an unknown type would be taken for a known one. NaN of one cluster.
    """

    rule: Rule
    confidence: float
    scales: Floats
    distance: float
    spread: float
    purity: float
    rejection: float
    mistakable: float = float("nan")

    @property
    def reaches(self) -> Floats:
        """How far from its nearest image each cluster reaches, (k,) L2."""
        return self.distance * self.scales


def calibrate_limits(
    fitted: Fitted, votes: NeighborVotes, *, options: PlaceOptions | None = None
) -> Limits:
    """Place fitted images as if they were new, and set the limits by what comes of it."""
    options = options or PlaceOptions()
    withheld = _choose_withheld(len(fitted))
    truth = fitted.labels[withheld]  # (s,)
    if not fitted.k:  # all is noise: nothing can be named, and nothing needs a limit
        empty = np.empty(0)
        return Limits(
            rule="neighbours", confidence=0, scales=empty, distance=0, spread=1,
            purity=np.nan, rejection=0,
        )  # fmt: skip
    rows = fitted.rows[withheld]
    voted = votes.count(rows, withheld)
    by_centre, clearness = predict_by_centre(rows, fitted, withheld=withheld)
    # The rule that is right more often on these very clusters: their shape decides, not the
    # clusterer's name.
    rule: Rule = "neighbours"
    labels, confidences = voted.labels, voted.confidences
    if (by_centre == truth).sum() > (voted.labels == truth).sum():
        rule, labels, confidences = "centres", by_centre, clearness
    apart = measure_cluster_distances(  # (s, k)
        fitted.full_vectors[withheld], fitted, withheld=withheld
    )
    # Half of what may be refused is left to the confidence.
    scales, distance, spread = _find_distance_limit(apart, truth, share=options.max_rejection / 2)
    units = apart / scales
    near = units.min(axis=1) <= distance
    chosen = _choose_confidence(confidences, near & (labels >= 0), labels == truth, truth >= 0,
                                options=options)  # fmt: skip
    named = near & (labels >= 0) & (confidences >= chosen)
    return Limits(
        rule=rule,
        confidence=chosen,
        scales=scales,
        distance=distance,
        spread=spread,
        purity=float((labels == truth)[named].mean()) if named.any() else float("nan"),
        rejection=float(1 - named[truth >= 0].mean()) if (truth >= 0).any() else 0.0,
        mistakable=_measure_mistakable(units, truth, distance),
    )


def _measure_mistakable(units: Floats, truth: NDArray[np.int32], distance: float) -> float:
    """Return the share of images that another cluster would take if there were not their own.

    Each cluster stands once for a type that the run has not seen. NaN where there is one alone.
    """
    inside = np.flatnonzero(truth >= 0)
    if units.shape[1] < 2 or not len(inside):
        return float("nan")
    others = units[inside]
    others[np.arange(len(inside)), truth[inside]] = np.inf
    return float((others.min(axis=1) <= distance).mean())


def measure_cluster_distances(
    full_vectors: NDArray[np.float32], fitted: Fitted, *, withheld: Positions | None = None
) -> Floats:
    """Return the (m, k) distance of each row to the nearest image of each cluster."""
    inside = np.flatnonzero(fitted.labels >= 0)
    inside = inside[np.argsort(fitted.labels[inside], kind="stable")]  # cluster by cluster
    starts = np.searchsorted(fitted.labels[inside], np.arange(fitted.k))
    apart = np.empty((len(full_vectors), fitted.k))
    own = None
    if withheld is not None:
        place = np.full(len(fitted), -1)
        place[inside] = np.arange(len(inside))
        own = place[withheld]
    others = fitted.full_vectors[inside]
    for block, distances in measure_distances(full_vectors, others):
        if own is not None:
            mine = own[block]
            rows = np.flatnonzero(mine >= 0)
            distances[rows, mine[rows]] = np.inf
        apart[block] = np.minimum.reduceat(distances, starts, axis=1)
    return apart


def _choose_withheld(n: int) -> Positions:
    # Evenly over the images' order: no draw, so the limits are the same every time.
    step = max(1.0, n / _MOST_WITHHELD)
    return np.unique((np.arange(min(n, _MOST_WITHHELD)) * step).astype(np.intp))


def _find_distance_limit(
    apart: Floats, truth: NDArray[np.int32], *, share: float
) -> tuple[Floats, float, float]:
    """Return the clusters' units (k,), the distance in them that most lie within, and a spread."""
    k = apart.shape[1]
    reaches = np.full(k, np.nan)
    for c in range(k):
        own = apart[truth == c, c]
        own = own[np.isfinite(own)]  # a type of one image has no sibling
        if len(own):
            reaches[c] = np.quantile(own, REACH_QUANTILE)
    usual = np.nanmean(reaches) if np.isfinite(reaches).any() else 0.0
    scales = np.sqrt(np.maximum(np.where(np.isnan(reaches), usual, reaches), ROUNDING))
    # An image without a sibling says nothing of how far siblings lie apart.
    inside = truth >= 0
    has_sibling = np.isfinite(apart[np.flatnonzero(inside), truth[inside]])
    nearest = (apart[inside][has_sibling] / scales).min(axis=1)
    least = float(np.sqrt(ROUNDING))
    if not len(nearest):
        return scales, least, least
    limit = max(float(np.quantile(nearest, 1 - share, method="higher")), least)
    return scales, limit, max(limit - float(np.median(nearest)), _LEAST_SPREAD * limit)


def _choose_confidence(
    confidences: Floats,
    within: NDArray[np.bool_],
    right: NDArray[np.bool_],
    belongs: NDArray[np.bool_],
    *,
    options: PlaceOptions,
) -> float:
    """Return the lowest confidence that gives the target purity, or the most rejection allows.

    Parameters
    ----------
    within : (s,) bool
        Images that only their confidence may still refuse.
    right, belongs : (s,) bool
        The answer is the fit's own; the image is in a cluster.
    """
    if not within.any():
        return 0.0
    order = np.argsort(-confidences[within], kind="stable")
    falling = confidences[within][order]
    purity = np.cumsum(right[within][order]) / np.arange(1, len(order) + 1)
    pure = np.flatnonzero(purity >= options.target_purity)
    wanted = float(falling[pure[-1]]) if len(pure) else float(falling[0])
    # Images of clusters, surest first: so many must stay, whatever the purity.
    kept = np.sort(confidences[within & belongs])[::-1]
    needed = int(np.ceil((1 - options.max_rejection) * belongs.sum()))
    most = float(kept[min(needed, len(kept)) - 1]) if len(kept) else 0.0
    return min(wanted, most)


def answer_rows(
    rows: NDArray[np.float32],
    full_vectors: NDArray[np.float32],
    *,
    votes: NeighborVotes,
    limits: Limits,
    voted: Votes | None = None,
) -> Placement:
    """Place new images among the fitted ones.

    An image beyond the reach of every cluster is unknown. One that is near, but whose neighbours
    agree less on a cluster than the target purity asks for, is undecided. A copy of a fitted image
    is answered as that image was: a copy of noise is given no cluster.

    Parameters
    ----------
    rows : (m, p) float32, unit rows
        In the space of ``votes.fitted.rows``.
    full_vectors : (m, d) float32, unit rows
        In the space of ``votes.fitted.full_vectors``.
    votes : NeighborVotes
    limits : Limits
    voted : Votes, optional
        Of these rows, where they were counted already.
    """
    fitted = votes.fitted
    spaces = fitted.rows.shape[1:], fitted.full_vectors.shape[1:]
    if (rows.shape[1:], full_vectors.shape[1:]) != spaces:
        raise ValueError(
            f"rows {rows.shape} and full vectors {full_vectors.shape} are not in the spaces of the "
            f"fitted {fitted.rows.shape} and {fitted.full_vectors.shape}"
        )
    voted = votes.count(rows) if voted is None else voted
    labels, confidences, nearest = voted.labels, voted.confidences, voted.likeliest
    if limits.rule == "centres":
        nearest, confidences = predict_by_centre(rows, fitted)
        labels = nearest
    # 0.5 at the limit; one spread of the fitted images before it 0.27, one beyond it 0.73.
    units = _measure_units(full_vectors, fitted, limits.scales)
    novelties = expit((units - limits.distance) / limits.spread)  # (m,)
    # A lone image far out has a nearest one that is much nearer than the next, and is no copy.
    is_copy = (voted.copied >= 0) & ((novelties <= 0.5) | (fitted.labels[voted.copied] < 0))
    # A copy is answered like its original, whatever its neighbours say.
    labels = np.where(is_copy, fitted.labels[voted.copied], labels)
    confidences = np.where(is_copy, fitted.memberships[voted.copied], confidences)
    sure = is_copy | ((novelties <= 0.5) & (confidences >= limits.confidence))
    named = (labels >= 0) & sure
    verdicts = np.where(named, NAMED, np.where(novelties > 0.5, UNKNOWN, UNDECIDED))
    return Placement(
        cluster_ids=np.where(named, labels, NOISE).astype(np.int32),
        confidences=confidences.astype(np.float32),
        novelties=novelties.astype(np.float32),
        verdicts=verdicts.astype(np.str_),
        nearest=np.where(named, labels, nearest).astype(np.int32),
    )


def _measure_units(full_vectors: NDArray[np.float32], fitted: Fitted, scales: Floats) -> Floats:
    """Return the distance to the cluster in whose reach a row is deepest, in its unit, (m,)."""
    if not fitted.k:
        return np.full(len(full_vectors), np.inf)
    return np.asarray((measure_cluster_distances(full_vectors, fitted) / scales).min(axis=1))
