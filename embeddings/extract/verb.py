"""The verb `extract_vectors`: what is new in a source is computed and committed, nothing twice.

The order: find and hash the files; fix the grey-level window of each kind of picture that the
store meets for the first time; then read, embed and commit in rounds. Windows are committed
before the first vector, so that a run that was killed goes on as if it had not been.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.console import stage, track
from embeddings.errors import InputError, OptionError
from embeddings.extract.choose import Choice, Extractor, choose_extractor, make_extractor
from embeddings.extract.metadata import join_metadata
from embeddings.extract.options import ExtractOptions
from embeddings.extract.reader import Job, Prepared, Reading, Recipe, make_frame, read_jobs
from embeddings.extract.sources import (
    Fingerprinted,
    Source,
    fingerprint_files,
    open_source,
    read_only_list,
)
from embeddings.extract.windows import fix_windows
from embeddings.images import read_sizes
from embeddings.records import ExtractorSpec
from embeddings.store import Store, StoreWriter, create_store, open_store, store_exists
from embeddings.tables import read_boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What an extraction did. computed + reused + quarantined = the files that were found.

    Attributes
    ----------
    ids : (n,) array of str
        The source's images in the store, in the order of their paths, each once.
    paths : DataFrame
        Columns path, file_id: every file of the source that has vectors.
    computed, reused, ignored : int
        Files; `reused` counts exact duplicates too.
    rows : int
        Vectors that were computed (pages, tiles and crops count).
    """

    ids: NDArray[np.str_]
    paths: pd.DataFrame
    computed: int
    reused: int
    rows: int
    ignored: int
    quarantined: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The counts in words, for the last line of a command."""
        text = f"computed {self.computed}, reused {self.reused}"
        return text + f", quarantined {len(self.quarantined)}, ignored {self.ignored}"


def extract_vectors(
    source: Path, store_path: Path, *, options: ExtractOptions | None = None
) -> Extracted:
    """Bring a store up to date with a source.

    Parameters
    ----------
    source : Path
        A folder (searched recursively), a CSV with a column ``path``, or one image.
    store_path : Path
        The store; made when absent.

    Raises
    ------
    InputError, OptionError
        The source or an option cannot be used.
    StoreError
        The store cannot be read or written, or holds vectors of another extractor.
    WeightsError
        The weights cannot be had.
    """
    options = options or ExtractOptions()
    workers = options.workers or min(os.cpu_count() or 1, 16)
    with stage("find images") as facts:
        found = open_source(source, options)
        facts.update(files=len(found.files), ignored=found.ignored)
    store = open_store(store_path) if store_exists(store_path) else None
    choice = choose_extractor(options, store)
    extractor = None
    if store is None:
        # Loaded first: weights that do not fit must not leave a store behind.
        extractor = _load(choice, options)
        dtype = options.vector_dtype or "float32"
        store = create_store(store_path, choice.spec, vector_dtype=dtype)
    with stage("fingerprint") as facts:
        printed = fingerprint_files(found.files, store.files(), workers=workers)
        facts.update(files=len(printed.files))
    return _Extraction(choice, options, store, found, printed, workers, extractor).run()


def _load(choice: Choice, options: ExtractOptions) -> Extractor:
    with stage("load extractor") as facts:
        extractor = make_extractor(choice, options)
        facts.update(extractor=_name(extractor.spec))
    return extractor


class _Extraction:
    """One call's state: what is wanted, what is there, what came of it."""

    def __init__(
        self,
        choice: Choice,
        options: ExtractOptions,
        store: Store,
        found: Source,
        printed: Fingerprinted,
        workers: int,
        extractor: Extractor | None,
    ) -> None:
        self.extractor = extractor
        self.choice, self.options, self.store = choice, options, store
        self.found, self.workers = found, workers
        self.recipe = _make_recipe(options)
        self.files = _select(printed.files, self.recipe, options)
        self.faults = [*found.quarantined, *printed.quarantined]
        self.computed: set[str] = set()
        self.rows = 0

    def run(self) -> Extracted:
        jobs = self._make_jobs()
        with self.store.write() as writer:
            if jobs:
                self._compute(jobs, writer)
            self._settle_files(writer)
        return self._report()

    def _make_jobs(self) -> list[Job]:
        """Each content that lacks rows of this recipe, once, in the order of paths."""
        there = self.store.rows()
        of_recipe = there[there["region"] == self.recipe.name]
        ids, done = set(of_recipe["image_id"]), set(of_recipe["file_id"])
        metadata = join_metadata(self.options.metadata, self.files["path"].tolist())
        jobs: dict[str, Job] = {}
        for path, file_id in zip(self.files["path"], self.files["file_id"], strict=True):
            if self.recipe.boxes is not None:
                complete = ids.issuperset(self.recipe.crop_ids(path, file_id))
            else:
                complete = file_id in done
            if not complete and file_id not in jobs:
                jobs[file_id] = Job(path=path, file_id=file_id, metadata=metadata.get(path, {}))
        self._known_ids = ids
        return list(jobs.values())

    def _compute(self, jobs: Sequence[Job], writer: StoreWriter) -> None:
        extractor = self.extractor or _load(self.choice, self.options)
        if extractor.spec.window is None:
            self._fix_windows(self.files["path"].tolist(), writer)
        deferred = self._compute_pass(jobs, extractor, writer)
        while deferred:  # each turn fixes the window of at least one more kind of picture
            self._fix_windows([job.path for job in deferred], writer)
            deferred = self._compute_pass(deferred, extractor, writer)

    def _fix_windows(self, paths: Sequence[str], writer: StoreWriter) -> None:
        fix_windows(paths, writer, level=self.choice.spec.level, options=self.options)

    def _compute_pass(
        self, jobs: Sequence[Job], extractor: Extractor, writer: StoreWriter
    ) -> list[Job]:
        """Compute and commit; return the jobs whose kind of picture has no window yet."""
        reading = Reading(
            spec=extractor.spec,
            recipe=self.recipe,
            windows=dict(writer.windows),
            um_per_pixel=self.options.um_per_pixel,
            max_pixels=self.options.max_pixels,
        )
        batch_size = self.options.batch_size or (128 if "cuda" in extractor.spec.backend else 16)
        ahead = 2 * self.workers if self.recipe.name else 2 * self.workers + 2 * batch_size
        deferred: list[Job] = []
        with stage("extract") as facts:
            prepared = read_jobs(jobs, reading, workers=self.workers, ahead=ahead)
            tracked = track(prepared, total=len(jobs), what="extract")
            for round_ in _rounds(tracked, self.options.commit_every):
                deferred += [file.job for file in round_ if file.is_deferred]
                self._commit(
                    [f for f in round_ if not f.is_deferred], extractor, writer, batch_size
                )
            facts.update(images=len(self.computed), vectors=self.rows)
        return deferred

    def _commit(
        self, files: list[Prepared], extractor: Extractor, writer: StoreWriter, batch_size: int
    ) -> None:
        """Embed whole files and commit them: a file is in the store with all its rows, or not."""
        self.faults += [(file.job.path, file.fault) for file in files if file.fault]
        new = [
            (image_id, image, row)
            for file in files
            for image_id, image, row in zip(file.ids, file.images, file.rows, strict=True)
            if image_id not in self._known_ids
        ]
        # Two boxes around the same place are one crop.
        unique = list({image_id: (image_id, image, row) for image_id, image, row in new}.values())
        if unique:
            values = embed_images(extractor, [image for _, image, _ in unique], batch_size)
            ids = np.array([image_id for image_id, _, _ in unique], dtype=np.str_)
            done = {file.job.file_id for file in files if file.ids}
            writer.set_files(self.files[self.files["file_id"].isin(done)])
            writer.append(ids, values, make_frame([row for _, _, row in unique]))
            self._known_ids.update(ids.tolist())
            self.rows += len(ids)
        self.computed.update(file.job.file_id for file in files if file.ids)
        writer.set_quarantine(self.faults)
        writer.commit()

    def _settle_files(self, writer: StoreWriter) -> None:
        """Record every path that has vectors, and forget those that are gone from the root."""
        broken = {path for path, _ in self.faults}
        self.files = self.files[~self._is_broken(broken)]
        writer.set_files(self.files)
        before, now = self.store.files()["path"].tolist(), self.files["path"].tolist()
        writer.forget_files(_gone(before, now, self.found.root))
        writer.set_quarantine(self.faults)
        writer.commit()

    def _is_broken(self, broken: set[str]) -> pd.Series:
        """Tell which files share the content of a file that could not be read."""
        files = self.files
        contents = set(files.loc[files["path"].isin(broken), "file_id"])
        faulty: pd.Series = files["file_id"].isin(contents)
        known = {path for path, _ in self.faults}
        for path in files.loc[faulty & ~files["path"].isin(known), "path"]:
            self.faults.append((path, "the same bytes as another file that cannot be read"))
        return faulty

    def _report(self) -> Extracted:
        rows = open_store(self.store.path).rows()
        rows = rows[rows["region"] == self.recipe.name]
        ids = _order_ids(rows, self.files, self.recipe)
        if self.options.only is not None:
            ids = _keep_only(ids, self.files, self.options.only)
        first = self.files.drop_duplicates("file_id")["file_id"]
        computed = int(first.isin(self.computed).sum())
        return Extracted(
            ids=ids,
            paths=self.files[["path", "file_id"]].reset_index(drop=True),
            computed=computed,
            reused=len(self.files) - computed,
            rows=self.rows,
            ignored=self.found.ignored,
            quarantined=tuple(sorted(set(self.faults))),
            warnings=self.choice.warnings,
        )


