"""What a round works on: a store as it is, or a source that is first brought into the run's own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.console import get_logger
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions, add_metadata, extract_vectors
from embeddings.extract.choose import choose_extractor, tell_stored
from embeddings.extract.data_bars import describe_bars
from embeddings.extract.engines import check_engine
from embeddings.extract.pixel_sizes import count_sizes
from embeddings.extract.sources import read_only_list
from embeddings.files import hash_bytes
from embeddings.reader import Previews
from embeddings.records import Vectors, bars_to_dict
from embeddings.store import Store, find_among, open_store

if TYPE_CHECKING:
    from discovery.flow.adaptation import Adaptation


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSource:
    """The images of a round and what is known about how they came.

    Attributes
    ----------
    store : Store
        The first view of them, and what is known of their files.
    others : tuple of Store
        Further views of the same images, by other extractors.
    adaptation : Adaptation or None
        What the vectors are looked at through, where it was asked for.
    ids : (n,) array of str
    paths : DataFrame
        Columns path, file_id: the files of the source.
    computed : frozenset of str
        The paths of which a view was computed just now.
    quarantined : tuple of (path, reason)
        What a view could not use.
    """

    store: Store
    ids: NDArray[np.str_]
    paths: pd.DataFrame
    computed: frozenset[str]
    quarantined: tuple[tuple[str, str], ...]
    ignored: int
    warnings: tuple[str, ...]
    others: tuple[Store, ...] = ()
    adaptation: "Adaptation | None" = None

    @property
    def stores(self) -> tuple[Store, ...]:
        """All views of the images."""
        return (self.store, *self.others)

    @property
    def counts(self) -> str:
        """``computed N, reused N, quarantined N, ignored N``: files, over all views."""
        faulty = {path for path, _ in self.quarantined}
        used = [path for path in self.paths["path"].tolist() if path not in faulty]
        computed = sum(path in self.computed for path in used)
        text = f"computed {computed}, reused {len(used) - computed}"
        return f"{text}, quarantined {len(self.quarantined)}, ignored {self.ignored}"

    @property
    def digest(self) -> str:
        """sha256 over all that decides the vectors and their paths: what artefacts depend on."""
        parts: dict[str, Any] = {
            "views": [_describe_view(store) for store in self.stores],
            "ids": self.ids.tolist(),
            "paths": sorted(zip(self.paths["path"], self.paths["file_id"], strict=True)),
        }
        if self._adapted_by:
            parts["adaptation"] = self._adapted_by
        return hash_bytes(json.dumps(parts, sort_keys=True).encode())

    @property
    def rows(self) -> pd.DataFrame:
        """What the store knows of the images."""
        rows = self.store.rows()
        return rows[find_among(rows["image_id"], self.ids)]

    @property
    def metadata_digest(self) -> str:
        """sha256 over what is known of the images beside their look."""
        wanted = self.rows
        pairs = sorted(zip(wanted["image_id"].tolist(), wanted["metadata"].tolist(), strict=True))
        return hash_bytes(json.dumps(pairs).encode())

    @property
    def identity(self) -> dict[str, Any]:
        """What the handoff says of the store."""
        identity = _identify(self.store) | {"vectors": len(self.ids)}
        identity["pixel_size"] = count_sizes(self.rows)
        if self.others:
            identity["others"] = [_identify(store) for store in self.others]
        if self.data_bars:
            identity["data_bars"] = list(self.data_bars)
        if self._adapted_by:
            identity["adaptation"] = self._adapted_by
        return identity

    @property
    def _adapted_by(self) -> str:
        """The digest of what the vectors are looked at through; empty where nothing is taken."""
        found = self.adaptation
        return found.digest if found is not None and found.taken else ""

    @property
    def data_bars(self) -> tuple[str, ...]:
        """What was left out of the images as a microscope's data bar, in words."""
        rows = self.store.rows()
        return describe_bars(rows.loc[find_among(rows["image_id"], self.ids), "metadata"])

    def load_views(self) -> tuple[Vectors, ...]:
        """Load the images' vectors, view by view; their paths are those of the source alone."""
        loaded = (store.load_vectors(self.ids, whole=False) for store in self.stores)
        first, *others = loaded
        by_file = _group_paths(self.paths)
        # An image id is 16 hex digits of the file, then its page and region.
        paths = [list(by_file[image_id[:16]]) for image_id in first.ids.tolist()]
        rows = first.rows.assign(paths=pd.Series(paths, dtype=object), path=[p[0] for p in paths])
        own = Vectors(ids=first.ids, values=first.values, rows=rows, spec=first.spec)
        return self.adapt((own, *others))

    def adapt(self, views: Sequence[Vectors]) -> tuple[Vectors, ...]:
        """Look at views as this source's are looked at."""
        return tuple(views) if self.adaptation is None else self.adaptation.apply(views)


def _describe_view(store: Store) -> dict[str, Any]:
    """Return all that decides the vectors of a view."""
    # The grey levels shown as black and white move every vector of a kind of picture.
    windows = {kind: list(window) for kind, window in sorted(store.windows.items())}
    view = {"spec": store.spec.hash, "windows": windows}
    # Where there are none, what was made of the view before there could be any is still current.
    return view | ({"data_bars": bars_to_dict(store.bars)} if any(store.bars.values()) else {})


