"""What the steps of one round share: the source, its vectors, the graph rows, and what is known.

`prepare_round` extracts the views. All else is made when a step first asks for it, so that a
round with nothing to do loads neither torch nor UMAP.
"""

import getpass
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from discovery.flow.beside import StepsBeside
from discovery.flow.known_types import KnownImages, guide_rows, read_matches, split_known
from discovery.flow.options import RoundOptions, ViewName
from discovery.flow.sources import RoundSource
from discovery.flow.view_selection import open_views, read_taken
from discovery.records import Duplicates, Neighbours, Rarity
from discovery.runs import COPIES, EMBEDDING, MATCHED, VIEWS_CSV, Run, open_run
from discovery.runs.lineage import LINEAGE_MEMORY
from discovery.runs.state import RUN_JSON
from embeddings.alike_faults import tell_faults
from embeddings.console import stage
from embeddings.errors import InputError, OptionError
from embeddings.files import hash_bytes
from embeddings.images import check_apart
from embeddings.paths import tell_absence
from embeddings.reader import Previews
from embeddings.records import COMPARING, Vectors
from embeddings.store.folder import QUARANTINE


class RoundContext:
    """What one call works on.

    Parameters
    ----------
    given : Path
        The source as the user typed it.
    run : Run
    candidates : mapping of view name to RoundSource
        The source as each view shows it; of several, the step of the views picks one.
    options : RoundOptions
    previews : Previews
        Small pictures of what this process has extracted.
    extraction_seconds : float
        How long the stores took to be brought up to date.
    """

    def __init__(
        self,
        given: Path,
        run: Run,
        *,
        candidates: Mapping[ViewName, RoundSource],
        options: RoundOptions,
        previews: Previews,
        extraction_seconds: float = 0.0,
    ) -> None:
        self.given, self.run = given, run
        self.candidates, self.options, self.previews = candidates, options, previews
        self.extraction_seconds = extraction_seconds
        self.beside = StepsBeside(run)

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.options.seed

    @property
    def sets_matches_aside(self) -> bool:
        """Whether images that match a known type are named, and not clustered."""
        return self.options.known is not None and not self.options.keep_matches

    # --- which images: each from the one before, once its step is done ---

    @cached_property
    def _taken(self) -> RoundSource:
        if len(self.candidates) == 1:
            return next(iter(self.candidates.values()))
        return self.candidates[read_taken(self.run.read_bytes(VIEWS_CSV))]

    @cached_property
    def _split(self) -> tuple[RoundSource, KnownImages | None]:
        if self.options.known is None:
            return self._taken, None
        return split_known(self._taken, self.options.known)

    @property
    def unmatched(self) -> RoundSource:
        """The source without the images of known types."""
        return self._split[0]

    @property
    def known(self) -> KnownImages | None:
        """The images of known types."""
        return self._split[1]

    @cached_property
    def matched(self) -> dict[str, str]:
        """The label of each image that matched a known type, and is not in the source any more."""
        return read_matches(self.run.read_bytes(MATCHED)) if self.sets_matches_aside else {}

    @cached_property
    def source(self) -> RoundSource:
        """The images to discover."""
        # In the source's order, which is the order of all that is made of them.
        left = [i for i in self.unmatched.ids.tolist() if i not in self.matched]
        return replace(self.unmatched, ids=np.array(left, dtype=np.str_))

    # --- what is made of them ---

    @cached_property
    def views(self) -> tuple[Vectors, ...]:
        """The vectors of the images to discover, view by view."""
        with stage("read vectors") as facts:
            views = self.source.load_views()
            facts.update(images=len(views[0]), dimensions=sum(view.spec.dim for view in views))
        return views

    @cached_property
    def vectors(self) -> Vectors:
        """The views side by side."""
        from discovery.flow.space import join_vectors

        return join_vectors(self.views)

    @cached_property
    def graph_rows(self) -> NDArray[np.float32]:
        """The reduced rows, (n, p), that the neighbour graph is made of."""
        from discovery.flow.space import fit_space

        with stage("reduce") as facts:
            if self.options.guided and self.known is not None:
                rows = guide_rows(self.views, self.known, seed=self.seed)
            else:
                rows = fit_space(self.views, seed=self.seed).rows
            facts.update(images=len(rows), dimensions=rows.shape[1])
        return rows

    @cached_property
    def graph(self) -> Neighbours:
        """The neighbour graph that is in the run, once its step is done."""
        return self.run.load_neighbours(self.vectors.ids)

    @cached_property
    def cluster_rows(self) -> NDArray[np.float32]:
        """The rows that the clusterer wants, (n, p); the stability draws from the same."""
        if self.options.clusterer.rows == "umap":
            from discovery.runs.tables import parse_map

            self.beside.finish(EMBEDDING)
            return parse_map(self.run.read_bytes(EMBEDDING))
        from discovery.flow.route import choose_rows

        return choose_rows(
            self.vectors,
            self.graph_rows,
            self.graph,
            choice=self.options.clusterer,
            seed=self.seed,
        )

    @cached_property
    def copies(self) -> Duplicates:
        """The copies among the images, once their step is done."""
        from discovery.stages.duplicates import read_duplicates

        # (n,): a file that is there twice is one image with two paths.
        files = np.array([len(paths) for paths in self.vectors.rows["paths"]], np.int32)
        return read_duplicates(self.run.read_bytes(COPIES), self.vectors.ids, files)

    @cached_property
    def rarity(self) -> Rarity:
        """The order of the run's rare images, once its clusters are there."""
        from discovery.stages.rarity import rank_rare

        return rank_rare(self.run.load_clustering(), self.graph)

    def load_metadata(self) -> tuple[list[str], list[str]]:
        """Load what is known beside their look of the images, and of those set aside."""
        found: list[str] = self.vectors.rows["metadata"].tolist()
        # The store holds all images of the source; those set aside are only marked.
        rows = self.source.store.rows()
        aside: list[str] = rows.loc[rows["image_id"].isin(list(self.matched)), "metadata"].tolist()
        return found, aside

    # --- what artefacts depend on ---

    def hash_inputs(self, *names: str) -> dict[str, str]:
        """Return the sha256 of what a step is made of beside files of the run.

        Parameters
        ----------
        *names : {"candidates", "unmatched vectors", "vectors", "known types", "guide", \
"metadata", "quarantine"}
            `guide` is the known types where they decide how images are compared.
        """
        # Two names may stand for the same input; then they agree.
        found: dict[str, str] = {}
        for name in names:
            found |= _HASHES[name](self)
        return found

    @cached_property
    def vectors_hash(self) -> str:
        """Over all that decides the vectors and their paths."""
        return self.source.digest

    @cached_property
    def known_hash(self) -> dict[str, str]:
        """Over the images of known types and their labels; empty where none are known."""
        return {} if self.known is None else {"known": self.known.digest}


