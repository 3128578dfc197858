"""Grow: the images that a type may still win, nearest to its prototypes first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance.copies import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Candidates for a type.

    Attributes
    ----------
    images : (m,) intp
        Nearest first.
    distances : (m,) float32
        L2 to the nearest prototype, ascending.
    """

    images: Places
    distances: NDArray[np.float32]


def rank_growth(
    rows: NDArray[np.float32],
    candidates: Places,
    prototypes: Places,
    *,
    excluded: Places | None = None,
    limit: int | None = None,
) -> Growth:
    """Rank candidates by their distance to the nearest of several prototypes.

    Parameters
    ----------
    rows : (n, d) unit rows
    candidates : (m,) intp
        Images in no type, and doubtful ones of others.
    prototypes : (p,) intp, one or more
        They are not offered themselves.
    excluded : (e,) intp, optional
        Images that a person said are not of the type: never offered.
    limit : int, optional
        Candidates at most.

    Raises
    ------
    ValueError
        There is no prototype.
    """
    if not len(prototypes):
        raise ValueError("a type grows from its prototypes, and there is none")
    left_out = prototypes if excluded is None else np.concatenate([prototypes, excluded])
    offered = np.setdiff1d(candidates, left_out)
    likeness = (rows[offered] @ rows[prototypes].T).max(axis=1, initial=-1.0)
    distances = np.sqrt(np.maximum(2 - 2 * likeness, 0)).astype(np.float32)
    order = np.argsort(distances, kind="stable")[:limit]
    return Growth(images=offered[order], distances=distances[order])


def pick_prototypes(rows: NDArray[np.float32], members: Places, *, count: int = 8) -> Places:
    """Pick members that cover the others: the most central, then whatever is farthest from all.

    Parameters
    ----------
    rows : (n, d) unit rows
    members : (m,) intp
        Best those that a person has seen: a stranger among them is picked first of all.
    count : int
        At most; fewer where members are copies of each other.
    """
    if not len(members):
        return members
    own = rows[members]  # (m, d)
    best = int(np.argmax(own @ own.mean(axis=0)))
    picked, nearest = [best], own @ own[best]
    while len(picked) < min(count, len(members)):
        farthest = int(np.argmin(nearest))
        if nearest[farthest] > 1 - 1e-6:
            break
        picked.append(farthest)
        nearest = np.maximum(nearest, own @ own[farthest])
    return members[picked]
