"""`extract_vectors`: what is new in a source is computed and committed, nothing twice.

The order: find and hash the files; fix the grey-level window of each kind of picture that the
store meets for the first time; then read, embed and commit in rounds. Windows are committed
before the first vector, so that a run that was killed goes on as if it had not been.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from embeddings.console import get_logger, stage
from embeddings.extract.agreement import check_precision, require_network
from embeddings.extract.choose import locate_file
from embeddings.extract.compute import Computation
from embeddings.extract.engines import LocalEngine, check_engine, open_engine
from embeddings.extract.extracted import Extracted
from embeddings.extract.listed import open_list
from embeddings.extract.masks import tell_masks
from embeddings.extract.metadata import Joined, join_metadata, note_changes
from embeddings.extract.noticed import tell_idle, tell_noticed
from embeddings.extract.options import ExtractOptions
from embeddings.extract.pieces import Job
from embeddings.extract.recipe import check_boxes, make_recipe
from embeddings.extract.references import add_references, find_references
from embeddings.extract.sources import (
    OnlyList,
    Source,
    fingerprint_files,
    is_under,
    open_source,
    order_ids,
    select_files,
)
from embeddings.images import Window, check_apart
from embeddings.paths import takes_paths
from embeddings.plurals import tell_count
from embeddings.reader import Previews
from embeddings.reading import READING
from embeddings.records import DataBars
from embeddings.store import (
    Store,
    StoreWriter,
    create_store,
    open_store,
    remember_weights,
    store_exists,
)
from embeddings.store.staging import remove_staging

_TURNS = 3  # that a file is read which is written to while it is read


@takes_paths
def extract_vectors(
    source: Path,
    store_path: Path,
    *,
    options: ExtractOptions | None = None,
    previews: Previews | None = None,
    tells: bool = True,
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
    tells : bool
        Whether to tell what was noticed about the files; of several views of them one does.

    Raises
    ------
    InputError, OptionError, WeightsError
        The source, a table, an option or the weights cannot be used.
    StoreError
        The store cannot be read or written, or holds vectors of another extractor.
    """
    options = options or ExtractOptions()
    check_engine(options)
    has_store = store_exists(store_path)
    if not has_store:  # one that is there may go on: it is left out of the listing
        check_apart(store_path, source, flag="--store")
    with stage("find images") as facts:
        found = open_source(source, options)
        facts.update(files=len(found.files), ignored=found.ignored)
    # Every table is read before anything is written: a wrong one leaves no store behind.
    paths = [str(path) for path in found.files]
    store = open_store(store_path) if has_store else None
    recipe = make_recipe(options, paths, reading=store.spec.reading if store else READING)
    check_boxes(recipe, paths, options.boxes)
    metadata = join_metadata(options.metadata, paths)
    only = open_list(options.only, paths, recipe, is_new=store is None)
    with open_engine(options, store) as engine:
        choice = engine.choose(tells=tells)
        if options.check_precision is not None:
            require_network(choice)
        references = find_references(source, paths, choice.spec, options=options)
        windows: dict[str, Window] = {}
        bars: DataBars = {}
        if choice.lacks_bank:
            from embeddings.extract.first_pass import Lot

            lot = Lot(paths=paths, recipe=recipe, only=only, references=references)
            choice, windows, bars = engine.run_first_pass(choice, lot, previews=previews)
        work = engine.make_computation(
            choice, recipe=recipe, references=references, previews=previews
        )
        if store is None:
            work.check()
            store = create_store(
                store_path,
                choice.spec,
                vector_dtype=options.vector_dtype or "float32",
                windows=windows,
                bars=bars,
                bank=None if choice.bank is None else choice.bank.to_arrays(),
                weights_file=locate_file(choice),
            )
        elif options.weights is not None and (place := locate_file(choice)) != store.weights_file:
            remember_weights(store_path, place)
        metadata = add_references(metadata, references)
        done = _Extraction(engine, work, found, metadata=metadata, only=only, tells=tells)
        extracted = done.run(store)
    if options.check_precision is None or not len(extracted.ids):
        return extracted  # that there is nothing is said by whoever asked
    plan = replace(work.make_plan(store := open_store(store_path)), previews=None)
    agreement = check_precision(work.choice, store, extracted.ids, plan=plan, options=options)
    get_logger().info("%s", agreement)
    return replace(extracted, agreement=agreement)


