"""A generation is gathered from a run's groups, and handed on with what must not be forgotten."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from discovery.records import Generation
from embeddings.large_values import Values, iter_blocks, mean_rows, select
from embeddings.threads import map_in_threads


def gather_generation(
    ids: NDArray[np.str_],
    names: NDArray[np.str_],
    *,
    values: Values | None = None,
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
        measured = map_in_threads(lambda m: _measure(select(values, m)), list(groups.values()))
        for i, (centroid, scatter) in enumerate(measured):
            centroids[i], scatters[i] = centroid, scatter
    return Generation(
        ids=np.asarray(ids, dtype=np.str_),
        names=tuple(groups),
        members=tuple(positions.astype(np.int64) for positions in groups.values()),
        alive=np.ones(k, np.bool_),
        centroids=centroids,
        scatters=scatters,
        space=space if values is not None else "",
    )


def _measure(rows: Values) -> tuple[NDArray[np.float64], float]:
    """Return the mean of (m, d) rows and their total variance; of one row it is unknown, so 0."""
    centroid, total = mean_rows(rows), 0.0  # (d,)
    for _, block in iter_blocks(rows):
        # Around the mean first: sums of squares of unit rows would cancel to noise in float32.
        residuals = block - centroid
        total += float(np.einsum("ij,ij->", residuals, residuals))
    return centroid, total / max(len(rows) - 1, 1)


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
    groups = [(names[name], after, j) for j, name in enumerate(after.names)]
    groups += [(name, before, i) for i, name in enumerate(before.names) if name not in borne]
    groups.sort(key=itemgetter(0))  # a generation's names ascend
    members = [source.ids[source.members[i]] for _, source, i in groups]
    # Images of ended groups stay known though they may be gone: only so can an id come back.
    ids = np.unique(np.concatenate([after.ids, *members]))
    width = after.centroids.shape[1]
    same_space = before.space == after.space and before.centroids.shape[1] == width
    centroids = np.full((len(groups), width), np.nan, np.float32)
    scatters = np.full(len(groups), np.nan)
    for row, (_, source, i) in enumerate(groups):
        if source is after or same_space:  # of another space: not known any more
            centroids[row], scatters[row] = source.centroids[i], source.scatters[i]
    return replace(
        after,
        ids=ids,
        names=tuple(name for name, _, _ in groups),
        members=tuple(np.searchsorted(ids, own).astype(np.int64) for own in members),
        alive=np.array([source is after for _, source, _ in groups], np.bool_),
        centroids=centroids,
        scatters=scatters,
    )