def _identify(store: Store) -> dict[str, Any]:
    return {
        "path": str(store.path.resolve()),
        "spec_hash": store.spec.hash,
        "spec": store.spec.to_dict(),
    }


def extract_source(
    source: Path,
    folder: Path,
    *,
    options: ExtractOptions,
    previews: Previews | None = None,
    tells: bool = True,
) -> RoundSource:
    """Bring the store in `folder` up to date with a source, and give the source's images in it.

    Raises
    ------
    DefectDiscoveryError
        As `extract_vectors`.
    """
    # Only what the store lacks is computed: a second round computes nothing.
    extracted = extract_vectors(source, folder, options=options, previews=previews, tells=tells)
    return RoundSource(
        store=open_store(folder),
        ids=extracted.ids,
        paths=extracted.paths,
        computed=extracted.fresh,
        quarantined=extracted.quarantined,
        ignored=extracted.ignored,
        warnings=extracted.warnings,
    )


def join_sources(views: Sequence[RoundSource]) -> RoundSource:
    """Return several views of the same files as one source, of the images that all of them have."""
    first = views[0]
    if len(views) == 1:
        return first
    # A file may be readable in one view and quarantined in another.
    everywhere = set.intersection(*(set(view.ids.tolist()) for view in views))
    ids = np.array([i for i in first.ids.tolist() if i in everywhere], dtype=np.str_)
    # Where several views could not use a file, the first of them says why.
    faults = dict(fault for view in reversed(views[1:]) for fault in view.quarantined)
    told = {path for path, _ in first.quarantined}
    more = [(path, why) for path, why in faults.items() if path not in told]
    return replace(
        first,
        ids=ids,
        computed=frozenset().union(*(view.computed for view in views)),
        quarantined=tuple(sorted([*first.quarantined, *more])),
        others=tuple(store for view in views[1:] for store in view.stores),
        warnings=tuple(dict.fromkeys(text for view in views for text in view.warnings)),
    )


def open_stored(path: Path, options: ExtractOptions) -> RoundSource:
    """Give the images of a store as it is, with what a table of metadata says of them.

    Raises
    ------
    OptionError
        An option asks for what this store cannot follow, or `only` names none of its images.
    StoreError
        It cannot be opened.
    """
    store = open_store(path)
    _check_options(options, store)
    tell_stored(store)
    if options.metadata is not None:
        store = add_metadata(path, options.metadata)
    files = store.files()[["path", "file_id"]]
    rows = store.rows()
    # Rows outlive their files: an image whose every path is gone is in no round.
    there = find_among(rows["file_id"], files["file_id"])
    ids = rows.loc[there, "image_id"].to_numpy(dtype=np.str_)
    if options.only is not None:
        wanted = read_only_list(options.only)
        # An exact copy has several paths: the list may name any of them.
        by_file = _group_paths(files)
        ids = np.array(
            [i for i in ids.tolist() if any(wanted(p, i) for p in by_file[i[:16]])], dtype=np.str_
        )
        if not len(ids):
            raise OptionError(f"--only {options.only}: none of its images is in {path}")
        files = files[files["file_id"].isin([image_id[:16] for image_id in ids.tolist()])]
    quarantine = store.quarantine()
    return RoundSource(
        store=store,
        ids=ids,
        paths=files.reset_index(drop=True),
        computed=frozenset(),
        quarantined=tuple(zip(quarantine["path"], quarantine["reason"], strict=True)),
        ignored=0,
        warnings=_warn_of_mixture(store, ids),
    )


def _group_paths(files: pd.DataFrame) -> dict[str, list[str]]:
    """Return every path of each file id; a plain loop, as groupby is slow on many small groups."""
    by_file: dict[str, list[str]] = {}
    for path, file_id in zip(files["path"].tolist(), files["file_id"].tolist(), strict=True):
        by_file.setdefault(file_id, []).append(path)
    return by_file


def _check_options(options: ExtractOptions, store: Store) -> None:
    """Refuse options that a store as it is cannot follow, rather than leave them without effect.

    What an option says of the extractor must be what the store was made with; `choose_extractor`
    names the difference.
    """
    check_engine(options)
    # Raises where an option names another extractor than the store's.
    choose_extractor(options, store)
    default = ExtractOptions()
    for name in ("tile", "boxes", "exclude", "um_per_pixel", "check_precision"):
        if getattr(options, name) != getattr(default, name):
            raise OptionError(
                f"--{name.replace('_', '-')} has no effect on a store: give the folder of images, "
                "or run python -m embeddings.extract with it"
            )


def _warn_of_mixture(store: Store, ids: NDArray[np.str_]) -> tuple[str, ...]:
    """Say so where a store holds the same pictures whole and in parts: they are not alike."""
    rows = store.rows()
    # A region is "" for a whole picture, else "tile:SIDE:OVERLAP" or "box:MARGIN:SIDE".
    regions = sorted(set(rows.loc[find_among(rows["image_id"], ids), "region"]))
    if len(regions) < 2:
        return ()
    kinds = ", ".join(region or "whole images" for region in regions)
    warning = f"the store mixes {kinds}: extract each into a store of its own to compare alike"
    get_logger().warning("WARNING: %s", warning)
    return (warning,)
