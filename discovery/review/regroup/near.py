"""What is near: look-alikes of an image in its run, and the named type nearest to a group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.graph.distances import REACH_QUANTILE, ROUNDING, measure_nearest

_MOST_MEMBERS, _MOST_OF_TYPE, _MOST_TYPES = 200, 500, 10  # that are compared


def look_alikes(
    rows: NDArray[np.float32], image: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k images nearest to one, nearest first, and their distances.

    Parameters
    ----------
    rows : (n, d) float32, unit rows
        The vectors, or the rows of the neighbour graph.
    image : int
        Itself not among the answers.
    k : int
        n - 1 where there are fewer.

    Returns
    -------
    (k,) int64, (k,) float32
        Positions and L2 distances; ties by position.

    Raises
    ------
    IndexError
        There is no such image.
    """
    n = len(rows)
    if not 0 <= image < n:
        raise IndexError(f"image {image}: there are {n}")
    k = max(0, min(k, n - 1))
    likeness = rows @ rows[image]  # (n,)
    likeness[image] = -np.inf
    # More than asked for: measured again below, as a product cannot tell near copies apart.
    width = min(n, k + 8)
    near = np.sort(np.argpartition(-likeness, width - 1)[:width])
    distances = np.linalg.norm(rows[near] - rows[image], axis=1)
    distances[near == image] = np.inf
    order = np.argsort(distances, kind="stable")[:k]
    return near[order].astype(np.int64), distances[order].astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestType:
    """The named type that a group is most like.

    Attributes
    ----------
    label : int
        Its code.
    likeness : float in [0, 1]
        Share of the group that lies within the type's reach: as near to one of its images as 95 %
        of these are to each other.
    images : (k,) int64
        Images of the type nearest to the group's mean, nearest first.
    """

    label: int
    likeness: float
    images: NDArray[np.int64]


def nearest_type(
    rows: NDArray[np.float32],
    members: NDArray[np.integer],
    labels: NDArray[np.int32],
    *,
    shown: int = 6,
) -> NearestType | None:
    """Find the type that a group is most like; None where nothing else has a label.

    Of large groups and types some images, evenly drawn from their order, stand for all; of many
    types only those with the nearest means are compared.

    Parameters
    ----------
    rows : (n, d) float32, unit rows
    members : (m,) int
        The group; its own labels do not count.
    labels : (n,) int32
        Code of each image's type, -1 for none.
    shown : int
        Images of the type to return.
    """
    others = labels.copy()
    others[members] = -1
    types = np.unique(others[others >= 0])
    if not len(types) or not len(members):
        return None
    group = rows[_thin(members, _MOST_MEMBERS)]
    some = {code: _thin(np.flatnonzero(others == code), _MOST_OF_TYPE) for code in types.tolist()}
    # Of many types those with the nearest means; to compare with hundreds takes seconds.
    means = np.stack([rows[images].mean(axis=0) for images in some.values()])
    near = types[np.argsort(-(means @ group.mean(axis=0)), kind="stable")[:_MOST_TYPES]]
    found = [(*_compare(group, rows[some[code]]), code) for code in near.tolist()]
    # Of equal shares, as of nothing at all within any reach, the nearer type.
    share, _, label = max(found)
    of_type = np.flatnonzero(others == label)
    mean = group.mean(axis=0)
    nearest = of_type[np.argsort(-(rows[of_type] @ mean), kind="stable")[:shown]]
    return NearestType(label=label, likeness=share, images=nearest.astype(np.int64))


def _compare(group: NDArray[np.float32], of_type: NDArray[np.float32]) -> tuple[float, float]:
    """Return the share of the group within the type's reach, and minus its mean distance."""
    reach = ROUNDING
    if len(of_type) > 1:
        apart = measure_nearest(of_type, of_type, withheld=np.arange(len(of_type)))
        reach = max(reach, float(np.quantile(apart, REACH_QUANTILE)))
    distances = measure_nearest(group, of_type)
    return float((distances <= reach).mean()), -float(distances.mean())


def _thin(images: NDArray[np.integer], most: int) -> NDArray[np.integer]:
    if len(images) <= most:
        return images
    return images[np.linspace(0, len(images) - 1, most).astype(np.int64)]
