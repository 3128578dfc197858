"""A store as it was when it was opened: `Store`, and how folders become one.

A `Store` is a snapshot: a writer adds files and never changes one, so readers of an older
commit keep reading it while the store grows, and in merged files what it was. `refresh` gives the
newest.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.errors import StoreError, StoreSpecError
from embeddings.large_values import MOST_BYTES, LargeValues, Values
from embeddings.records import ROW_COLUMNS, DataBars, ExtractorSpec, Vectors
from embeddings.store.commits import decode_quarantine, read_bank, read_sidecar
from embeddings.store.faiss_files import BLOCK_ROWS, CodesFile, read_codes
from embeddings.store.folder import QUARANTINE, DamagedFileError
from embeddings.store.manifest import Manifest, SegmentEntry, VectorDtype, Window, load_manifest
from embeddings.store.parquet_files import IMAGE_COLUMNS, collect_files, collect_rows, find_among
from embeddings.store.writer import StoreWriter, open_writer

Value = TypeVar("Value")


class Store:
    """A snapshot of a store; made by `open_store` and `create_store`.

    Attributes
    ----------
    path : Path
    spec : ExtractorSpec
        What made the vectors.
    vector_dtype : {"float32", "fp16"}
        How they are kept; they are always read as float32.
    windows : mapping of str to (low, high)
        The grey levels shown as black and white, one pair a kind of picture.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self._manifest = manifest
        self._count = manifest.rows  # of this snapshot, whatever is added
        self._rows: pd.DataFrame | None = None
        self._files: pd.DataFrame | None = None
        self._is_newer = False  # files of a later commit are read, in the place of merged ones

    def __len__(self) -> int:
        """Return the number of vectors."""
        return self._count

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self)} x {self.spec.dim} {self.vector_dtype})"

    @property
    def spec(self) -> ExtractorSpec:
        """What made the vectors."""
        return self._manifest.spec

    @property
    def vector_dtype(self) -> VectorDtype:
        """How the vectors are kept."""
        return self._manifest.vector_dtype

    @property
    def weights_file(self) -> str:
        """Where the extractor's weights lay when they were last given; "" where they never were."""
        return self._manifest.weights_file

    @property
    def windows(self) -> Mapping[str, Window]:
        """The window of each kind of picture."""
        return self._manifest.windows

    @property
    def bars(self) -> DataBars:
        """The data bars of the tools' pictures, by size."""
        return self._manifest.bars

    def refresh(self) -> "Store":
        """Return the store as it is now."""
        return open_store(self.path)

    def check_spec(self, spec: ExtractorSpec) -> None:
        """Check that vectors of `spec` may be put beside those of the store.

        Raises
        ------
        StoreSpecError
            They may not; every difference is named, the store's value first.
        """
        if spec.hash != self.spec.hash:
            raise StoreSpecError(
                f"{self.path} holds vectors of another extractor "
                f"({'; '.join(self.spec.differences(spec))}): "
                "use the store's options, or another store"
            )

    def ids(self) -> NDArray[np.str_]:
        """Return the (n,) ids of all vectors, in the order of `iter_blocks`."""
        return self._load_rows()["image_id"].to_numpy(dtype=np.str_)

    def rows(self) -> pd.DataFrame:
        """Return one row a vector: image_id, file_id, region and what is known of the image."""
        # pandas copies on write: this costs nothing until a caller changes it.
        return self._load_rows().copy()

    def files(self) -> pd.DataFrame:
        """Return path, file_id, size, mtime_ns of the files that are there, sorted by path."""
        return self._load_files().copy()

    def quarantine(self) -> pd.DataFrame:
        """Return path and reason of the files that could not be used, as last committed."""
        data = read_sidecar(self.path, QUARANTINE)
        return decode_quarantine(b"path,reason\n" if data is None else data)

    def load_bank(self) -> dict[str, NDArray[np.generic]] | None:
        """Return the arrays of the patch bank, or None where the extractor needs none."""
        return read_bank(self.path)

    def load_vectors(self, ids: Iterable[str] | None = None, *, whole: bool = True) -> Vectors:
        """Load vectors with what is known of them.

        Parameters
        ----------
        ids : iterable of str, optional
            Which, and in which order. By default all whose file is still there, in the order
            in which they came.
        whole : bool
            False leaves the values in the store where they would take more than 256 MiB; they
            are read from there part by part (`LargeValues`).

        Raises
        ------
        StoreError
            An id is not in the store.
        StoreCorruptError
            A segment is damaged.
        """
        rows = self._load_rows()
        if ids is None:
            positions = np.flatnonzero(find_among(rows["file_id"], self._load_files()["file_id"]))
        else:
            positions = self._find(np.asarray(list(ids), dtype=np.str_))
        chosen = rows.iloc[positions].reset_index(drop=True)
        return Vectors(
            ids=chosen["image_id"].to_numpy(dtype=np.str_),
            values=self._read(positions) if whole else self._open_values(positions),
            rows=self._with_paths(chosen),
            spec=self.spec,
        )

    def iter_blocks(
        self, *, block_rows: int = BLOCK_ROWS
    ) -> Iterator[tuple[NDArray[np.str_], NDArray[np.float32]]]:
        """Yield (b,) ids and (b, d) float32 vectors of the whole store, block by block.

        Memory is bounded by one block and the ids. A block never spans two segments.
        """
        ids = self.ids()
        base = 0
        while base < len(ids):  # by position: files may be merged while they are read
            values = self._following(functools.partial(self._read_block, base, block_rows))
            yield ids[base : base + len(values)], values
            base += len(values)

    def write(self) -> AbstractContextManager[StoreWriter]:
        """Return a context manager giving the one writer; see `StoreWriter`.

        This snapshot stays as it is: `refresh` shows what was written.
        """
        return open_writer(self.path)

    def _load_rows(self) -> pd.DataFrame:
        if self._rows is None:
            rows = self._following(lambda: collect_rows(self.path, self._manifest))
            self._rows = rows.iloc[: self._count]
        return self._rows

    def _load_files(self) -> pd.DataFrame:
        if self._files is None:
            files = self._following(lambda: collect_files(self.path, self._manifest))
            if self._is_newer:  # what was noted since belongs to no row of this snapshot
                is_known = find_among(files["file_id"], self._load_rows()["file_id"])
                files = files[is_known].reset_index(drop=True)
            self._files = files
        return self._files

    def _codes(self, entry: SegmentEntry) -> CodesFile:
        return CodesFile(folder=self.path, entry=entry, dim=self.spec.dim, dtype=self.vector_dtype)

    def _find(self, wanted: NDArray[np.str_]) -> NDArray[np.intp]:
        # (m,) in the store's order of vectors, -1 where unknown
        positions = pd.Index(self._load_rows()["image_id"]).get_indexer(pd.Index(wanted))
        unknown = wanted[positions < 0]
        if len(unknown):
            raise StoreError(
                f"{self.path} holds no image {unknown[0]} ({len(unknown)} of {len(wanted)} ids "
                "are unknown): extract the images into it first"
            )
        return np.asarray(positions, dtype=np.intp)

    def _following(self, read: Callable[[], Value]) -> Value:
        """Read; where a file is gone because it was merged with others, read those.

        Merging leaves every row in its place, and others are only added behind: what this
        snapshot holds are the first rows of the store as it is now.
        """
        while True:
            try:
                return read()
            except DamagedFileError as damage:
                newest = load_manifest(self.path)
                if not _is_gone(damage, newest) or newest == self._manifest:
                    raise
            try:
                self._follow(newest)
            except DamagedFileError as damage:  # merged once more
                if not _is_gone(damage, load_manifest(self.path)):
                    raise

    def _follow(self, newest: Manifest) -> None:
        """Take the place of what was merged from a later manifest."""
        if self._rows is not None:
            # A repair may have dropped rows between: then the places are others.
            rows = collect_rows(self.path, newest)["image_id"].iloc[: self._count]
            if rows.tolist() != self._rows["image_id"].tolist():
                raise StoreError(f"{self.path} was changed while it was read: run again")
        elif newest.rows < self._count:
            raise StoreError(f"{self.path} was changed while it was read: run again")
        self._manifest, self._is_newer = newest, True

    def _read_block(self, base: int, most: int) -> NDArray[np.float32]:
        """Read (b, d) vectors from a position on: to the end of their segment, `most` of them."""
        start = 0
        for entry in self._manifest.segments:
            if base < start + entry.rows:
                stop = min(base + most, start + entry.rows, self._count)
                return self._codes(entry).read(np.arange(base, stop) - start)
            start += entry.rows
        raise ValueError(f"position {base} of {self._count}")

    def _read(self, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        """Read the (m, d) vectors at positions of the whole store, in any order."""
        return self._following(functools.partial(self._read_positions, positions))

    def _open_values(self, positions: NDArray[np.intp]) -> Values:
        shape = (len(positions), self.spec.dim)
        if shape[0] * shape[1] * 4 <= MOST_BYTES:
            return self._read(positions)
        return LargeValues(shape, lambda rows: self._read(positions[rows]))

    def _read_positions(self, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        files = [self._codes(entry) for entry in self._manifest.segments]
        return read_codes(files, positions, dim=self.spec.dim)

    def _with_paths(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Add path, the first by name, and paths, the list of all, to rows of images."""
        files = self._load_files()
        by_file: dict[str, list[str]] = {}  # a plain loop: groupby takes 40 s for a million files
        for file_id, path in zip(files["file_id"].tolist(), files["path"].tolist(), strict=True):
            by_file.setdefault(file_id, []).append(path)
        # Tiles of one file get lists of their own: a caller may change one.
        paths = [list(by_file.get(file_id, ())) for file_id in rows["file_id"].tolist()]
        first = pd.array([own[0] if own else "" for own in paths], dtype="str")
        whole = rows[list(IMAGE_COLUMNS)].assign(path=first, paths=pd.Series(paths, dtype=object))
        return whole[list(ROW_COLUMNS)]


def _is_gone(damage: DamagedFileError, newest: Manifest) -> bool:
    """Tell whether a file is missing because the store needs it no more."""
    return damage.fault.kind == "missing" and damage.fault.file not in newest.files


def open_store(path: Path | str) -> Store:
    """Open a store; reads `store.json` alone, however large the store is.

    Raises
    ------
    StoreError
        The folder is absent, not a store, or a store of a newer version.
    StoreCorruptError
        `store.json` is damaged or lost.
    """
    folder = Path(path)
    return Store(folder, load_manifest(folder))
