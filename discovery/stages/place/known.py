"""Images of known types, set aside before anything is clustered, and a metric learned from them.

Known types are clusters that a person has already named: an unlabelled image that is placed in one
needs no discovery. Known images alone cannot tell how far is too far, since new types may lie
anywhere. Grouped together, known and unlabelled images tell it: where a group holds more unlabelled
images for its known ones than groups usually do, the surplus is something else.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.records import number_by_size
from discovery.stages.place.limits import answer_rows, calibrate_limits
from discovery.stages.place.records import (
    DEFAULT_NEIGHBORS,
    NAMED,
    UNDECIDED,
    Fitted,
    PlaceOptions,
)
from discovery.stages.place.votes import NeighborVotes
from embeddings.records import unit_rows

_LEAST_KNOWN = 3  # known images of a group: fewer say nothing of its share
_DEVIATIONS = 1.0  # standard deviations by which a share may be off by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMatches:
    """Which of m images match a known type.

    Attributes
    ----------
    labels : (m,) array of str
        The type, empty where the verdict is not *named*.
    confidences, novelties : (m,) float32 in [0, 1]
        As in `Placement`.
    verdicts : (m,) array of str
        named; unknown: beyond the reach of every known type; undecided: within it, but between
        two types, or in a group where new types are to be expected.
    share : float
        Share of the images that are of known types, as far as the groups tell.
    """

    labels: NDArray[np.str_]
    confidences: NDArray[np.float32]
    novelties: NDArray[np.float32]
    verdicts: NDArray[np.str_]
    share: float


def match_known(
    rows: NDArray[np.float32],
    known: NDArray[np.float32],
    labels: NDArray[np.str_],
    *,
    groups: NDArray[np.int32],
    n_neighbors: int = DEFAULT_NEIGHBORS,
    options: PlaceOptions | None = None,
) -> KnownMatches:
    """Match images with known types.

    Parameters
    ----------
    rows : (m, p) float32, unit rows
        Of the images to match, in a space fitted on them and the known images together.
    known : (n, p) float32, unit rows
        Where n is 1 nothing matches, and all is undecided.
    labels : (n,) array of str
        Of the known images; none of them empty.
    groups : (m + n,) int32
        Of the images to match and then the known ones, clustered together; -1 is none. An image
        is named only in a group that is as pure as asked for, or where it is a copy.
    n_neighbors : int
        Known images that vote; as many as the smallest type of several images has, if that is
        fewer: a large type must not outvote a small one by number alone.
    options : PlaceOptions, optional
        The target purity counts new types that are taken for known ones; the most rejection
        holds against what is confused among known types only.
    """
    if labels.shape != (len(known),) or not len(labels) or (labels == "").any():
        raise ValueError(f"{labels.shape} labels for {len(known)} known images, none may be empty")
    if len(known) == 1:  # one image says nothing of how near is near
        return _match_nothing(len(rows))
    options = options or PlaceOptions()
    names, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    numbers = number_by_size(which)  # (n,)
    fitted = Fitted(
        rows=known, full_vectors=known, labels=numbers, memberships=np.ones(len(known), np.float32)
    )
    # A type of one image sets no bound: with one vote in all there is no majority.
    voters = min([n_neighbors, *sizes[sizes > 1].tolist()]) if len(names) > 1 else n_neighbors
    votes = NeighborVotes(fitted, n_neighbors=voters)
    limits = calibrate_limits(fitted, votes, options=options)
    voted = votes.count(rows)
    placed = answer_rows(rows, rows, votes=votes, limits=limits, voted=voted)
    pure, share = find_pure_groups(
        groups[: len(rows)], groups[len(rows) :], target_purity=options.target_purity
    )
    trusted = pure[groups[: len(rows)]] | (voted.copied >= 0)  # -1, no group, is the last: False
    verdicts = np.where((placed.verdicts == NAMED) & ~trusted, UNDECIDED, placed.verdicts)
    name_of = dict(zip(numbers.tolist(), labels.tolist(), strict=True))
    matched = [
        name_of[cluster] if verdict == NAMED else ""
        for cluster, verdict in zip(placed.cluster_ids.tolist(), verdicts.tolist(), strict=True)
    ]
    return KnownMatches(
        labels=np.array(matched, dtype=np.str_),
        confidences=placed.confidences,
        novelties=placed.novelties,
        verdicts=verdicts.astype(np.str_),
        share=share,
    )


def _match_nothing(m: int) -> KnownMatches:
    return KnownMatches(
        labels=np.array([""] * m, np.str_),
        confidences=np.zeros(m, np.float32),
        novelties=np.full(m, 0.5, np.float32),  # as likely beyond the type's reach as within it
        verdicts=np.array([UNDECIDED] * m, np.str_),
        share=0.0,
    )


def find_pure_groups(
    mixed: NDArray[np.int32], known: NDArray[np.int32], *, target_purity: float
) -> tuple[NDArray[np.bool_], float]:
    """Find the groups in which nearly all images are of known types.

    The usual number of mixed images for a known one is the median over the known images' groups.
    What a group has beyond it, divided by the target purity, and beyond what chance allows, is new.

    Parameters
    ----------
    mixed : (m,) int32
        Group of each image that is of a known type or not; -1 is none.
    known : (n,) int32
        Of the known images.

    Returns
    -------
    (k + 1,) bool, float
        Whether each of k groups is pure, False last for no group; the share of the mixed images
        that are of known types.
    """
    k = int(max(mixed.max(initial=-1), known.max(initial=-1))) + 1
    there = np.bincount(mixed[mixed >= 0], minlength=k).astype(np.float64)  # (k,)
    of_known = np.bincount(known[known >= 0], minlength=k).astype(np.float64)
    tested = of_known >= _LEAST_KNOWN
    if not tested.any():
        return np.zeros(k + 1, bool), 0.0
    ratios = there[tested] / of_known[tested]
    order = np.argsort(ratios)
    # Weighted by known images: one tiny group with a lucky ratio moves no median.
    weights = np.cumsum(of_known[tested][order])
    usual = float(ratios[order][np.searchsorted(weights, weights[-1] / 2)])
    expected = usual * of_known
    # Poisson, of the images that came and of the known ones that the ratio rests on.
    deviation = np.sqrt(expected + expected**2 / np.maximum(of_known, 1))
    pure = tested & (there <= expected / target_purity + _DEVIATIONS * deviation)
    share = float(np.minimum(there, expected).sum() / max(len(mixed), 1))
    return np.append(pure, False), share


def learn_metric(known: NDArray[np.float32], labels: NDArray[np.str_]) -> NDArray[np.float32]:
    """Return the (p, p) map that makes differences inside the known types count less.

    Within-class covariance normalisation (Hatch, Kajarekar and Stolcke, 2006, "Within-class
    covariance normalization for SVM-based speaker recognition", Interspeech): rows are multiplied
    by W^(-1/2), W the covariance of the known images around their own types. It needs no number of
    types, and the unknown ones profit as far as they vary in the same directions.

    Use it as ``unit_rows(rows @ metric)``. W is shrunk towards a multiple of the identity by
    p / (p + degrees of freedom): with few known images, rows stay as they are.

    Parameters
    ----------
    known : (n, p) float32
        Reduced rows of the known images.
    labels : (n,) array of str
    """
    if labels.shape != (len(known),):
        raise ValueError(f"{labels.shape} labels for {len(known)} known rows")
    p = known.shape[1]
    types, which = np.unique(labels, return_inverse=True)
    rows = known.astype(np.float64)
    deviations = np.concatenate(
        [rows[which == i] - rows[which == i].mean(axis=0) for i in range(len(types))]
    )  # (n, p)
    freedom = len(known) - len(types)
    within = deviations.T @ deviations / max(freedom, 1)  # (p, p)
    level = float(np.trace(within)) / p
    if freedom < 1 or level <= 0:
        return np.eye(p, dtype=np.float32)
    shrinkage = p / (p + freedom)
    within = (1 - shrinkage) * within / level + shrinkage * np.eye(p)
    values, axes = np.linalg.eigh(within)
    return np.asarray((axes / np.sqrt(values)) @ axes.T, dtype=np.float32)


def adapt_rows(rows: NDArray[np.float32], metric: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n, p) rows under a learned metric, unit again."""
    return unit_rows(rows @ metric)
