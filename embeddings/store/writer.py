"""The one writer of a store: appends segments, notes files, and commits.

::

    with store.write() as writer:
        writer.set_files(files)
        writer.append(ids, values, rows)  # one segment, and one commit with all that is pending

A commit writes new files, syncs them, and replaces `store.json`: before that nothing is
visible, after that nothing is lost, wherever the process or the machine stops.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from embeddings.errors import StoreError
from embeddings.files import hash_bytes
from embeddings.records import DataBar, DataBars
from embeddings.store.commits import (
    encode_quarantine,
    settle_sidecars,
    stage_sidecar,
    tidy_folder,
    write_notes,
    write_paths,
    write_segment,
)
from embeddings.store.faiss_files import check_batch
from embeddings.store.file_log import FileLog
from embeddings.store.folder import QUARANTINE, hold_lock, storage_errors
from embeddings.store.manifest import (
    Manifest,
    SegmentEntry,
    Window,
    check_window,
    load_manifest,
    save_manifest,
)
from embeddings.store.merge import merge_newest, remove_merged
from embeddings.store.parquet_files import collect_files, load_rows, make_notes, make_rows
from embeddings.store.staging import Staged, settle_segments


@contextlib.contextmanager
def open_writer(folder: Path) -> Iterator["StoreWriter"]:
    """Hold the store's lock, give its writer, and commit what is pending at the end.

    Where the block raises, what is pending is dropped and what was committed stays.

    Raises
    ------
    StoreLockedError
        Another process is writing.
    StoreError
        The folder cannot be written.
    """
    with hold_lock(folder):
        # Read under the lock: the snapshot a writer was asked of may be old by now.
        manifest = load_manifest(folder)
        with storage_errors(folder):
            tidy_folder(folder, manifest)
        writer = StoreWriter(folder, manifest)
        try:
            yield writer
            writer.commit()
        finally:
            writer.close()


class StoreWriter:
    """Writes to a store while its lock is held; made by `Store.write`."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest
        # Read when first needed: a writer that only sets a window pays for neither.
        self._ids: set[str] | None = None
        self._log = FileLog(lambda: collect_files(self._folder, self._manifest))
        self._usable = True  # until closed, or a write fails
        self._drop_pending()

    def __len__(self) -> int:
        """Return the number of committed vectors."""
        return self._manifest.rows

    @property
    def folder(self) -> Path:
        """The store."""
        return self._folder

    @property
    def next_number(self) -> int:
        """Number of the next commit."""
        return self._manifest.next_number

    @property
    def windows(self) -> Mapping[str, Window]:
        """The window of each kind of picture, pending ones included."""
        return MappingProxyType({**self._manifest.windows, **self._windows})

    def set_window(self, kind: str, window: Window) -> None:
        """Fix the grey levels shown as black and white for a kind of picture.

        Raises
        ------
        StoreError
            The kind has another window already: intensities would no longer be comparable.
        ValueError
            Not finite, or low is not below high.
        """
        checked, known = check_window(window), self.windows.get(kind)
        # Once vectors were made with a window, another would give the same picture another vector.
        if known not in (None, checked):
            raise StoreError(
                f"{self._folder} shows {kind} pictures with window {known}, not {checked}: "
                "use another store for another window"
            )
        if known is None:
            self._windows[kind] = checked

    @property
    def bars(self) -> DataBars:
        """The data bars of each size of picture, pending ones included."""
        return MappingProxyType({**self._manifest.bars, **self._bars})

    def set_bars(self, bars: DataBars) -> None:
        """Note the data bars that pictures are seen without, those noted before among them."""
        for size, own in bars.items():
            if own[: len(known := self.bars.get(size, ()))] != known:
                raise ValueError(f"the data bars of {size} pictures do not begin with those known")
            if self.bars.get(size) != own:
                self._bars[size] = own

    def set_files(self, frame: pd.DataFrame) -> None:
        """Note files: columns path (absolute), file_id, size, mtime_ns.

        What is noted already is not noted again: giving every file every time costs nothing.
        """
        self._log.note(frame)

    def forget_files(self, paths: Sequence[str]) -> None:
        """Forget paths: their images stay in the store, but are no longer loaded by default."""
        self._log.forget(paths)

    def set_metadata(self, metadata: Mapping[str, str]) -> None:
        """Replace what is known of images beside their look: JSON objects by image id.

        Raises
        ------
        ValueError
            An image is not in the store.
        """
        unknown = metadata.keys() - self._known_ids()
        if unknown:
            raise ValueError(f"{min(unknown)} is not in the store ({len(unknown)} are not)")
        self._notes.update(metadata)

    def set_quarantine(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Replace the quarantine by these (path, reason); the last reason of a path is kept."""
        self._set_sidecar(QUARANTINE, encode_quarantine(pairs))

    def append(
        self, ids: NDArray[np.str_], values: NDArray[np.float32], rows: pd.DataFrame
    ) -> None:
        """Add vectors as one immutable segment, and commit it with all that is pending.

        Parameters
        ----------
        ids : (b,) array of str
            None of them is in the store yet.
        values : (b, d) float32, unit rows
        rows : DataFrame, b rows
            file_id, region and the columns of `ROW_COLUMNS`; path and paths are ignored, they
            come from `set_files`.

        Raises
        ------
        ValueError
            Shapes, ids, rows or values are not as above.
        StoreError
            The folder cannot be written; nothing of this call is visible.
        """
        ids = np.asarray(ids, dtype=np.str_)
        if len(ids) == 0:
            self.commit()
            return
        known = self._known_ids()
        check_batch(ids, values, dim=self._manifest.spec.dim, known=known)
        table = make_rows(ids, rows)  # checked before anything is on the disk
        with self._writing():
            segment = write_segment(self._folder, self._with_pending(), values=values, table=table)
            self._commit(segment)
        known.update(ids.tolist())  # only what is committed is known

    def adopt(self, staged: Sequence[Staged]) -> None:
        """Take segments that were staged, and commit them with all that is pending.

        Raises
        ------
        ValueError
            An image is in two of them, or in the store already.
        """
        with self._writing():
            settle_segments(self._folder, staged, known=self._known_ids())
            numbers = [one.entry.number + 1 for one in staged]
            number = max([self._manifest.next_number, *numbers])  # their own are taken
            self._manifest = dataclasses.replace(self._manifest, next_number=number)
            self._commit(*(one.entry for one in staged))

    def commit(self) -> None:
        """Commit what is pending; where nothing is, nothing is written."""
        pending = (self._windows, self._bars, self._log.pending, self._sidecars, self._notes)
        if any(pending):
            with self._writing():
                self._commit()

    def merge(self, rows: int) -> None:
        """Put the newest small files together, into files of `rows` rows or more.

        What is pending is committed first. Wherever this stops, every row is in the store once.
        """
        self.commit()
        while True:
            with self._writing():
                merged = merge_newest(self._folder, self._manifest, rows)
                if merged is self._manifest:
                    return
                save_manifest(self._folder, merged)  # the commit: before it, the old files hold
                before, self._manifest = self._manifest, merged
                remove_merged(self._folder, before, merged)

    def close(self) -> None:
        """Refuse further writes; what is pending is dropped."""
        self._usable = False
        self._drop_pending()

    def _drop_pending(self) -> None:
        self._windows: dict[str, Window] = {}
        self._bars: dict[str, tuple[DataBar, ...]] = {}
        self._log.pending = []
        self._sidecars: dict[str, bytes] = {}
        self._notes: dict[str, str] = {}

    def _set_sidecar(self, name: str, data: bytes) -> None:
        if self._manifest.sidecars.get(name) == hash_bytes(data):
            self._sidecars.pop(name, None)  # as committed
        else:
            self._sidecars[name] = data

    def _known_ids(self) -> set[str]:
        if self._ids is None:
            self._ids = set()
            for entry in self._manifest.segments:
                self._ids.update(load_rows(self._folder, entry)["image_id"].to_pylist())
        return self._ids

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Let no write follow one that failed: what is on the disk is then known to no one."""
        if not self._usable:
            raise StoreError(f"{self._folder}: this writer is closed or has failed: open it again")
        # A failed fsync leaves the disk's state unknown, and a retry may wrongly succeed.
        self._usable = False
        with storage_errors(self._folder):
            yield
        self._usable = True

    def _commit(self, *segments: SegmentEntry) -> None:
        # One number for all files of a commit, those of the segment that it wrote included.
        folder, manifest = self._folder, self._with_pending()
        log = self._log.pending
        paths = [write_paths(folder, manifest, pa.concat_tables(log))] if log else []
        notes = [write_notes(folder, manifest, make_notes(self._notes))] if self._notes else []
        staged = {name: stage_sidecar(folder, name, data) for name, data in self._sidecars.items()}
        committed = dataclasses.replace(
            manifest,
            segments=(*manifest.segments, *segments),
            paths=(*manifest.paths, *paths),
            notes=(*manifest.notes, *notes),
            sidecars={**manifest.sidecars, **staged},
            next_number=manifest.next_number + 1,
        )
        save_manifest(folder, committed)  # the commit: all above is invisible, all below tidying
        settle_sidecars(folder, staged)
        self._manifest = committed
        self._drop_pending()

    def _with_pending(self) -> Manifest:
        return dataclasses.replace(self._manifest, windows=self.windows, bars=self.bars)