def embed_images(
    extractor: Extractor, images: Sequence[NDArray[np.float32]], batch_size: int
) -> NDArray[np.float32]:
    """Embed pictures of any shape: batches of one shape, each filled up to `batch_size`.

    Filled up, because arithmetic kernels differ by batch size: so a picture gets the same
    vector, bit for bit, whatever batch it comes in.
    """
    values = np.empty((len(images), extractor.spec.dim), np.float32)
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for position, image in enumerate(images):
        by_shape.setdefault(image.shape, []).append(position)
    for shape, positions in by_shape.items():
        for start in range(0, len(positions), batch_size):
            taken = positions[start : start + batch_size]
            batch = np.zeros((batch_size, *shape), np.float32)  # (b, c, h, w)
            batch[: len(taken)] = np.stack([images[i] for i in taken])
            values[taken] = extractor(batch)[: len(taken)]
    return values


def _rounds(prepared: Iterator[Prepared], size: int) -> Iterator[list[Prepared]]:
    """Group files until a round holds `size` pictures."""
    round_: list[Prepared] = []
    pictures = 0
    for file in prepared:
        round_.append(file)
        pictures += max(1, len(file.ids))
        if pictures >= size:
            yield round_
            round_, pictures = [], 0
    if round_:
        yield round_


def _name(spec: ExtractorSpec) -> str:
    return f"{spec.name} {'+'.join(spec.layers)} {spec.precision} on {spec.backend}"


