"""A run has one source: other images put into it by mistake would take the place of its own.

A source is the run's own where it is the folder, table or store that the run was made of, grown
or edited as it may be, or where it holds most of the run's images.
"""

from collections.abc import Set as AbstractSet
from pathlib import Path

from discovery.flow.facts import parse_facts
from discovery.ledger import read_decisions, replay_decisions
from discovery.runs import CLUSTERING, FACTS, LEDGER, Run, open_run
from discovery.runs.stores import find_store
from embeddings.console import get_logger
from embeddings.errors import InputError, RunError
from embeddings.extract import ExtractOptions
from embeddings.extract.sources import (
    NO_FILES,
    OnlyList,
    Source,
    fingerprint_files,
    open_source,
    read_only_list,
)
from embeddings.plurals import tell_count
from embeddings.store import open_store, store_exists
from embeddings.store.reader import Store

_MOST = 0.5  # share of the run's images above which a source is the same images


def claim_source(run: Run, source: Path, options: ExtractOptions, *, replace: bool) -> None:
    """Refuse a source that is not the run's own, before anything is written; remember one that is.

    Parameters
    ----------
    replace : bool
        The user knows, and wants these images in the place of the others.

    Raises
    ------
    RunError
        The source is not the run's own.
    DefectDiscoveryError
        It cannot be used at all.
    """
    place = str(source.resolve())
    has_selection = options.only is not None or bool(options.exclude)
    before = find_images(run)
    if before and not replace and (has_selection or place != _find_source(run)):
        there = len(before & _list_files(run, source, options))
        if there <= _MOST * len(before):
            raise RunError(_refuse(run, source, options, there=there, of=len(before)))
    run.set_source(place)


def refuse_run(source: Path) -> None:
    """Refuse a run in the place of images, and name what it was made of.

    Raises
    ------
    InputError
        The source is a run.
    """
    run = _open_as_run(source)
    # A run may have been made in the very folder of its images.
    if run is None or run.source == str(source.resolve()):
        return
    store = find_store(run)
    # One of several views is not what the run saw.
    meant = [str(store)] if store_exists(store) and not run.store.get("others") else []
    if run.source and run.source not in meant and Path(run.source).exists():
        meant.append(run.source)
    question = f": did you mean {' or '.join(meant)}?" if meant else ""
    raise InputError(
        f"{source} is a run; expected a folder of images, a CSV with a column path, or a store"
        f"{question}"
    )


def _open_as_run(source: Path) -> Run | None:
    try:
        return open_run(source)
    except RunError:
        return None  # a folder of images, most often


def tell_of_loss(before: AbstractSet[str], run: Run) -> None:
    """Say how many images of the round before are not in this one, and how many were decided."""
    gone = before - find_images(run)
    if not gone:
        return
    decided = replay_decisions(read_decisions(run.path / LEDGER)).images
    lost = {name[:16] for name in decided} & gone
    get_logger().warning(
        "WARNING: %d of the %d image files of %s are not in this round, %d of them decided: they "
        "are in no artefact any more; their decisions are kept in decisions.jsonl, and count again "
        "when they are back",
        len(gone), len(before), run.path, len(lost),
    )  # fmt: skip


def find_images(run: Run) -> frozenset[str]:
    """Return the files (their ids) that a run is made of; none where it has no clusters yet."""
    if not (run.path / CLUSTERING).is_file():
        return frozenset()
    try:
        # An image id is 16 hex digits of the file, then its page and region.
        return frozenset(one[:16] for one in run.load_clustering().ids.tolist())
    except RunError:
        return frozenset()  # damaged: this very round makes it again


def _find_source(run: Run) -> str:
    """Return the source that a run was made of; "" where an earlier version did not say."""
    if run.source:
        return run.source
    try:
        facts = parse_facts(run.read_bytes(FACTS), run.path / FACTS)
    except RunError:
        return ""
    # As it was typed: the same place only for who stands where that user stood.
    return str(Path(facts.source).resolve())


def _list_files(run: Run, source: Path, options: ExtractOptions) -> frozenset[str]:
    """Return the ids of the files that a round would take of a source."""
    only = None if options.only is None else read_only_list(options.only)
    if source.is_dir() and store_exists(source):
        return _list_stored(open_store(source), only)
    found = open_source(source, options)
    return _list_found(run, found, only, workers=options.threads)


def _list_stored(store: Store, only: OnlyList | None) -> frozenset[str]:
    files = store.files()
    return frozenset(
        file_id
        for path, file_id in zip(files["path"].tolist(), files["file_id"].tolist(), strict=True)
        if only is None or only.has_file(path, file_id)
    )


def _list_found(run: Run, found: Source, only: OnlyList | None, *, workers: int) -> frozenset[str]:
    # What the run's own store has hashed is not hashed again.
    place = run.path / "store"
    known = open_store(place).files() if store_exists(place) else NO_FILES
    files = fingerprint_files(found.files, known, workers=workers).files
    return frozenset(
        file_id
        for path, file_id in zip(files["path"].tolist(), files["file_id"].tolist(), strict=True)
        if only is None or only.has_file(path, file_id)
    )


def _refuse(run: Run, source: Path, options: ExtractOptions, *, there: int, of: int) -> str:
    made_of = _find_source(run)
    of_what = f" of {made_of}" if made_of else ""
    if str(source.resolve()) == made_of:
        flag = f"--only {options.only}" if options.only is not None else "--exclude"
        what = f"{flag} leaves {there} of them"
    else:
        what = f"{source} holds {there} of them"
    return (
        f"{run.path} was made{of_what}, {tell_count(of, 'file')}, and {what}: its clusters and "
        "its handoff would be lost; give a new folder as --out, or --replace to put these images "
        "in the place of those (decisions.jsonl is kept)"
    )
