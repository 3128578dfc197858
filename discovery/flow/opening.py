"""The beginning of a round: views are extracted, one is taken, known types are set aside."""

import time
from collections.abc import Mapping
from pathlib import Path

from discovery.flow.knowing import (
    Known,
    describe_known,
    set_matches_aside,
    split_known,
)
from discovery.flow.material import COMMAND, Material
from discovery.flow.options import AutoOptions, RoundOptions, ViewName
from discovery.flow.sources import RoundSource, open_round
from discovery.flow.views import open_views, read_taken
from discovery.runs import LOOKED, Provenance, Run
from embeddings.errors import InputError, OptionError


def open_material(source: Path, run: Run, options: RoundOptions) -> Material:
    """Bring the source's images into stores, and set those of known types aside.

    Raises
    ------
    DefectDiscoveryError
        The source, an option, a store or the known types cannot be used.
    """
    given = open_round(source, run.path, options=options.extract, known=options.known)
    views = open_views(source, run.path, given, options=options)
    opened = _choose_view(run, views, options)
    known: Known | None = None
    matched: dict[str, str] = {}
    if options.known is not None:
        opened, vectors, labels = split_known(opened, options.known)
        known = (vectors, labels)
        if not options.keep_matches:
            opened, matched = _set_matches_aside(run, opened, known, options=options)
    run.set_store(opened.identity)
    return Material(
        source,
        run,
        opened,
        known=known,
        options=options,
        is_compared=len(views) > 1,
        matched=matched,
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
    choice = options.clusterer if isinstance(options.clusterer, AutoOptions) else AutoOptions()
    made_by = Provenance(
        command=COMMAND,
        spec={"granularity": choice.granularity, "evidence": 1},
        seed=options.seed,
        inputs={name: source.digest for name, source in views.items()},
    )
    if not run.is_current(LOOKED, made_by):
        from discovery.flow.comparing import compare_views, tabulate_views

        start = time.monotonic()
        looked = compare_views(views, choice=choice, seed=options.seed)
        seconds = time.monotonic() - start
        run.save_bytes(LOOKED, tabulate_views(looked), made_by, seconds=seconds)
    return views[read_taken(run.check(LOOKED).read_bytes())]


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
