"""What a fitted clusterer found over all resolutions, as a noun for the run and the report."""

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
from embeddings.errors import RunError

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
        clusters=np.array([_find_cluster(labels[raw == i]) for i in range(len(chosen))], np.int32),
        choices={
            name: len(select_persistent(found.tree, preference=preference).chosen)
            for name, preference in PREFERENCES.items()
        },
    )


def format_sweep(sweep: Sweep | None) -> bytes:
    """Write sweep.json; null where the clusterer sweeps nothing."""
    if sweep is None:
        return b"null\n"
    said: dict[str, Any] = {name: getattr(sweep, name).tolist() for name in _ARRAYS}
    said["choices"] = dict(sweep.choices)
    return (json.dumps(said) + "\n").encode()


def read_sweep(data: bytes) -> Sweep | None:
    """Read sweep.json.

    Raises
    ------
    RunError
        It cannot be read.
    """
    try:
        said = json.loads(data)
        if said is None:
            return None
        arrays = {name: np.array(said[name], kind) for name, kind in _ARRAYS.items()}
        return Sweep(choices={str(k): int(v) for k, v in said["choices"].items()}, **arrays)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"sweep.json cannot be read ({error}): run discovery.cluster into the folder again"
        ) from error


def _find_cluster(labels: NDArray[np.int32]) -> int:
    """Return the cluster that most of these images are in, -1 for none."""
    inside = labels[labels != NOISE]
    return int(np.bincount(inside).argmax()) if len(inside) else NOISE
