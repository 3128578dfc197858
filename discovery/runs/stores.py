"""Where the stores of a run are: in the run's own folder first, which may have been moved."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from discovery.runs.folder import VIEWS_FOLDER, Run
from embeddings.errors import StoreError
from embeddings.store import open_store, store_exists


def find_store(run: Run, identity: Mapping[str, Any] | None = None) -> Path:
    """Return the place of a store that a run was made from.

    A run that was copied or moved takes its stores along: its own holds, even where the first one
    is still there, or another run was made in its place.

    Parameters
    ----------
    identity : mapping, optional
        What run.json says of the store; by default of the first view's.

    Returns
    -------
    Path
        Where none is to be found, the place that run.json names.
    """
    identity = run.store if identity is None else identity
    named = Path(identity.get("path", run.path / "store"))
    own = [run.path / named.name, run.path / VIEWS_FOLDER / named.name]
    for place in own:
        if _is_same(place, named) or (store_exists(place) and _holds(run, place, identity)):
            return place
    # Of another extractor, or of other images, it is told by whoever opens it.
    return next((one for one in (named, *own) if store_exists(one)), named)


def _is_same(one: Path, other: Path) -> bool:
    return store_exists(one) and one.resolve() == other.resolve()


def _holds(run: Run, place: Path, identity: Mapping[str, Any]) -> bool:
    """Tell whether a store has the extractor and the images of the run."""
    try:
        store = open_store(place)
        if store.spec.hash != identity.get("spec_hash", store.spec.hash):
            return False
        return set(run.load_images()["image_id"]) <= set(store.rows()["image_id"])
    except StoreError:
        return False
