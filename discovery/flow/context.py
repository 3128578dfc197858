"""What the steps of one round share: the source, its vectors, the graph rows, and the provenance.

`prepare_round` extracts the views, takes one and sets known types aside. All else is made when a
step first asks for it, so that a round with nothing to do loads neither torch nor UMAP.
"""

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from discovery.flow.known_types import (
    Known,
    describe_known,
    guide_rows,
    set_matches_aside,
    split_known,
)
from discovery.flow.options import RoundOptions, ViewName
from discovery.flow.sources import RoundSource, open_round
from discovery.flow.view_selection import compare_views, open_views, read_taken, tabulate_views
from discovery.records import Duplicates, Neighbours, Rarity
from discovery.runs import NEIGHBOURS, VIEWS_CSV, Provenance, Run
from embeddings.console import stage
from embeddings.errors import InputError, OptionError
from embeddings.files import hash_file
from embeddings.reader import Previews
from embeddings.records import Vectors

if TYPE_CHECKING:
    from discovery.flow.route import Partitioned

COMMAND = "discovery.cluster"


class RoundContext:
    """What one call works on.

    Parameters
    ----------
    given : Path
        The source as the user typed it.
    run : Run
    source : RoundSource
        The images to discover.
    known : (tuple of Vectors, (m,) array of str) or None
        Images of known types that were set aside, view by view, and their labels.
    options : RoundOptions
    is_compared : bool
        Whether the source is one of several views that were compared.
    matched : mapping of image id to label
        Images that matched a known type, and are not in the source any more.
    previews : Previews
        Small pictures of what this process has extracted.
    """

    def __init__(
        self,
        given: Path,
        run: Run,
        source: RoundSource,
        *,
        known: Known | None,
        options: RoundOptions,
        is_compared: bool,
        matched: Mapping[str, str],
        previews: Previews,
    ) -> None:
        self.given, self.run, self.source = given, run, source
        self.known, self.options = known, options
        self.is_compared, self.matched, self.previews = is_compared, matched, previews

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.options.seed

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
        """The neighbour graph that is in the run, once its stage is done."""
        return self.run.load_neighbours(self.vectors.ids)

    @cached_property
    def partitioned(self) -> "Partitioned":
        """The clusters; the stability draws from the same reduced rows by the same method."""
        from discovery.flow.route import partition_vectors

        return partition_vectors(
            self.vectors,
            self.graph_rows,
            self.graph,
            choice=self.options.clusterer,
            seed=self.seed,
        )

    def copies_made_by(self) -> Provenance:
        """Return how duplicates.csv is made now."""
        return self.provenance({"copies": 1}, self.vectors_input() | self.file_inputs(NEIGHBOURS))

    @cached_property
    def copies(self) -> Duplicates:
        """The copies among the images; written into the run when they are not there."""
        from discovery.flow.steps import find_copies

        return find_copies(
            self.run,
            self.vectors,
            self.graph,
            made_by=self.copies_made_by(),
            max_pixels=self.options.extract.max_pixels,
            previews=self.previews,
        )

    @cached_property
    def rarity(self) -> Rarity:
        """The order of the run's rare images, once its clusters are there."""
        from discovery.stages.rarity import rank_rare

        return rank_rare(self.run.load_clustering(), self.graph)

    def load_metadata(self) -> tuple[list[str], list[str]]:
        """Load what is known beside their look of the images, and of those set aside."""
        found: list[str] = self.vectors.rows["metadata"].tolist()
        rows = self.source.store.rows()
        aside: list[str] = rows.loc[rows["image_id"].isin(list(self.matched)), "metadata"].tolist()
        return found, aside

    def known_input(self) -> dict[str, str]:
        """Return what an artefact that is measured against known types depends on."""
        return describe_known(self.known)

    def vectors_input(self) -> dict[str, str]:
        """Return what an artefact that is made of the vectors depends on."""
        return {"vectors": self.source.digest}

    def file_inputs(self, *names: str) -> dict[str, str]:
        """Return the sha256 of those files of the run that are there."""
        there = [name for name in names if (self.run.path / name).exists()]
        return {name: hash_file(self.run.path / name) for name in there}

    def provenance(self, spec: Mapping[str, Any], inputs: Mapping[str, str]) -> Provenance:
        """Return how an artefact is made now."""
        return Provenance(command=COMMAND, spec=dict(spec), seed=self.seed, inputs=dict(inputs))


def prepare_round(source: Path, run: Run, options: RoundOptions) -> RoundContext:
    """Bring the source's images into stores, and set those of known types aside.

    Raises
    ------
    DefectDiscoveryError
        The source, an option, a store or the known types cannot be used.
    """
    previews = Previews()
    given = open_round(
        source, run.path, options=options.extract, known=options.known, previews=previews
    )
    views = open_views(source, run.path, given, options=options, previews=previews)
    opened = _choose_view(run, views, options)
    known: Known | None = None
    matched: dict[str, str] = {}
    if options.known is not None:
        opened, vectors, labels = split_known(opened, options.known)
        known = (vectors, labels)
        if not options.keep_matches:
            opened, matched = _set_matches_aside(run, opened, known, options=options)
    run.set_store(opened.identity)
    return RoundContext(
        source,
        run,
        opened,
        known=known,
        options=options,
        is_compared=len(views) > 1,
        matched=matched,
        previews=previews,
    )


def _set_matches_aside(
    run: Run, source: RoundSource, known: Known, *, options: RoundOptions
) -> tuple[RoundSource, dict[str, str]]:
    made_by = Provenance(
        command=COMMAND,
        spec={"target_purity": options.target_purity},
        seed=options.seed,
        inputs={"vectors": source.digest} | describe_known(known),
    )
    return set_matches_aside(
        run, source, known, made_by=made_by, target_purity=options.target_purity
    )


def _choose_view(
    run: Run, views: Mapping[ViewName, RoundSource], options: RoundOptions
) -> RoundSource:
    """Return the view that the evidence picks; it is kept in the run, and found once."""
    if len(views) == 1:
        return next(iter(views.values()))
    granularity = options.clusterer.view_granularity
    made_by = Provenance(
        command=COMMAND,
        spec={"granularity": granularity, "evidence": 1},
        seed=options.seed,
        inputs={name: source.digest for name, source in views.items()},
    )
    if not run.is_current(VIEWS_CSV, made_by):
        start = time.monotonic()
        looked = compare_views(views, granularity=granularity, seed=options.seed)
        seconds = time.monotonic() - start
        run.save_bytes(VIEWS_CSV, tabulate_views(looked), made_by, seconds=seconds)
    return views[read_taken(run.check(VIEWS_CSV).read_bytes())]


def check_places(source: Path, out: Path, known: Path | None) -> None:
    """Refuse before the run's folder is made what could only leave an empty or a stripped run."""
    if not source.exists():
        raise InputError(
            f"{source} does not exist; expected a folder of images, a CSV with a column path, or "
            "a store"
        )
    if known is not None and out.resolve() in (known.resolve(), known.resolve().parent):
        # Its labelled images would be set aside, and so fall out of its own handoff.
        raise OptionError(
            f"--known {known} is the handoff of the run {out} itself, whose labels are carried "
            "over anyway: leave it out, or give another --out"
        )