class _Extraction:
    """One call's state: what is wanted, what is there, what came of it."""

    def __init__(
        self,
        engine: LocalEngine,
        work: Computation,
        found: Source,
        *,
        metadata: Joined,
        only: OnlyList | None,
        tells: bool,
    ) -> None:
        self.engine = engine
        self.work, self.found, self.metadata, self.only = work, found, metadata, only
        self.options, self.recipe, self.tells = work.options, work.recipe, tells
        self.warnings = [*work.choice.warnings]
        if tells:
            self.warnings += tell_masks(found, work.options) + tell_idle(found.idle)

    def run(self, store: Store) -> Extracted:
        with store.write() as writer:
            self.store = store.refresh()  # nobody else writes from here on
            with stage("fingerprint") as facts:
                known = self.store.files()
                printed = self.engine.fingerprint(self.found.files, known)
                facts.update(files=len(printed.files))
                # They are among the reused at the end, though the store is new.
                if copies := len(printed.files) - printed.files["file_id"].nunique():
                    facts.update(copies=copies)
            self.all_files = printed.files
            for turns_left in reversed(range(_TURNS)):
                self.files = select_files(self.all_files, self.recipe, self.only)
                jobs = self._make_jobs()
                if turns_left == _TURNS - 1:
                    self._note_metadata(writer)  # committed with whatever is committed next, whole
                if jobs:
                    self.work.run(jobs, writer, files=self.files, known=self._known_ids)
                if not self.work.changed:
                    break
                self._take_changed(turns_left)
            self.faults = [*self.found.quarantined, *printed.quarantined, *self.work.faults]
            self._settle_files(writer)
            remove_staging(writer.folder)  # of a cluster's call that was killed, and is overtaken
            if self.work.rows:  # where nothing was computed, nothing is written
                writer.merge(self.options.commit_every)
        return self._report()

    def _take_changed(self, turns_left: int) -> None:
        """Hash again what was written to since it was hashed, to read it once more."""
        changed, self.work.changed = self.work.changed, []
        paths = {path for path, _ in changed}
        is_kept = ~self.all_files["path"].isin(list(paths))
        if not turns_left:
            self.work.faults += changed
            self.all_files = self.all_files[is_kept]
            return
        nothing = self.all_files[:0]  # what was remembered of them is wrong
        files = [Path(path) for path in self.all_files.loc[~is_kept, "path"]]
        again = fingerprint_files(files, nothing, workers=self.options.threads)
        self.work.faults += again.quarantined
        place = {path: number for number, path in enumerate(self.all_files["path"])}
        found = pd.concat([self.all_files[is_kept], again.files])
        self.all_files = found.sort_values("path", key=lambda column: column.map(place))
        self.store = self.store.refresh()  # the rows of this turn are there

    def _make_jobs(self) -> list[Job]:
        """Each content that lacks rows of this recipe, once, in the order of paths."""
        there = self.store.rows()
        of_recipe = there[there["region"] == self.recipe.name]
        self._known_ids, done = set(of_recipe["image_id"]), set(of_recipe["file_id"])
        self._contents = set(there["file_id"])  # what can be read, as some rows show
        # Of an earlier turn: what cannot be read is not tried again.
        is_faulty = self.files["path"].isin([path for path, _ in self.work.faults])
        faulty = set(self.files.loc[is_faulty, "file_id"]) if self.recipe.boxes is None else set()
        jobs: dict[str, Job] = {}
        # Of copies the first by path is read; all of them are recorded when it is done.
        files = self.files[~is_faulty & ~self.files["file_id"].isin(list(faulty))]
        for path, file_id in zip(files["path"], files["file_id"], strict=True):
            if self.recipe.boxes is None:
                key, is_complete = file_id, file_id in done
            else:  # copies of one file may have boxes of their own
                key = path
                is_complete = self._known_ids.issuperset(self.recipe.crop_ids(path, file_id))
            if not is_complete and key not in jobs:
                known = self.metadata.get(path, {})
                jobs[key] = Job(path=path, file_id=file_id, metadata=known)
        return list(jobs.values())

    def _note_metadata(self, writer: StoreWriter) -> None:
        """Give images that the store holds already what the table says of them now."""
        if not self.metadata:
            return
        changes = note_changes(self.metadata, self.store, writer, files=self.files)
        if changes.outdated:
            text = (
                "the column reference names another golden image for "
                f"{tell_count(changes.outdated, 'image')} that the store holds already: vectors "
                "are of the old one; make a new store to change it"
            )
            if text not in self.warnings:
                get_logger().warning("WARNING: %s", text)
                self.warnings.append(text)

    def _settle_files(self, writer: StoreWriter) -> None:
        """Record every path whose content has vectors, and forget those that are gone."""
        self._drop_faulty()
        has_rows = self.all_files["file_id"].isin(list(self._contents | self.work.contents))
        writer.set_files(self.all_files[has_rows])
        here, root = {str(path) for path in self.found.files}, self.found.root
        settled = set(self.all_files.loc[has_rows, "path"])
        gone = [
            path
            for path in self.store.files()["path"]
            if path not in settled and (path in here or is_under(path, root))
        ]
        # Their rows stay: a file that comes back under another name costs nothing.
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
        # With boxes each path has rows of its own, and a box that lies outside is its fault alone.
        broken = {path for path, _ in self.faults}
        # Not by isin: pandas' strings hold no name that is not UTF-8, and such a file is a fault.
        is_broken = self.files["path"].map(broken.__contains__).astype(bool)
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
        # Opened anew: `self.store` is of the time before the commits.
        rows = open_store(self.store.path).rows()
        rows = rows[rows["region"] == self.recipe.name]
        ids = order_ids(rows, self.files, recipe=self.recipe, only=self.only)
        if self.tells:
            rows = rows[rows["image_id"].isin(ids.tolist())]
            self.warnings += tell_noticed(rows, self.files)
        return Extracted(
            ids=ids,
            paths=self.files[["path", "file_id"]].reset_index(drop=True),
            fresh=frozenset(self.work.computed),
            reused=len(self.files) - len(self.work.computed),
            rows=self.work.rows,
            ignored=self.found.ignored,
            quarantined=tuple(sorted(set(self.faults))),
            warnings=tuple(self.warnings),
        )
