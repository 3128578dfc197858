"""Confounding: how many wafers and lots an association rests on, and what else explains it.

Images of one wafer are not independent: eighteen that share a tool may be one scratched wafer.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.stages.enrich.hypothesis_tests import compute_excess_p, compute_stratified_p
from discovery.stages.enrich.records import Association, Candidate

_LEAST_WAFERS = 2  # with the value: one wafer has nothing to be compared with

Units = NDArray[np.int64] | None


def describe_candidates(
    candidates: Sequence[Candidate],
    members: NDArray[np.bool_],
    *,
    wafers: Units,
    lots: Units,
    alpha: float,
) -> tuple[Association, ...]:
    """Count what each association of one cluster rests on, and mark those that others explain.

    A lot that stands for its one bad wafer, a tool that the same wafers went through: asked
    within and without the stronger one (`compute_stratified_p`), they are no longer
    over-represented.

    Parameters
    ----------
    candidates : sequence of Candidate of n images
        Of one cluster, strongest first.
    members : (n,) bool
    wafers, lots : (n,) int64 or None
        Numbered, -1 for unknown.
    alpha : float
        From this p on, nothing is left to explain.

    Returns
    -------
    tuple of Association
        In the same order; `explained_by` names the strongest that does.
    """
    firm: list[Candidate] = []
    described = []
    for one in candidates:
        by = next(
            (
                other
                for other in firm
                if compute_stratified_p(one.mask, members, other.mask) > alpha
            ),
            None,
        )
        if by is None:
            firm.append(one)  # only what stands by itself may explain others
        having = one.mask & members
        described.append(
            Association(
                cluster_id=one.cluster_id,
                column=one.column,
                kind=one.kind,
                value=one.value,
                count=int(having.sum()),
                size=int((one.known & members).sum()),
                others=int((one.mask & ~members).sum()),
                rest=int((one.known & ~members).sum()),
                effect=one.effect,
                p=one.p,
                q=one.q,
                missing=int((members & ~one.known).sum()),
                wafers=_count_units(wafers, having),
                lots=_count_units(lots, having),
                wafer_p=None if wafers is None else _test_wafers(one.mask, members, wafers),
                explained_by="" if by is None else f"{by.column}: {by.value}",
                same_as=one.same_as,
            )
        )
    return tuple(described)


def _count_units(units: Units, having: NDArray[np.bool_]) -> int | None:
    if units is None:
        return None
    return len(np.unique(units[having & (units >= 0)])) or None


def _test_wafers(
    mask: NDArray[np.bool_], members: NDArray[np.bool_], wafers: NDArray[np.int64]
) -> float | None:
    """Return Fisher's p over wafers, each counted once; None where they cannot answer.

    A wafer has the value or has it not: where the images of one disagree (a die, a class), the
    question has no answer. Nor has it where one wafer alone has the value.
    """
    known = wafers >= 0
    n = int(wafers.max(initial=-1)) + 1
    images = np.bincount(wafers[known], minlength=n)
    with_value = np.bincount(wafers[known & mask], minlength=n)
    touched = np.bincount(wafers[known & members], minlength=n) > 0
    # Images of one wafer that disagree: the value is none of the wafer's.
    if ((with_value > 0) & (with_value < images)).any():
        return None
    has = with_value > 0
    if not _LEAST_WAFERS <= has.sum() < n:
        return None
    counts = int((has & touched).sum()), int(touched.sum()), int(has.sum())
    return float(compute_excess_p(*counts, total=n)[0])
