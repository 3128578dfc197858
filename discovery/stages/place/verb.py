"""The verb `place_rows`: new rows of the fit's own space, among the fitted rows.

It sees rows and labels alone, so that every clusterer is served alike: communities, density
clustering, k-means, linkage, and a list of known types.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from discovery.records import NOISE
from discovery.stages.place.calibrate import Limits, calibrate_limits, measure_apart
from discovery.stages.place.records import (
    NAMED,
    TIES,
    UNDECIDED,
    UNKNOWN,
    Fitted,
    Placement,
    PlaceOptions,
)
from discovery.stages.place.votes import Floats, TieVotes, Votes, ask_centres


def place_rows(
    rows: NDArray[np.float32],
    fitted: Fitted,
    *,
    wide: NDArray[np.float32] | None = None,
    ties: int = TIES,
    options: PlaceOptions | None = None,
) -> Placement:
    """Place new images among fitted ones.

    An image beyond the reach of every cluster is unknown. One that is near, but has no majority
    of one cluster among its ties as clear as the target purity asks for, is undecided. A copy of
    a fitted image is answered as that image was: a copy of noise is given no cluster.

    Parameters
    ----------
    rows : (m, p) float32, unit rows
        In the space of ``fitted.rows``.
    fitted : Fitted
    wide : (m, d) float32, unit rows, optional
        In the space of ``fitted.wide``; by default the rows.
    ties : int
        Neighbours that vote.
    options : PlaceOptions, optional
    """
    wide = rows if wide is None else wide
    if rows.shape[1:] != fitted.rows.shape[1:] or wide.shape[1:] != fitted.wide.shape[1:]:
        raise ValueError(
            f"rows {rows.shape} and wide {wide.shape} are not in the spaces of the fitted "
            f"{fitted.rows.shape} and {fitted.wide.shape}"
        )
    votes = TieVotes(fitted, ties=ties)
    limits = calibrate_limits(fitted, votes, options=options)
    return answer_rows(rows, wide, votes=votes, limits=limits)


def answer_rows(
    rows: NDArray[np.float32],
    wide: NDArray[np.float32],
    *,
    votes: TieVotes,
    limits: Limits,
    voted: Votes | None = None,
) -> Placement:
    """Place rows by limits that are there already, and by their votes where they were counted."""
    fitted = votes.fitted
    voted = votes.count(rows) if voted is None else voted
    labels, confidences, nearest = voted.labels, voted.confidences, voted.likeliest
    if limits.rule == "centres":
        nearest, confidences = ask_centres(rows, fitted)
        labels = nearest
    novelties = _measure_novelties(wide, fitted, limits)
    # A lone image far out has a nearest one that is much nearer than the next, and is no copy.
    is_copy = (voted.copied >= 0) & ((novelties <= 0.5) | (fitted.labels[voted.copied] < 0))
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


def _measure_novelties(wide: NDArray[np.float32], fitted: Fitted, limits: Limits) -> Floats:
    """Return (m,) a logistic curve of the distance to the cluster in whose reach a row is deepest.

    0.5 at the limit; one spread of the fitted images before it 0.27, one beyond it 0.73.
    """
    if not fitted.k:
        return np.ones(len(wide))
    units = (measure_apart(wide, fitted) / limits.scales).min(axis=1)
    novelties: Floats = expit((units - limits.distance) / limits.spread)
    return novelties
