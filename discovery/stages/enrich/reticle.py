"""Find reticle repeats: the same place in many dies, or the same die of many shots.

A defect of the mask prints again at every exposure. Where the place in the die is known, it is
the same there in several dies; where only the die is, it comes back with the period of the shot.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from discovery.stages.enrich.hypothesis_tests import compute_excess_p, compute_odds_ratio
from discovery.stages.enrich.records import Positions, Signature, find_known

NAME = "reticle repeat"
_TOLERANCE = 0.01  # of the die's width and height: 0.1 mm in a die of 10 mm
_LEAST_DIES = 3  # or shots: twice at one place is a coincidence
_LEAST_SHARE = 0.5  # of the members: a few repeats in a cluster do not name it
_LEAST_ODDS = 3.0
_LONGEST = (4, 6)  # dies of a shot, across and along: a field is 26 x 33 mm
_PERIODS = tuple(p for p in product(range(1, _LONGEST[0] + 1), range(1, _LONGEST[1] + 1)))[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeat:
    """One way to repeat: images at the same place, of those with a place known."""

    p: float
    same: NDArray[np.bool_]
    known: NDArray[np.bool_]
    kind: str
    measures: tuple[float, ...]


def find_repeat(
    positions: Positions,
    members: NDArray[np.bool_],
    wafers: NDArray[np.int64] | None = None,
    *,
    alpha: float = 0.05,
) -> Signature | None:
    """Tell whether most members repeat with the reticle.

    Parameters
    ----------
    positions : Positions of n images
    members : (n,) bool
    wafers : (n,) int64, optional
        Numbered: the same die of two wafers are two dies.
    alpha : float

    Returns
    -------
    Signature or None
        With p Bonferroni's over all places and periods tried; `kind` is ``in die`` (place in the
        die's width and height) or ``in shot`` (columns and rows of a shot, column and row of the
        die in it). None where neither is known, too few members, or it does not repeat.
    """
    # Without wafers all are taken for one, which can only make dies fewer.
    units = np.zeros(len(members), np.int64) if wafers is None else wafers
    found = [
        repeat
        for repeat in (
            _find_in_die(positions, members, units),
            _find_in_shot(positions, members, units),
        )
        if repeat is not None
    ]
    if not found:
        return None
    best = min(found, key=lambda repeat: repeat.p)
    signature = _describe(best, members, p=min(len(found) * best.p, 1.0))
    clear = signature.effect >= _LEAST_ODDS and signature.count >= _LEAST_SHARE * signature.size
    return signature if clear and signature.p <= alpha else None


def _describe(repeat: _Repeat, members: NDArray[np.bool_], *, p: float) -> Signature:
    mine = members & repeat.known
    count, size, having = (int(m.sum()) for m in (mine & repeat.same, mine, repeat.same))
    total = int(repeat.known.sum())
    odds = compute_odds_ratio(count, size, having, total=total)
    return Signature(
        name=NAME,
        p=p,
        size=size,
        count=count,
        others=having - count,
        rest=total - size,
        effect=float(odds),
        kind=repeat.kind,
        measures=repeat.measures,
    )


def _find_in_die(
    positions: Positions, members: NDArray[np.bool_], units: NDArray[np.int64]
) -> _Repeat | None:
    """Return the place in the die where members of the most dies meet.

    Around each member: the chance of so many others there, by Fisher's test, times the members.
    Dies are counted, not images: a scratched die is no repeat.
    """
    known = find_known(positions.within) & find_known(positions.dies)
    mine = np.flatnonzero(known & members)
    if len(mine) < _LEAST_DIES:
        return None
    die_of, where = _number_dies(positions.dies, units), positions.within
    # p=inf: a square window, as dies are measured by width and height.
    images = KDTree(where[known]).query_ball_point(
        where[mine], _TOLERANCE, p=np.inf, return_length=True
    )
    near = KDTree(where[mine]).query_ball_point(where[mine], _TOLERANCE, p=np.inf)
    dies = np.array([len(np.unique(die_of[mine[rows]])) for rows in near])  # (m,)
    if dies.max() < _LEAST_DIES:
        return None
    # The member in the middle is given: one of each count is not left to chance.
    tails = compute_excess_p(dies - 1, len(mine) - 1, images - 1, total=int(known.sum()) - 1)
    best = int(tails.argmin())
    place = where[mine[best]]
    same = known & (np.abs(np.nan_to_num(where) - place) <= _TOLERANCE).all(axis=1)
    return _Repeat(
        p=min(float(tails[best]) * len(mine), 1.0),
        same=same,
        known=known,
        kind="in die",
        measures=(float(place[0]), float(place[1])),
    )


def _find_in_shot(
    positions: Positions, members: NDArray[np.bool_], units: NDArray[np.int64]
) -> _Repeat | None:
    """Return the period of dies at which members come back more than all images do."""
    known = find_known(positions.dies)
    mine = known & members
    if mine.sum() < _LEAST_DIES:
        return None
    dies = np.where(known[:, None], positions.dies, 0).astype(np.int64)
    tried, best = 0, None
    for columns, rows in _PERIODS:
        # The die's own place in a shot of this size; the shot's origin is not needed.
        rest = dies % (columns, rows)
        code = rest[:, 0] * rows + rest[:, 1]
        counts = np.bincount(code[mine], minlength=columns * rows)
        having = np.bincount(code[known], minlength=columns * rows)
        tried += columns * rows
        tails = compute_excess_p(counts, int(mine.sum()), having, total=int(known.sum()))
        place = int(tails.argmin())
        if best is None or tails[place] < best.p:
            same = known & (code == place)
            shots = _number_dies(dies // (columns, rows), units)[same & mine]
            if len(np.unique(shots)) >= _LEAST_DIES:
                measures = (columns, rows, place // rows, place % rows)
                best = _Repeat(
                    p=float(tails[place]),
                    same=same,
                    known=known,
                    kind="in shot",
                    measures=tuple(map(float, measures)),
                )
    if best is None:
        return None
    return replace(best, p=min(best.p * tried, 1.0))  # Bonferroni, over all places of all periods


def _number_dies(dies: NDArray[np.generic], units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each die of each wafer, (n,)."""
    keys = np.column_stack([np.nan_to_num(dies.astype(np.float64), nan=-1e9), units])
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
