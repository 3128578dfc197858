"""Which members to show a person: the typical, the doubtful, and the whole range."""

import numpy as np
from numpy.typing import NDArray

SHOWN = 6  # of each sort: a row of the report, taken in at a glance
# Above this many members the exact medoid (all pairs) is looked for among those nearest the mean.
_PAIRS_UP_TO = 2_000


def find_medoid(rows: NDArray[np.float32]) -> int:
    """Return the position of the member with the smallest total distance to the others.

    Parameters
    ----------
    rows : (m, d) float32, unit rows
    """
    candidates = np.arange(len(rows))
    if len(rows) > _PAIRS_UP_TO:
        nearest = np.argsort(-(rows @ rows.mean(axis=0)), kind="stable")
        candidates = np.sort(nearest[: max(1, _PAIRS_UP_TO * _PAIRS_UP_TO // len(rows))])
    squared = 2 - 2 * (rows[candidates] @ rows.T)  # (candidates, m)
    return int(candidates[np.sqrt(np.maximum(squared, 0)).sum(axis=1).argmin()])


def choose_exemplars(
    rows: NDArray[np.float32], ids: NDArray[np.str_], memberships: NDArray[np.float32]
) -> dict[str, tuple[str, ...]]:
    """Choose members to look at.

    Parameters
    ----------
    rows : (m, d) float32, unit rows
    ids : (m,) array of str
    memberships : (m,) float32

    Returns
    -------
    dict
        ``central``: nearest the mean; ``edge``: of the lowest membership, then the farthest
        from the mean; ``diverse``: each the farthest from those before it (Gonzalez 1985).
    """
    similarity = rows @ rows.mean(axis=0)  # (m,)
    central = np.argsort(-similarity, kind="stable")[:SHOWN]
    edge = np.lexsort((similarity, memberships))[:SHOWN]
    return {
        "central": tuple(ids[central].tolist()),
        "edge": tuple(ids[edge].tolist()),
        "diverse": tuple(ids[_spread(rows, first=int(central[0]))].tolist()),
    }


def _spread(rows: NDArray[np.float32], *, first: int) -> list[int]:
    chosen = [first]
    nearest = rows @ rows[first]  # (m,) similarity to the closest chosen one
    nearest[first] = np.inf  # never the same one twice, coincident rows included
    while len(chosen) < min(SHOWN, len(rows)):
        farthest = int(nearest.argmin())
        chosen.append(farthest)
        nearest = np.maximum(nearest, rows @ rows[farthest])
        nearest[farthest] = np.inf
    return chosen
