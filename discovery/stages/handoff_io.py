"""The handoff of a run goes out and comes back: what is decided is written, what is filled is kept.

`publish_handoff` writes handoff.csv and handoff.json into the run. A person may fill in that very
file, so before it is written anew `absorb_handoff` takes what it says into the ledger.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from discovery.formats.handoff import (
    Taken,
    build_handoff,
    decide_handoff,
    format_handoff,
    read_handoff,
)
from discovery.formats.read_back import ReadFormat, read_returned
from discovery.formats.returned import Returned
from discovery.ledger import append_decisions, mark_sheet, read_decisions, replay_decisions
from discovery.records import Decided, Handoff, warn_of_alike_labels
from discovery.runs import (
    CLUSTERING,
    HANDOFF_CSV,
    HANDOFF_JSON,
    LEDGER,
    PROPOSALS,
    Provenance,
    Run,
    refuse_vanished,
)
from embeddings.errors import RunError
from embeddings.locks import locked
from embeddings.paths import takes_paths


def compose_handoff(run: Run, decided: Decided | None = None) -> Handoff:
    """Make the handoff of a run as it stands: its clusters, proposals and ledger.

    Parameters
    ----------
    decided : Decided, optional
        What is decided; by default what the run's ledger comes to.

    Raises
    ------
    RunError
        An artefact is missing or damaged, or the ledger has a line that cannot be read.
    """
    if decided is None:
        decided = replay_decisions(read_decisions(run.path / LEDGER))
    made_by = run.entry(CLUSTERING) or {}
    # Seconds and sums change with every run of the same clusters: the handoff is of the clusters.
    kept = ("command", "spec", "seed", "versions", "inputs")
    return build_handoff(
        run.load_clustering(),
        run.load_layout(),
        run.load_proposals(),
        decided=decided,
        run_id=run.run_id,
        store=run.store,
        provenance={key: made_by[key] for key in kept if key in made_by},
    )


def publish_handoff(run: Run) -> Handoff:
    """Write the run's own handoff.csv and handoff.json and enter them into run.json.

    What was there is replaced: call `absorb_handoff` first.
    """
    provenance = describe_handoff(run)
    handoff = compose_handoff(run)
    save_handoff(run, format_handoff(handoff), provenance)
    return handoff


@contextlib.contextmanager
def publishing(run: Run) -> Iterator[None]:
    """Be the only process that takes back and writes a run's handoff.

    Several may review one run, and each keeps the two files in step.

    Raises
    ------
    RunError
        There is nothing to publish yet.
    """
    path = run.path / CLUSTERING
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path))
        except FileNotFoundError as error:
            if not run.path.is_dir():
                raise refuse_vanished(run.path) from error
            raise RunError(
                f"{run.path} has no {CLUSTERING}: run discovery.cluster into it first"
            ) from error
        yield


def describe_handoff(run: Run) -> Provenance:
    """Say what the handoff of a run is made from, as its files are now.

    Ask before the ledger is read: a line that comes between makes the handoff newer than it says,
    and it is written again, where otherwise it would be taken for current and is not.
    """
    return Provenance(
        command="discovery.handoff",
        spec={},
        seed=0,
        inputs=run.hash_inputs(CLUSTERING, PROPOSALS, LEDGER),
    )


def save_handoff(run: Run, files: tuple[bytes, bytes], provenance: Provenance) -> None:
    """Write handoff.csv and handoff.json into the run and enter them into run.json."""
    for name, data in zip((HANDOFF_CSV, HANDOFF_JSON), files, strict=True):
        run.save_bytes(name, data, provenance)


@takes_paths
def take_back(run: Run, path: Path, *, by: str, at: str, read_format: ReadFormat = "auto") -> Taken:
    """Read a filled handoff, or what another tool gives back, into the run's ledger.

    All of it is taken, or nothing.

    Raises
    ------
    HandoffError
        Its rows are not those that were written: names file, row and column of each fault.
    RunError
        The run or its ledger cannot be read or written.
    """
    returned = read_returned(path, read_format, written=compose_handoff(run))
    return _take(run, returned, by=by, at=at, file=path.resolve().name)


def _take(run: Run, returned: Returned, *, by: str, at: str, file: str) -> Taken:
    ledger = run.path / LEDGER
    before = read_decisions(ledger)
    decided = replay_decisions(before)
    taken = decide_handoff(returned.handoff, decided, by=by, at=at, judged=returned.judged)
    if any(one.verdict == "exclude" for one in before):
        # A label filled down over images that were thrown out of its type: they are meant, too.
        decided = replay_decisions([*before, *taken.decisions])
        again = decide_handoff(returned.handoff, decided, by=by, at=at, judged=returned.judged)
        taken = replace(taken, decisions=(*taken.decisions, *again.decisions))
    append_decisions(ledger, mark_sheet(taken.decisions, file))
    if taken.decisions:
        # As it is now: a type that was spelt anew is not beside itself.
        after = replay_decisions([*before, *taken.decisions])
        labels = {label.label for label in after.images.values() if label.label}
        warn_of_alike_labels(file, labels & {one.label for one in taken.decisions}, labels)
    return replace(taken, strangers=returned.strangers)


def absorb_handoff(run: Run, *, by: str, at: str) -> Taken | None:
    """Take back the run's own handoff.csv where someone edited it; None where nobody did.

    Call it before clusters, proposals or handoff of the run are replaced: labels that were typed
    into the file but never read back would be lost.

    Raises
    ------
    HandoffError
        The edited file has faults. Nothing is lost: mend or remove the file.
    """
    if not run.is_edited(HANDOFF_CSV):
        return None
    try:
        written = compose_handoff(run)
    except RunError:
        # Damaged clusters are mended by clustering again, which must not be stopped by them:
        # handoff.json alone says what the rows were.
        written = None
    filled = read_handoff(run.path / HANDOFF_CSV, written=written)
    return _take(run, Returned(handoff=filled), by=by, at=at, file=HANDOFF_CSV)
