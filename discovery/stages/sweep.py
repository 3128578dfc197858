"""What a fitted clusterer found over all resolutions, for sweep.json and the report."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.graph.persistence import (
    PREFERENCES,
    Persistence,
    select_persistent,
    sweep_resolutions,
)
from discovery.records import NOISE, Sweep
from embeddings.bounded import parse_json
from embeddings.errors import RunError

# The fields of `Sweep` that are arrays, as sweep.json holds them, a list each.
_ARRAYS = {
    "resolutions": np.float64,
    "counts": np.int64,
    "born": np.float64,
    "died": np.float64,
    "sizes": np.int64,
    "clusters": np.int32,
}


def sweep_groups(found: Persistence, raw: NDArray[np.int32], labels: NDArray[np.int32]) -> Sweep:
    """Gather the sweep of a clustering.

    Parameters
    ----------
    found : Persistence
        Of the fitted clusterer.
    raw : (n,) int32
        Its labels: positions among the chosen groups, -1 for noise.
    labels : (n,) int32
        The clusters that were made of them, by falling size.
    """
    resolutions, counts = sweep_resolutions(found.tree)
    chosen = found.chosen
    return Sweep(
        resolutions=resolutions,
        counts=counts,
        born=found.born[chosen],
        died=found.died[chosen],
        sizes=found.tree.sizes[chosen],
        # A chosen group can end as noise, or as a part of a cluster: it is where most of it went.
        clusters=np.array([_find_cluster(labels[raw == i]) for i in range(len(chosen))], np.int32),
        # How many groups each granularity would have chosen of the same tree.
        choices={
            name: len(select_persistent(found.tree, preference=preference).chosen)
            for name, preference in PREFERENCES.items()
        },
    )


def format_sweep(sweep: Sweep | None) -> bytes:
    """Write sweep.json; null where the clusterer sweeps nothing."""
    if sweep is None:
        return b"null\n"
    values: dict[str, Any] = {name: getattr(sweep, name).tolist() for name in _ARRAYS}
    values["choices"] = dict(sweep.choices)
    return (json.dumps(values) + "\n").encode()


def read_sweep(data: bytes) -> Sweep | None:
    """Read sweep.json.

    Raises
    ------
    RunError
        It cannot be read.
    """
    try:
        values = parse_json(data)
        if values is None:
            return None
        arrays = {name: np.array(values[name], kind) for name, kind in _ARRAYS.items()}
        return Sweep(choices={str(k): int(v) for k, v in values["choices"].items()}, **arrays)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"sweep.json cannot be read ({error}): run discovery.cluster into the folder again"
        ) from error


def _find_cluster(labels: NDArray[np.int32]) -> int:
    """Return the cluster that most of these images are in, -1 for none."""
    inside = labels[labels != NOISE]
    return int(np.bincount(inside).argmax()) if len(inside) else NOISE
