"""Make a store: in a folder that is absent or empty, never over files of someone else."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import StoreError
from embeddings.files import sync_path
from embeddings.records import DataBars, ExtractorSpec
from embeddings.store.commits import encode_bank, encode_quarantine, settle_sidecars, stage_sidecar
from embeddings.store.folder import (
    BANK,
    LOCK,
    MANIFEST,
    PATHS,
    QUARANTINE,
    SEGMENTS,
    hold_lock,
    list_ours,
    number_of,
    storage_errors,
)
from embeddings.store.manifest import (
    Manifest,
    VectorDtype,
    Window,
    load_manifest,
    save_manifest,
)
from embeddings.store.reader import Store, open_store


def store_exists(path: Path | str) -> bool:
    """Tell whether a folder holds a store, sound or not, of whatever version."""
    folder = Path(path)
    # Segments without a manifest are a store that lost it: never one to write over.
    return (folder / MANIFEST).is_file() or _has_segments(folder)


def create_store(
    path: Path | str,
    spec: ExtractorSpec,
    *,
    vector_dtype: VectorDtype = "float32",
    windows: Mapping[str, Window] | None = None,
    bars: DataBars | None = None,
    bank: Mapping[str, NDArray[np.generic]] | None = None,
    weights_file: str = "",
) -> Store:
    """Make an empty store, or open the one that is there.

    Parameters
    ----------
    path : Path
        A folder that is absent, empty, or a store of this spec.
    spec : ExtractorSpec
    vector_dtype : {"float32", "fp16"}
        fp16 halves the store and moves a vector by about 2e-4 of its length.
    windows : mapping of str to (low, high), optional
        The grey-level windows that the bank was made with.
    bars : DataBars, optional
        The data bars that it was made without.
    bank : mapping of str to array, optional
        The patch bank the spec names: the store then never exists without it.
    weights_file : str
        Where the weights lie that the spec names, so that nobody needs to say so again.

    Raises
    ------
    StoreError
        The folder holds other files, cannot be written, or keeps vectors in another dtype.
    StoreSpecError
        The store that is there holds vectors of another extractor.
    """
    folder = Path(path)
    # Without the lock: to open a store takes no right to write into it.
    if store_exists(folder):
        return _open_same(folder, spec, vector_dtype)
    _refuse_foreign(folder)
    manifest = Manifest(
        spec=spec,
        vector_dtype=vector_dtype,
        windows=MappingProxyType(dict(windows or {})),
        weights_file=weights_file,
        bars=MappingProxyType(dict(bars or {})),
    )
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sync_path(folder.parent)  # the store's own name survives a power cut too
    with hold_lock(folder):
        if not store_exists(folder):  # another process may have been faster
            with storage_errors(folder):
                _write_empty(folder, manifest, bank)
    return _open_same(folder, spec, vector_dtype)


def remember_weights(path: Path | str, weights_file: str) -> None:
    """Note where the weights of a store's extractor lie now.

    Raises
    ------
    StoreError
        The store cannot be read or written.
    """
    folder = Path(path)
    with hold_lock(folder):
        manifest = load_manifest(folder)
        if manifest.weights_file != weights_file:
            with storage_errors(folder):
                save_manifest(folder, dataclasses.replace(manifest, weights_file=weights_file))


def _open_same(folder: Path, spec: ExtractorSpec, vector_dtype: VectorDtype) -> Store:
    store = open_store(folder)
    store.check_spec(spec)
    if store.vector_dtype != vector_dtype:
        raise StoreError(
            f"{folder} keeps its vectors as {store.vector_dtype}, not {vector_dtype}: "
            "keep to it or use another store"
        )
    return store


def _write_empty(
    folder: Path, manifest: Manifest, bank: Mapping[str, NDArray[np.generic]] | None
) -> None:
    for name in (SEGMENTS, PATHS):
        (folder / name).mkdir(exist_ok=True)
    # The first commit: until store.json is there, the folder is no store and may be made again.
    sidecars = {QUARANTINE: stage_sidecar(folder, QUARANTINE, encode_quarantine([]))}
    if bank is not None:
        sidecars[BANK] = stage_sidecar(folder, BANK, encode_bank(bank))
    save_manifest(folder, dataclasses.replace(manifest, sidecars=sidecars))
    settle_sidecars(folder, sidecars)


def _has_segments(folder: Path) -> bool:
    return any(number_of(name) is not None for name in list_ours(folder))


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file: give a folder for the store")
    # An interrupted creation leaves these; its temporary files are ours too.
    ours = {LOCK, SEGMENTS, PATHS, *list_ours(folder)}
    foreign = sorted(item.name for item in folder.iterdir() if item.name not in ours)
    if foreign:
        raise StoreError(
            f"{folder} is not empty and not a store (it holds {foreign[0]}): "
            "give an empty folder or a new name"
        )
