"""The handoff of a run goes out and comes back: what is decided is written, what is filled is kept.

`publish_handoff` writes handoff.csv and handoff.json into the run. A person may fill in that very
file, so before it is written anew `absorb_handoff` takes what it says into the ledger.
"""

from pathlib import Path

from discovery.formats.handoff import (
    Taken,
    build_handoff,
    decide_handoff,
    format_handoff,
    read_handoff,
)
from discovery.ledger import append_decisions, read_decisions, replay_decisions
from discovery.records import Handoff
from discovery.runs import CLUSTERING, HANDOFF_CSV, HANDOFF_JSON, LEDGER, PROPOSALS, Provenance, Run
from embeddings.errors import RunError


def compose_handoff(run: Run) -> Handoff:
    """Make the handoff of a run as it stands: its clusters, proposals and ledger.

    Raises
    ------
    RunError
        An artefact is missing or damaged, or the ledger has a line that cannot be read.
    """
    made_by = run.entry(CLUSTERING) or {}
    # Seconds and sums change with every run of the same clusters: the handoff is of the clusters.
    kept = ("command", "spec", "seed", "versions", "inputs")
    return build_handoff(
        run.load_clustering(),
        run.load_layout(),
        run.load_proposals(),
        decided=replay_decisions(read_decisions(run.path / LEDGER)),
        run_id=run.run_id,
        store=run.store,
        provenance={key: made_by[key] for key in kept if key in made_by},
    )


def publish_handoff(run: Run) -> Handoff:
    """Write the run's own handoff.csv and handoff.json and enter them into run.json.

    What was there is replaced: call `absorb_handoff` first.
    """
    handoff = compose_handoff(run)
    provenance = Provenance(
        command="discovery.handoff",
        spec={},
        seed=0,
        inputs=run.hash_inputs(CLUSTERING, PROPOSALS, LEDGER),
    )
    table, description = format_handoff(handoff)
    run.save_bytes(HANDOFF_CSV, table, provenance)
    run.save_bytes(HANDOFF_JSON, description, provenance)
    return handoff


def take_back(run: Run, path: Path, *, by: str, at: str) -> Taken:
    """Read a filled handoff into the run's ledger, all of it or nothing.

    Raises
    ------
    HandoffError
        Its rows are not those that were written: names file, row and column of each fault.
    RunError
        The run or its ledger cannot be read or written.
    """
    return _take(run, read_handoff(path, written=compose_handoff(run)), by=by, at=at)


def _take(run: Run, returned: Handoff, *, by: str, at: str) -> Taken:
    ledger = run.path / LEDGER
    taken = decide_handoff(returned, replay_decisions(read_decisions(ledger)), by=by, at=at)
    append_decisions(ledger, taken.decisions)
    return taken


def absorb_handoff(run: Run, *, by: str, at: str) -> Taken | None:
    """Take back the run's own handoff.csv where someone edited it; None where nobody did.

    Call it before clusters, proposals or handoff of the run are replaced: labels that were typed
    into the file but never read back would be lost.

    Raises
    ------
    HandoffError
        The edited file has faults. Nothing is lost: mend or remove the file.
    """
    if not (run.path / HANDOFF_CSV).exists() or run.entry(HANDOFF_CSV) is not None:
        return None
    try:
        written = compose_handoff(run)
    except RunError:
        # Damaged clusters are mended by clustering again, which must not be stopped by them:
        # handoff.json alone says what the rows were.
        written = None
    return _take(run, read_handoff(run.path / HANDOFF_CSV, written=written), by=by, at=at)
