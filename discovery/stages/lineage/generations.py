"""A generation is gathered from a run's groups, and handed on with what must not be forgotten."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from discovery.records import Generation


def gather_generation(
    ids: NDArray[np.str_],
    names: NDArray[np.str_],
    *,
    values: NDArray[np.float32] | None = None,
    space: str = "",
) -> Generation:
    """Gather the groups of a run under their names.

    Parameters
    ----------
    ids : (n,) array of str
    names : (n,) array of str
        The proposal id (or the known type) of each image, empty for noise.
    values : (n, d) float32, optional
        Unit rows: the centroids are measured, so that groups without a common image can be
        matched.
    space : str
        What the rows are; needed with `values`.

    Raises
    ------
    ValueError
        The arrays are not aligned, or rows come without the name of their space.
    """
    if len(names) != len(ids) or (values is not None and len(values) != len(ids)):
        raise ValueError(f"{len(names)} names and other arrays for {len(ids)} ids")
    if values is not None and not space:
        raise ValueError("values need the name of their space")
    found, numbers = np.unique(names, return_inverse=True)
    order = np.argsort(numbers, kind="stable")  # images group by group, each in its order
    bounds = np.searchsorted(numbers[order], np.arange(len(found) + 1))
    members = [order[start:end] for start, end in pairwise(bounds)]
    groups = {str(name): m for name, m in zip(found, members, strict=True) if name != ""}
    k = len(groups)
    centroids = np.empty((k, 0 if values is None else values.shape[1]), np.float32)
    scatters = np.full(k, np.nan)
    if values is not None:
        for i, positions in enumerate(groups.values()):
            centroids[i], scatters[i] = _measure(values[positions])
    return Generation(
        ids=np.asarray(ids, dtype=np.str_),
        names=tuple(groups),
        members=tuple(positions.astype(np.int64) for positions in groups.values()),
        alive=np.ones(k, np.bool_),
        centroids=centroids,
        scatters=scatters,
        space=space if values is not None else "",
    )


def _measure(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Return the mean of (m, d) rows and their total variance; of one row it is unknown, so 0."""
    centroid = rows.mean(axis=0, dtype=np.float64)  # (d,)
    residuals = rows - centroid
    return centroid, float(np.einsum("ij,ij->", residuals, residuals) / max(len(rows) - 1, 1))


def remember_generation(
    before: Generation, after: Generation, names: Mapping[str, str]
) -> Generation:
    """Return `after` under the ids it bears from now on, with every id of `before` that ended.

    Parameters
    ----------
    names : mapping of str to str
        `Lineage.names`: the id each group of `after` bears.
    """
    borne = set(names.values())
    ended = [i for i, name in enumerate(before.names) if name not in borne]
    ids = np.union1d(before.ids[_used(before, ended)], after.ids)  # (n,) ascending
    width = after.centroids.shape[1]
    far = np.full((len(ended), width), np.nan, np.float32)  # of another space: not known any more
    same = before.space == after.space and before.centroids.shape[1] == width
    parts = [
        _place(after, ids, range(len(after))),
        _place(before, ids, ended),
    ]
    every = [*(names[name] for name in after.names), *(before.names[i] for i in ended)]
    order = sorted(range(len(every)), key=every.__getitem__)
    joined = [*parts[0], *parts[1]]
    return replace(
        after,
        ids=ids,
        names=tuple(every[i] for i in order),
        members=tuple(joined[i] for i in order),
        alive=np.arange(len(every))[order] < len(after),
        centroids=np.concatenate([after.centroids, before.centroids[ended] if same else far])[
            order
        ],
        scatters=np.concatenate(
            [after.scatters, before.scatters[ended] if same else np.full(len(ended), np.nan)]
        )[order],
    )


def _used(generation: Generation, groups: list[int]) -> NDArray[np.int64]:
    """Positions of the images in any of these groups."""
    chosen = [generation.members[i] for i in groups]
    return np.unique(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def _place(
    generation: Generation, ids: NDArray[np.str_], groups: range | list[int]
) -> list[NDArray[np.int64]]:
    """Return where the members of these groups stand in the ascending `ids`."""
    return [
        np.searchsorted(ids, generation.ids[generation.members[i]]).astype(np.int64) for i in groups
    ]
