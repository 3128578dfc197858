"""New images, seen exactly as the images of a run were seen.

Vectors can only be compared where extractor, grey-level windows and cutting are the same: they
are taken from the run's own store. What is computed goes into a store of its own.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from discovery.flow.sources import RoundSource, extract_source, join_sources, open_stored
from discovery.runs import Run
from discovery.runs.stores import find_store
from embeddings.console import get_logger, note_kept
from embeddings.errors import OptionError, StoreError, StoreSpecError
from embeddings.extract import ExtractOptions
from embeddings.images import check_apart
from embeddings.litter import making_scratch
from embeddings.paths import takes_paths
from embeddings.store import Store, create_store, open_store, store_exists


@takes_paths
@dataclass(frozen=True, kw_only=True)
class AssignOptions:
    """How new images are seen, and how sure an answer must be."""

    store: Path | None = None
    """Folder of a store that keeps the new vectors, so that the next call computes only what is
    new (default: none is kept); never the run's own."""
    target_purity: float = 0.95
    """Share of the named images that come into the cluster they are in, measured on the run's own
    images; whether the cluster's label is true of them, it does not say."""
    max_rejection: float = 0.05
    """Share of the images of known clusters that may be refused for it, unknown and undecided
    together; it goes before the purity."""
    boxes: Path | None = None
    """Boxes of the new images, where the run's are crops around boxes: CSV or KLARF."""
    exclude: tuple[str, ...] = ()
    """Leave out files that match these patterns, such as: 'masks/*'."""
    weights: str | None = None
    """Where the weights of the run's extractor are now; others are refused."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""


def open_fitted_stores(run: Run) -> tuple[Store, ...]:
    """Open the stores a run was made from, where they were or in the run's own folder.

    Raises
    ------
    StoreError
        One is gone, or holds other vectors now.
    """
    identities = [run.store, *run.store.get("others", ())]
    return tuple(_open_fitted(run, identity) for identity in identities)


def _open_fitted(run: Run, identity: Mapping[str, Any]) -> Store:
    place = find_store(run, identity)
    if not store_exists(place):
        raise StoreError(
            f"{run.path} was made from the store {place}, which is not there: put it back, or run "
            "discovery.cluster again"
        )
    store = open_store(place)
    if store.spec.hash != identity.get("spec_hash", store.spec.hash):
        raise StoreSpecError(
            f"{place} holds vectors of another extractor than {run.path} was made from: put "
            "that store back, or run discovery.cluster again"
        )
    return store


@contextlib.contextmanager
def open_new_images(
    source: Path, fitted: Sequence[Store], *, region: str, options: AssignOptions
) -> Iterator[RoundSource]:
    """Give the images of a store, a folder, a CSV or a file, with vectors like the fitted ones.

    Parameters
    ----------
    fitted : sequence of Store
        One a view.
    region : str
        How the run's pictures were cut, as the store calls it; empty for whole ones.

    Raises
    ------
    DefectDiscoveryError
        The source, its store or an option cannot be used.
    """
    extract = _make_options(options, region)
    if source.is_dir() and store_exists(source):
        # A store holds one view; the run's vectors are of several, side by side.
        if len(fitted) > 1:
            raise OptionError(
                f"{source} is a store, one view, and the run has {len(fitted)} views of its "
                "images: give the images themselves"
            )
        opened = open_stored(source, ExtractOptions())
        _check_alike(opened.store, fitted[0])
        yield opened
    elif options.store is not None:
        if options.store.exists() and any(options.store.samefile(one.path) for one in fitted):
            raise OptionError(
                f"--store {options.store} is the run's own: new images are never written into it, "
                "give another folder"
            )
        if not store_exists(options.store):
            check_apart(options.store, source, flag="--store")
        yield _extract_all(source, options.store, fitted, options=extract)
    else:
        # Nothing is kept: the next call computes again.
        with making_scratch() as folder:
            try:
                yield _extract_all(source, folder / "store", fitted, options=extract)
            finally:
                note_kept("")  # what was said of its vectors


def _extract_all(
    source: Path, folder: Path, fitted: Sequence[Store], *, options: ExtractOptions
) -> RoundSource:
    """Extract a source once a view: into `folder`, further ones beside it."""
    # One store a view: STORE, STORE.1, STORE.2 and so on.
    folders = [folder, *(folder.with_name(f"{folder.name}.{i}") for i in range(1, len(fitted)))]
    views = [
        _extract(source, place, store, options=options, tells=place == folder)
        for place, store in zip(folders, fitted, strict=True)
    ]
    return join_sources(views)


def _make_options(options: AssignOptions, region: str) -> ExtractOptions:
    # "tile:SIDE:OVERLAP", "box:MARGIN:SIDE" or nothing, as the store writes it.
    kind, _, size = region.partition(":")
    if kind == "box" and options.boxes is None:
        raise OptionError("the run's images are crops around boxes: give the new ones by --boxes")
    if kind != "box" and options.boxes is not None:
        raise OptionError(
            f"--boxes {options.boxes}: the run's images are {'tiles' if kind else 'whole'}, "
            "crops are not like them; leave it out"
        )
    return ExtractOptions(
        boxes=options.boxes,
        tile=int(size.partition(":")[0]) if kind == "tile" else None,
        exclude=options.exclude,
        weights=options.weights,
        device=options.device,
    )


def _extract(
    source: Path, folder: Path, fitted: Store, *, options: ExtractOptions, tells: bool
) -> RoundSource:
    """Extract a source into a store that sees as the fitted one does."""
    store = create_store(
        folder,
        fitted.spec,
        vector_dtype=fitted.vector_dtype,
        bank=fitted.load_bank(),
        weights_file=fitted.weights_file,
    )
    with store.write() as writer:
        # Grey levels as the run showed them, or the same picture gets another vector.
        for kind, window in fitted.windows.items():
            writer.set_window(kind, window)
        writer.set_bars(fitted.bars)  # nor of a bar that the run's were seen without
    opened = extract_source(source, folder, options=options, tells=tells)
    _check_alike(opened.store, fitted)
    return opened


def _check_alike(new: Store, fitted: Store) -> None:
    """Refuse vectors that cannot be compared, and tell of pictures the run has never seen."""
    fitted.check_spec(new.spec)
    for kind in sorted(new.windows.keys() & fitted.windows.keys()):
        if new.windows[kind] != fitted.windows[kind]:
            raise StoreError(
                f"{new.path} shows {kind} pictures with the grey levels {new.windows[kind]}, the "
                f"run with {fitted.windows[kind]}: give the images themselves instead"
            )
    # Of these the run has no levels, so they got their own.
    unseen = sorted(new.windows.keys() - fitted.windows.keys())
    if unseen:
        get_logger().warning(
            "WARNING: the run has never seen pictures of kind %s: their grey levels are scaled by "
            "these images alone, and what is said of them is doubtful", ", ".join(unseen),
        )  # fmt: skip