def _make_recipe(options: ExtractOptions) -> Recipe:
    if options.boxes is None:
        return Recipe(tile=options.tile or 0)
    table = read_boxes(options.boxes, um_per_pixel=options.um_per_pixel, read_sizes=read_sizes)
    boxes: dict[str, list[tuple[float, float, float, float, int]]] = {}
    columns = ("path", "xmin", "ymin", "xmax", "ymax", "page")
    for path, *box, page in table[list(columns)].itertuples(index=False, name=None):
        boxes.setdefault(path, []).append((*box, int(page)))
    return Recipe(boxes=boxes)


def _select(files: pd.DataFrame, recipe: Recipe, options: ExtractOptions) -> pd.DataFrame:
    """Leave out what has no box, or is not on the list of --only."""
    kept = files
    if recipe.boxes is not None:
        kept = kept[kept["path"].isin(list(recipe.boxes))]
        if kept.empty:
            raise InputError(
                f"--boxes {options.boxes}: none of its {len(recipe.boxes)} paths is an image of "
                "the source; expected paths relative to the file itself, or absolute"
            )
    if options.only is not None:
        wanted = read_only_list(options.only)
        mask = [wanted(p, f) for p, f in zip(kept["path"], kept["file_id"], strict=True)]
        # A crop's or tile's id names its file: take the file, the rest is left out by id later.
        kept = kept[mask] if any(mask) else kept
    return kept.reset_index(drop=True)


def _keep_only(ids: NDArray[np.str_], files: pd.DataFrame, only: Path) -> NDArray[np.str_]:
    wanted = read_only_list(only)
    path_of = dict(zip(files["file_id"], files["path"], strict=True))
    kept = np.array([i for i in ids if wanted(path_of[i[:16]], i)], dtype=np.str_)
    if not len(kept):
        raise OptionError(f"--only {only}: none of its images is in the source")
    return kept


def _gone(before: Sequence[str], now: Sequence[str], root: Path | None) -> list[str]:
    """Return the paths under `root` that the store knows and the search did not find."""
    if root is None:
        return []
    prefix = str(root).rstrip(os.sep) + os.sep
    return sorted({path for path in before if path.startswith(prefix)} - set(now))


def _order_ids(rows: pd.DataFrame, files: pd.DataFrame, recipe: Recipe) -> NDArray[np.str_]:
    """Ids of the files' rows: by path, then page, then position."""
    first = files.drop_duplicates("file_id").reset_index(drop=True)
    place = pd.Series(first.index, index=first["file_id"])
    mine = rows[rows["file_id"].isin(place.index)]
    if recipe.boxes is not None:
        wanted = {
            crop
            for path, file_id in zip(files["path"], files["file_id"], strict=True)
            for crop in recipe.crop_ids(path, file_id)
        }
        mine = mine[mine["image_id"].isin(list(wanted))]
    order = mine.assign(place=mine["file_id"].map(place))
    order = order.sort_values(["place", "page", "y0", "x0", "image_id"])
    return order["image_id"].to_numpy(dtype=np.str_)
