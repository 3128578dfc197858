"""Jobs become rows of a store: read ahead, embedded in batches, committed in whole files."""

import time
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.console import note_kept, stage, track
from embeddings.extract.batches import Batches, default_batch_size
from embeddings.extract.choose import Choice, make_extractor
from embeddings.extract.data_bars import survey_bars
from embeddings.extract.options import ExtractOptions
from embeddings.extract.pieces import Job, Prepared
from embeddings.extract.recipe import Recipe
from embeddings.extract.rows import RowPlan, make_frame, read_jobs
from embeddings.extractors import Extractor
from embeddings.images import Picture, stream_pictures
from embeddings.reader import BarSurvey, Preparation, Previews, choose_windows
from embeddings.reader.preparation import Stream
from embeddings.store import Store, StoreWriter

# What a crash or Ctrl-C may cost at most, beside the file that is being read: half of what is
# promised, as a batch of the network comes on top of it.
COMMIT_SECONDS = 10.0


class Round:
    """Files with all their rows: those computed since the last commit, and those that came to none.

    Attributes
    ----------
    jobs : list of Job
        Files that are done, and not taken yet.
    rows : dict of image id to dict
    deferred : list of Job
        Files that have to wait for a window of grey levels.
    faults, changed : list of (path, reason)
        Files that cannot be used; those that were written to since they were hashed.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.jobs: list[Job] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.deferred: list[Job] = []
        self.faults: list[tuple[str, str]] = []
        self.changed: list[tuple[str, str]] = []

        self._of_file: list[str] = []  # rows of the file that is being read

    def add(self, piece: Prepared, known_ids: Set[str]) -> None:
        """Take a piece of a file; rows that the store has, or that two boxes share, are known.

        A file that turns out to be unusable, or that has to wait, leaves no row.
        """
        if piece.is_deferred:
            self.deferred.append(piece.job)
        elif piece.fault:
            kept = self.changed if piece.has_changed else self.faults
            kept.append((piece.job.path, piece.fault))
        if piece.fault or piece.is_deferred:
            # Commits are between files, so all of its rows so far are still here.
            self._batches.forget(self._of_file)  # a copy of the file may bear the same ids
            for image_id in self._of_file:
                del self.rows[image_id]
            self._of_file = []
            return
        for image_id, image, row in zip(piece.ids, piece.images, piece.rows, strict=True):
            if image_id not in known_ids and image_id not in self.rows:
                self.rows[image_id] = row
                self._of_file.append(image_id)
                self._batches.add(image_id, image)
        if piece.is_last:
            self.jobs.append(piece.job)
            self._of_file = []

    def take(self) -> tuple[NDArray[np.str_], NDArray[np.float32], pd.DataFrame] | None:
        """Return ids (b,), vectors (b, dim) and facts of the rows; None of none. Begin anew."""
        rows, vectors = self.rows, self._batches.take()
        self.jobs, self.rows = [], {}
        if not rows:
            return None
        values = np.stack([vectors[image_id] for image_id in rows])
        return np.array(list(rows), dtype=np.str_), values, make_frame(list(rows.values()))


class Computation:
    """What one extraction computes, and what came of it.

    Attributes
    ----------
    computed : set of str
        Paths whose rows were computed and committed.
    contents : set of str
        File ids of these.
    rows : int
        Vectors that were computed.
    faults : list of (path, reason)
    changed : list of (path, reason)
        Files that were written to since they were hashed: none of their rows is in the store.
    """

    def __init__(
        self,
        choice: Choice,
        options: ExtractOptions,
        *,
        recipe: Recipe,
        references: Mapping[str, str],
        previews: Previews | None,
    ) -> None:
        self.choice, self.options, self.recipe = choice, options, recipe
        self.references, self.previews = references, previews
        self.computed: set[str] = set()
        self.contents: set[str] = set()
        self.rows = 0
        self.faults: list[tuple[str, str]] = []
        self.changed: list[tuple[str, str]] = []
        self._extractor: Extractor | None = None

    def load(self) -> Extractor:
        """Load the extractor, once, when something is to be computed: it takes seconds."""
        if self._extractor is None:
            with stage("load extractor") as facts:
                self._extractor = make_extractor(self.choice, self.options)
                spec = self._extractor.spec
                layers = "+".join(spec.layers)
                facts.update(extractor=f"{spec.name} {layers} {spec.precision} on {spec.backend}")
        return self._extractor

    def check(self) -> None:
        """Load the extractor: weights that do not fit must not leave a store behind."""
        self.load()

    def run(
        self, jobs: Sequence[Job], writer: StoreWriter, *, files: pd.DataFrame, known: set[str]
    ) -> None:
        """Compute and commit what the jobs lack.

        Parameters
        ----------
        files : DataFrame
            Columns path, file_id, size, mtime_ns: all files of the source, copies too.
        known : set of str
            Ids that the store has already.
        """
        self._files, self._known = files, known
        survey = None if self.choice.spec.data_bar == "keep" else BarSurvey(writer.bars)
        # A store that has windows has had its sample: kinds it has not met are deferred.
        if self.choice.spec.window is None and not writer.windows:
            self._fix_windows(files["path"].tolist(), writer, survey)
        if survey is not None:
            # Of what is new alone, once there are vectors: it may be of another tool.
            paths, again = [job.path for job in jobs], len(writer) > 0
            stream = self._stream
            bars = survey_bars(survey, paths, self.options, stream=stream, again=again)
            writer.set_bars(bars)
        # Before the first vector: a run that is killed goes on as if it had not been.
        writer.commit()
        deferred = self._compute_pass(jobs, writer)
        while deferred:  # each turn fixes the window of at least one more kind of picture
            survey = None if survey is None else BarSurvey(writer.bars)
            self._fix_windows([job.path for job in deferred], writer, survey)
            writer.commit()
            deferred = self._compute_pass(deferred, writer)

    @property
    def _stream(self) -> Stream:
        return stream_pictures if self.previews is None else self.previews.stream

    def _fix_windows(
        self, paths: Sequence[str], writer: StoreWriter, survey: BarSurvey | None
    ) -> None:
        """Fix a window for every new kind of picture in a sample of these files."""
        found = choose_windows(
            paths,
            writer.windows,
            level=self.choice.spec.level,
            max_pixels=self.options.max_pixels,
            reading=self.choice.spec.reading,
            stream=self._stream,
            cut=_see_all if survey is None else survey.look,
        )
        for kind, window in found.items():
            writer.set_window(kind, window)

    def _compute_pass(self, jobs: Sequence[Job], writer: StoreWriter) -> list[Job]:
        """Compute and commit; return the jobs whose kind of picture has no window yet."""
        spec, options = self.choice.spec, self.options
        plan = self.make_plan(writer)
        batch_size = options.batch_size or default_batch_size(spec)
        self._last_commit, self._since_cut = time.monotonic(), 0
        round_ = Round(Batches(self.load, batch_size))
        with stage("extract") as facts:
            pieces = read_pieces(jobs, plan, workers=options.threads, batch_size=batch_size)
            tracked = track(pieces, total=len(jobs), what="extract", ends=lambda one: one.is_last)
            for piece in tracked:
                round_.add(piece, self._known)
                # Between files: one is in the store with all its rows, or not at all.
                if piece.is_last and self._is_due(round_):
                    self._commit(round_, writer)
            self._commit(round_, writer)
            facts.update(images=len(self.computed), vectors=self.rows)
        self.faults += round_.faults
        self.changed += round_.changed
        return round_.deferred

    def make_plan(self, store: StoreWriter | Store) -> RowPlan:
        """Return how files become rows, by the windows and bars that the store has now."""
        options = self.options
        return RowPlan(
            how=Preparation(
                spec=self.choice.spec,
                windows=dict(store.windows),
                max_pixels=options.max_pixels,
                bars=store.bars,
            ),
            recipe=self.recipe,
            um_per_pixel=options.um_per_pixel,
            references=self.references,
            previews=self.previews,
            needs_bar=options.data_bar == "crop",
        )

    def _is_due(self, round_: Round) -> bool:
        """Tell whether what is computed is to be committed now: it is enough, or it is old."""
        # Counted from the last cut by number: where the clock cuts, too, is mended by `merge`, and
        # the segments then end where they would have ended without a clock.
        if self._since_cut + len(round_.rows) >= self.options.commit_every:
            return True
        is_old = time.monotonic() - self._last_commit >= COMMIT_SECONDS
        return is_old and len(round_.rows) > 0

    def _commit(self, round_: Round, writer: StoreWriter) -> None:
        """Commit whole files."""
        jobs, made = round_.jobs, round_.take()
        contents = [job.file_id for job in jobs]
        # All paths of these contents: a copy is as good as the file that was read.
        writer.set_files(self._files[self._files["file_id"].isin(contents)])
        if made is not None:
            writer.append(*made)
            ids: list[str] = made[0].tolist()
            self._known.update(ids)
            self.rows += len(ids)
            note_kept(f"{self.rows} new vectors in {writer.folder}; the same command goes on there")
            self._since_cut += len(ids)
            if self._since_cut >= self.options.commit_every:
                self._since_cut = 0
        self.contents.update(contents)
        self.computed.update(job.path for job in jobs)
        writer.commit()
        self._last_commit = time.monotonic()


def _see_all(page: Picture) -> Picture:
    return page


def read_pieces(
    jobs: Sequence[Job], plan: RowPlan, *, workers: int, batch_size: int
) -> Iterator[Prepared]:
    """Yield the pieces of each job's file in order, as far ahead as batches ask for."""
    # A file gives many tiles or crops; of whole pictures two batches wait beside the readers.
    ahead = 2 * workers + (0 if plan.recipe.name else 2 * batch_size)
    return read_jobs(jobs, plan, workers=workers, ahead=ahead)