# The names a step may give in `needs`, and the entries they become in run.json.
_HASHES: dict[str, Callable[[RoundContext], dict[str, str]]] = {
    "candidates": lambda c: {name: source.digest for name, source in c.candidates.items()},
    "unmatched vectors": lambda c: {"vectors": c.unmatched.digest},
    "vectors": lambda c: {"vectors": c.vectors_hash},
    "known types": lambda c: c.known_hash,
    "guide": lambda c: c.known_hash if c.options.guided else {},
    "metadata": lambda c: {"metadata": c.unmatched.metadata_digest},
    "quarantine": lambda c: {"quarantine": hash_bytes(repr(c.source.quarantined).encode())},
}


def prepare_round(source: Path, run: Run, options: RoundOptions) -> RoundContext:
    """Bring the source's images into the stores of the views that a round may take.

    Raises
    ------
    DefectDiscoveryError
        The source, an option or a store cannot be used.
    """
    # Each further view, and the sample of a patch bank, reads the pictures once more.
    compares = options.extract.asks_for_bank or options.extract.pooling in COMPARING
    previews = Previews(keep_pages=compares or bool(set(options.views) - {"given"}))
    start = time.monotonic()
    candidates = open_views(source, run.path, options=options, previews=previews)
    if options.adapt:
        from discovery.flow.adaptation import adapt_source

        candidates = {
            name: adapt_source(one, run.path, options=options.extract, seed=options.seed)
            for name, one in candidates.items()
        }
    _tell_quarantined(next(iter(candidates.values())))  # what no view can read is told once
    return RoundContext(
        source,
        run,
        candidates=candidates,
        options=options,
        previews=previews,
        extraction_seconds=time.monotonic() - start,
    )


def _tell_quarantined(source: RoundSource) -> None:
    """Name the files that a view could not use, each with the first store that lists it."""
    left = list(source.quarantined)
    for store in source.stores:
        listed = set(store.quarantine()["path"].tolist())
        told = [fault for fault in left if fault[0] in listed]
        tell_faults(told, what="quarantined", where=store.path / QUARANTINE)
        left = [fault for fault in left if fault[0] not in listed]


def check_places(source: Path, out: Path, *, known: Path | None, since: Path | None) -> None:
    """Refuse before the run's folder is made what could only leave an empty or a stripped run."""
    if not source.exists():
        raise InputError(
            f"{tell_absence(source)}; expected a folder of images, a CSV with a column path, or "
            "a store"
        )
    if not (out / RUN_JSON).is_file():  # one that is there goes on, and is left out of the listing
        check_apart(out, source, flag="--out")
    if known is not None and out.resolve() in (known.resolve(), known.resolve().parent):
        # Its labelled images would be set aside, and so fall out of its own handoff.
        raise OptionError(
            f"--known {known} is the handoff of the run {out} itself, whose labels are carried "
            "over anyway: leave it out, or give another --out"
        )
    # Its ids are asked for minutes later. A run that has a lineage of its own needs it no more.
    if since is not None and not (out / LINEAGE_MEMORY).exists():
        open_run(since)


def find_user() -> str:
    """Return who is at the keyboard; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
