"""Images of known types, set aside before anything is clustered.

Known types are clusters that a person has already named: an unlabelled image that is placed in
one needs no discovery. Known images alone cannot tell how far is too far, since new types may
lie anywhere: the unlabelled images tell it. Where they are rarer than images of the known types
would be at some distance, none but known types can be meant; where they are more, the surplus is
something else. With a single known type, such as the defect-free images, nothing changes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.records import number_by_size
from discovery.stages.place.calibrate import calibrate_limits, measure_apart
from discovery.stages.place.records import (
    NAMED,
    TIES,
    UNDECIDED,
    Fitted,
    PlaceOptions,
)
from discovery.stages.place.verb import answer_rows
from discovery.stages.place.votes import Floats, TieVotes

_LEAST_SHARE = 0.1  # of the known images: the share of fewer is chance
# Standard deviations that a share may be off: the least of many noisy ratios is too small.
_DEVIATIONS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Which of m images match a known type.

    Attributes
    ----------
    labels : (m,) array of str
        The type, empty where the verdict is not *named*.
    confidences, novelties : (m,) float32 in [0, 1]
        As in `Placement`.
    verdicts : (m,) array of str
        named; unknown: beyond the reach of every known type; undecided: within it, but between
        two types, or where new types are to be expected.
    share : float
        Share of the images that are of known types, as far as the distances tell.
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
    ties: int = TIES,
    options: PlaceOptions | None = None,
) -> Matched:
    """Match images with known types.

    Parameters
    ----------
    rows : (m, p) float32, unit rows
        Of the images to match, in a space fitted on them and the known images together.
    known : (n, p) float32, unit rows
    labels : (n,) array of str
        Of the known images; none of them empty.
    ties : int
        Known images that vote; as many as the smallest type of several images has, if that is
        fewer: a large type must not outvote a small one by number alone.
    options : PlaceOptions, optional
        The target purity counts new types that are taken for known ones; the most rejection
        holds against what is confused among known types only.
    """
    if labels.shape != (len(known),) or not len(labels) or (labels == "").any():
        raise ValueError(f"{labels.shape} labels for {len(known)} known images, none may be empty")
    options = options or PlaceOptions()
    names, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    numbers = number_by_size(which)  # (n,)
    fitted = Fitted(
        rows=known, wide=known, labels=numbers, memberships=np.ones(len(known), np.float32)
    )
    voters = min([ties, *sizes[sizes > 1].tolist()]) if len(names) > 1 else ties
    votes = TieVotes(fitted, ties=voters)
    limits = calibrate_limits(fitted, votes, options=options)
    placed = answer_rows(rows, rows, votes=votes, limits=limits)
    own = (measure_apart(known, fitted, withheld=np.arange(len(known))) / limits.scales).min(axis=1)
    units = (measure_apart(rows, fitted) / limits.scales).min(axis=1)  # (m,)
    limit, share = find_pure_distance(own, units, target_purity=options.target_purity)
    verdicts = np.where((placed.verdicts == NAMED) & (units > limit), UNDECIDED, placed.verdicts)
    name_of = dict(zip(numbers.tolist(), labels.tolist(), strict=True))
    matched = [
        name_of[cluster] if verdict == NAMED else ""
        for cluster, verdict in zip(placed.cluster_ids.tolist(), verdicts.tolist(), strict=True)
    ]
    return Matched(
        labels=np.array(matched, dtype=np.str_),
        confidences=placed.confidences,
        novelties=placed.novelties,
        verdicts=verdicts.astype(np.str_),
        share=share,
    )


def find_pure_distance(
    known: Floats, mixed: Floats, *, target_purity: float
) -> tuple[float, float]:
    """Find up to which distance a mixture of known and new images is nearly all known.

    Within a distance lies a share F of the known images and a share G of the mixed ones, of which
    the known make pi F; so pi is at most G / F at every distance, and the purity pi F / G.

    Parameters
    ----------
    known : (n,)
        Distance of each known image to the nearest other one.
    mixed : (m,)
        Of images that are known types or not, to the nearest known one.

    Returns
    -------
    (float, float)
        The distance, 0 where none is pure, and pi, the share of known types.

    References
    ----------
    Elkan and Noto (2008), Learning classifiers from only positive and unlabeled data; Blanchard,
    Lee and Scott (2010), Semi-supervised novelty detection, section 4, for pi.
    """
    finite = np.sort(known[np.isfinite(known)])
    if not len(finite) or not len(mixed):
        return 0.0, 0.0  # nothing tells how far apart images of one type lie: copies only
    distances = np.sort(np.concatenate([finite, mixed]))
    of_known = np.searchsorted(finite, distances, side="right") / len(finite)  # F
    of_mixed = np.searchsorted(np.sort(mixed), distances, side="right") / len(mixed)  # G
    usable = (of_known >= _LEAST_SHARE) & (of_mixed > 0)
    above = of_mixed + _DEVIATIONS * np.sqrt(of_mixed * (1 - of_mixed) / len(mixed))
    below = of_known - _DEVIATIONS * np.sqrt(of_known * (1 - of_known) / len(finite))
    share = min(1.0, float((above[usable] / np.maximum(below[usable], 1e-12)).min()))
    pure = usable & (share * of_known >= target_purity * of_mixed)
    return (float(distances[pure].max()) if pure.any() else 0.0), share
