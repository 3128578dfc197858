"""`extract_vectors`: what is new in a source is computed and committed, nothing twice.

The order: find and hash the files; fix the grey-level window of each kind of picture that the
store meets for the first time; then read, embed and commit in rounds. Windows are committed
before the first vector, so that a run that was killed goes on as if it had not been.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.console import get_logger, stage, track
from embeddings.extract.batches import Batches, Round, default_batch_size
from embeddings.extract.choose import Choice, choose_extractor, make_extractor
from embeddings.extract.metadata import (
    Joined,
    add_references,
    count_outdated,
    find_references,
    join_metadata,
)
from embeddings.extract.options import ExtractOptions
from embeddings.extract.rows import (
    Job,
    Recipe,
    RowPlan,
    check_boxes,
    make_frame,
    make_recipe,
    read_jobs,
)
from embeddings.extract.sources import (
    OnlyList,
    Source,
    fingerprint_files,
    is_under,
    open_source,
    order_ids,
    read_only_list,
    select_files,
)
from embeddings.extractors import Extractor
from embeddings.images import Window
from embeddings.reader import Preparation, Previews, choose_windows
from embeddings.records import ExtractorSpec
from embeddings.store import Store, StoreWriter, create_store, open_store, store_exists


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
    source: Path,
    store_path: Path,
    *,
    options: ExtractOptions | None = None,
    previews: Previews | None = None,
) -> Extracted:
    """Bring a store up to date with a source.

    Parameters
    ----------
    source : Path
        A folder (searched recursively), a CSV with a column ``path``, or one image.
    store_path : Path
        The store; made when absent.
    previews : Previews, optional
        Filled with small pictures of what is computed, for a round that looks at them next.

    Raises
    ------
    InputError, OptionError
        The source, a table or an option cannot be used.
    StoreError
        The store cannot be read or written, or holds vectors of another extractor.
    WeightsError
        The weights cannot be had.
    """
    options = options or ExtractOptions()
    with stage("find images") as facts:
        found = open_source(source, options)
        facts.update(files=len(found.files), ignored=found.ignored)
    # Every table is read before anything is written: a wrong one leaves no store behind.
    paths = [str(path) for path in found.files]
    recipe = make_recipe(options)
    check_boxes(recipe, paths, options.boxes)
    metadata = join_metadata(options.metadata, paths)
    only = None if options.only is None else read_only_list(options.only)
    store = open_store(store_path) if store_exists(store_path) else None
    choice = choose_extractor(options, store)
    references = find_references(source, paths, choice.spec, options=options)
    windows: dict[str, Window] = {}
    if choice.lacks_bank:
        from embeddings.extract.first_pass import Lot, run_first_pass

        lot = Lot(paths=paths, recipe=recipe, only=only, references=references)
        choice, windows = run_first_pass(choice, lot, options=options)
    extraction = _Extraction(choice, options, found, references=references, previews=previews)
    if store is None:
        extraction.load()  # weights that do not fit must not leave a store behind either
        store = create_store(
            store_path,
            choice.spec,
            vector_dtype=options.vector_dtype or "float32",
            windows=windows,
            bank=None if choice.bank is None else choice.bank.to_arrays(),
        )
    metadata = add_references(metadata, references)
    return extraction.run(store, recipe=recipe, metadata=metadata, only=only)


class _Extraction:
    """One call's state: what is wanted, what is there, what came of it."""

    def __init__(
        self,
        choice: Choice,
        options: ExtractOptions,
        found: Source,
        *,
        references: Mapping[str, str],
        previews: Previews | None,
    ) -> None:
        self.choice, self.options, self.found = choice, options, found
        self.references, self.previews = references, previews
        self.workers = options.threads
        self.warnings = list(choice.warnings)
        self.computed: set[str] = set()  # paths
        self.rows = 0
        self.extractor: Extractor | None = None

    def load(self) -> Extractor:
        """Load the extractor, once, when something is to be computed: it takes seconds."""
        if self.extractor is None:
            with stage("load extractor") as facts:
                self.extractor = make_extractor(self.choice, self.options)
                facts.update(extractor=_name(self.extractor.spec))
        return self.extractor

    def run(
        self, store: Store, *, recipe: Recipe, metadata: Joined, only: OnlyList | None
    ) -> Extracted:
        self.recipe, self.metadata, self.only = recipe, metadata, only
        with store.write() as writer:
            self.store = store.refresh()  # nobody else writes from here on
            with stage("fingerprint") as facts:
                known = self.store.files()
                printed = fingerprint_files(self.found.files, known, workers=self.workers)
                facts.update(files=len(printed.files))
            self.all_files = printed.files
            self.files = select_files(printed.files, recipe, only)
            self.faults = [*self.found.quarantined, *printed.quarantined]
            jobs = self._make_jobs()
            if jobs:
                self._compute(jobs, writer)
            self._settle_files(writer)
        return self._report()

    def _make_jobs(self) -> list[Job]:
        """Each content that lacks rows of this recipe, once, in the order of paths."""
        there = self.store.rows()
        of_recipe = there[there["region"] == self.recipe.name]
        self._known_ids, done = set(of_recipe["image_id"]), set(of_recipe["file_id"])
        self._contents = set(there["file_id"])  # what can be read, as some rows show
        jobs: dict[str, Job] = {}
        for path, file_id in zip(self.files["path"], self.files["file_id"], strict=True):
            if self.recipe.boxes is None:
                key, is_complete = file_id, file_id in done
            else:  # copies of one file may have boxes of their own
                key = path
                is_complete = self._known_ids.issuperset(self.recipe.crop_ids(path, file_id))
            if not is_complete and key not in jobs:
                known = self.metadata.get(path, {})
                jobs[key] = Job(path=path, file_id=file_id, metadata=known)
        self._warn_outdated(of_recipe)
        return list(jobs.values())

    def _warn_outdated(self, rows: pd.DataFrame) -> None:
        n = count_outdated(self.metadata, self.files, rows) if self.metadata else 0
        if n:
            table = self.options.metadata
            told = "the column reference" if table is None else f"--metadata {table}"
            text = (
                f"{told} says something new of {n} images that the "
                "store holds already: it keeps what it has; make a new store to change it"
            )
            get_logger().warning("WARNING: %s", text)
            self.warnings.append(text)

    def _compute(self, jobs: Sequence[Job], writer: StoreWriter) -> None:
        # A store that has windows has had its sample: kinds it has not met are deferred.
        if self.choice.spec.window is None and not writer.windows:
            self._fix_windows(self.files["path"].tolist(), writer)
        deferred = self._compute_pass(jobs, writer)
        while deferred:  # each turn fixes the window of at least one more kind of picture
            self._fix_windows([job.path for job in deferred], writer)
            deferred = self._compute_pass(deferred, writer)

    def _fix_windows(self, paths: Sequence[str], writer: StoreWriter) -> None:
        """Fix and commit a window for every new kind of picture in a sample of these files."""
        level, most = self.choice.spec.level, self.options.max_pixels
        found = choose_windows(paths, writer.windows, level=level, max_pixels=most)
        for kind, window in found.items():
            writer.set_window(kind, window)
        writer.commit()

    def _compute_pass(self, jobs: Sequence[Job], writer: StoreWriter) -> list[Job]:
        """Compute and commit; return the jobs whose kind of picture has no window yet."""
        spec, options = self.choice.spec, self.options
        plan = RowPlan(
            how=Preparation(spec=spec, windows=dict(writer.windows), max_pixels=options.max_pixels),
            recipe=self.recipe,
            um_per_pixel=options.um_per_pixel,
            references=self.references,
            previews=self.previews,
        )
        batch_size = options.batch_size or default_batch_size(spec)
        ahead = 2 * self.workers if self.recipe.name else 2 * self.workers + 2 * batch_size
        deferred: list[Job] = []
        round_ = Round(Batches(self.load, batch_size))
        with stage("extract") as facts:
            pieces = read_jobs(jobs, plan, workers=self.workers, ahead=ahead)
            shown = track(pieces, total=len(jobs), what="extract", ends=lambda one: one.is_last)
            for piece in shown:
                if piece.is_deferred:
                    deferred.append(piece.job)
                elif piece.fault:
                    self.faults.append((piece.job.path, piece.fault))
                round_.add(piece, self._known_ids)
                if piece.is_last and len(round_.rows) >= options.commit_every:
                    self._commit(round_, writer)
            self._commit(round_, writer)
            facts.update(images=len(self.computed), vectors=self.rows)
        return deferred

    def _commit(self, round_: Round, writer: StoreWriter) -> None:
        """Commit whole files: a file is in the store with all its rows, or not at all."""
        jobs, rows = round_.jobs, round_.rows
        contents = [job.file_id for job in jobs]
        vectors = round_.take()
        writer.set_files(self.files[self.files["file_id"].isin(contents)])
        if rows:
            ids = np.array(list(rows), dtype=np.str_)
            values = np.stack([vectors[image_id] for image_id in rows])  # (b, dim)
            writer.append(ids, values, make_frame(list(rows.values())))
            self._known_ids.update(rows)
            self.rows += len(rows)
        self._contents.update(contents)
        self.computed.update(job.path for job in jobs)
        writer.commit()

    def _settle_files(self, writer: StoreWriter) -> None:
        """Record every path whose content has vectors, and forget those that are gone."""
        self._drop_faulty()
        has_rows = self.all_files["file_id"].isin(list(self._contents))
        writer.set_files(self.all_files[has_rows])
        here, root = {str(path) for path in self.found.files}, self.found.root
        settled = set(self.all_files.loc[has_rows, "path"])
        gone = [
            path
            for path in self.store.files()["path"]
            if path not in settled and (path in here or is_under(path, root))
        ]
        writer.forget_files(gone)
        # What was found wrong with files that this call did not look at is still so.
        kept = [
            (path, reason)
            for path, reason in self.store.quarantine().itertuples(index=False, name=None)
            if path not in self.looked_at and (path in here or not is_under(path, root))
        ]
        writer.set_quarantine([*kept, *self.faults])
        writer.commit()

    def _drop_faulty(self) -> None:
        """Leave out files that could not be used, with the copies that share their bytes."""
        broken = {path for path, _ in self.faults}
        is_broken = self.files["path"].isin(list(broken))
        if self.recipe.boxes is None:
            contents = set(self.files.loc[is_broken, "file_id"])
            for path in self.files.loc[self.files["file_id"].isin(list(contents)), "path"]:
                if path not in broken:
                    reason = "the same bytes as another file that cannot be read"
                    self.faults.append((path, reason))
            is_broken = self.files["file_id"].isin(list(contents))
        self.looked_at = set(self.files["path"])
        self.files = self.files[~is_broken]

    def _report(self) -> Extracted:
        rows = open_store(self.store.path).rows()
        rows = rows[rows["region"] == self.recipe.name]
        return Extracted(
            ids=order_ids(rows, self.files, recipe=self.recipe, only=self.only),
            paths=self.files[["path", "file_id"]].reset_index(drop=True),
            computed=len(self.computed),
            reused=len(self.files) - len(self.computed),
            rows=self.rows,
            ignored=self.found.ignored,
            quarantined=tuple(sorted(set(self.faults))),
            warnings=tuple(self.warnings),
        )


def _name(spec: ExtractorSpec) -> str:
    return f"{spec.name} {'+'.join(spec.layers)} {spec.precision} on {spec.backend}"
