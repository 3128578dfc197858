"""Ids that survive: a round's proposals take over those of the round before.

What became of them is written down. A round calls `settle_lineage` first (what an earlier version
or a crash left unwritten is written while its clusters are still there), `keep_ids` before
proposals are saved, and `settle_lineage` after. The memory lineage.npz is written last: until it
fits the proposals, the next call finds again what became of them, and what the history says
already is not said twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from discovery.flow.settings import COMMAND
from discovery.ledger import read_decisions, replay_decisions
from discovery.records import Clustering, Decision, Generation, Lineage, LineageEntry, Proposal
from discovery.runs import CLUSTERING, LEDGER, PROPOSALS, Provenance, Run, open_run
from discovery.runs.lineage import (
    LINEAGE,
    LINEAGE_MEMORY,
    append_lineage,
    load_memory,
    read_lineage,
    save_memory,
)
from embeddings.console import get_logger
from embeddings.errors import RunError
from embeddings.large_values import Values
from embeddings.records import Vectors

# Of a memory that holds the centroids, too: measured where vectors were at hand.
LINEAGE_SPEC = {"lineage": 1, "centroids": True}


def keep_ids(
    run: Run,
    clustering: Clustering,
    proposals: Sequence[Proposal],
    *,
    vectors: Vectors,
    since: Path | None = None,
) -> tuple[Proposal, ...]:
    """Give proposals the ids that the same groups had before; nothing is written.

    Parameters
    ----------
    run : Run
        With its ledger and the lineage of the rounds before.
    clustering : Clustering
        The new clusters.
    proposals : sequence of Proposal
        Made of them, each under the id it would have if it were new.
    vectors : Vectors
        Of the clustering's images.
    since : Path, optional
        An earlier run: a run that has no lineage of its own yet goes on with its ids.

    Raises
    ------
    RunError
        A lineage, or the ledger, is damaged; `since` is no run, or has no proposals.
    """
    from discovery.stages.lineage import trace_lineage

    # A made id is 32 bits of a hash, so two may clash.
    fresh = _separate(proposals)
    before = _load_before(run, since)
    if before is None:
        return fresh
    decisions = [
        one for ledger in _list_files(run, since, LEDGER) for one in read_decisions(ledger)
    ]
    lineage = trace_lineage(
        before,
        _gather(clustering, fresh, vectors),
        values=vectors.values,
        decided=set(replay_decisions(decisions).proposals),
        # An id that any group ever bore, or a person decided on, is never given to another group.
        taken=_list_ids(run, since) | _list_decided(decisions),
    )
    return tuple(replace(one, proposal_id=lineage.names[one.proposal_id]) for one in fresh)


def settle_lineage(
    run: Run,
    *,
    at: str,
    load_vectors: Callable[[], Vectors] | None = None,
    since: Path | None = None,
) -> LineageEntry | None:
    """Write down what became of the proposals since the last time; once, however often called.

    Parameters
    ----------
    at : str
        Now, ISO 8601 with the offset from UTC.
    load_vectors : callable, optional
        Gives the vectors of the run's images; called only when there is something to do. Without
        it new centroids stay unknown until the next call that has it.
    since : Path, optional
        As for `keep_ids`.

    Returns
    -------
    LineageEntry or None
        What was added to lineage.jsonl; None where the groups are those it knows, or where
        clusters or proposals cannot be read, which is logged.

    Raises
    ------
    RunError
        A lineage is damaged; `since` is no run, or has no proposals.
    """
    if not _fit_together(run):
        return None  # no proposals yet, or of clusters that were replaced since
    # `rough` is of a memory without centroids, from a call that had no vectors at hand.
    made_by, rough = (_describe(run, measured=measured) for measured in (True, False))
    unmeasured_will_do = load_vectors is None and run.is_current(LINEAGE_MEMORY, rough)
    if run.is_current(LINEAGE_MEMORY, made_by) or unmeasured_will_do:
        return None
    # SciPy's solvers come with it: a round with nothing to write has no use for them.
    from discovery.stages.lineage import gather_generation, remember_generation, trace_lineage

    vectors = load_vectors() if load_vectors is not None else None
    try:
        after = _gather_run(run, vectors)
    except RunError as error:
        # Of an earlier version, say: they are about to be made anew, which must not be stopped.
        get_logger().warning("lineage: what the last round came to cannot be read: %s", error)
        return None
    # A first round comes after nothing: all its groups are born.
    before = _load_before(run, since) or gather_generation(after.ids[:0], after.ids[:0])
    lineage = trace_lineage(before, after, values=_values_of(vectors), keep=False)
    entry = _write_entry(run, after, lineage, at=at, since=since)
    if vectors is not None or before.digest != after.digest:
        # Of the same groups the measured centroids that are there are better than none.
        memory = remember_generation(before, after, lineage.names)
        save_memory(run, memory, rough if vectors is None else made_by)
    return entry


def _write_entry(
    run: Run, after: Generation, lineage: Lineage, *, at: str, since: Path | None
) -> LineageEntry | None:
    """Append to the history, unless its last line is about these very groups."""
    # A crash may have come between the history and the memory.
    history = read_lineage(run.path / LINEAGE)
    if history and history[-1].generation == after.digest:
        return None
    made_by = run.entry(CLUSTERING) or {}
    entry = LineageEntry(
        at=at,
        command=str(made_by.get("command", COMMAND)),
        spec=made_by.get("spec", {}),
        seed=int(made_by.get("seed", 0)),
        generation=after.digest,
        images=len(after.ids),
        proposals=dict(zip(after.names, after.sizes.tolist(), strict=True)),
        events=lineage.events,
        # The earlier run is named once, where the history begins.
        since=str(since) if since is not None and not history else "",
    )
    append_lineage(run, entry, _describe(run, measured=True))
    return entry


def _describe(run: Run, *, measured: bool) -> Provenance:
    return Provenance(
        command=COMMAND,
        spec=LINEAGE_SPEC | {"centroids": measured},
        seed=0,
        inputs=run.hash_inputs(CLUSTERING, PROPOSALS),
    )


def _fit_together(run: Run) -> bool:
    """Tell whether clusters and proposals are there, undamaged, and the one made of the other."""
    clusters, proposals = run.entry(CLUSTERING), run.entry(PROPOSALS)
    if clusters is None or proposals is None:
        return False
    return bool(proposals["inputs"].get(CLUSTERING) == clusters["sha256"])


def _load_before(run: Run, since: Path | None) -> Generation | None:
    """Load what the run remembers; a run that does not remember anything begins with `since`."""
    own = load_memory(run)
    return own if own is not None or since is None else _load_other(since)


def _load_other(since: Path) -> Generation:
    other = open_run(since)
    memory = load_memory(other)
    if memory is None and not _fit_together(other):
        raise RunError(
            f"{since} has no proposals to go on with: run discovery.cluster into it first"
        )
    return memory if memory is not None else _gather_run(other, None)


def _list_files(run: Run, since: Path | None, name: str) -> list[Path]:
    return [run.path / name, *([] if since is None else [since / name])]


def _list_ids(run: Run, since: Path | None) -> set[str]:
    """Return every id that any group of the run ever bore."""
    entries = [one for path in _list_files(run, since, LINEAGE) for one in read_lineage(path)]
    return {name for entry in entries for name in entry.proposals}


def _list_decided(decisions: Sequence[Decision]) -> set[str]:
    """Return every id that a person's decision speaks of, or gave to a part."""
    own = {decision.proposal_id for decision in decisions}
    return own.union(*(decision.parts for decision in decisions))


def _separate(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Make ids unique: 32 bits of a hash can be the same for two medoids."""
    from discovery.stages.lineage import renew_name

    used: set[str] = set()
    separate = []
    for proposal in proposals:
        name = renew_name(proposal.proposal_id, used)
        used.add(name)
        separate.append(replace(proposal, proposal_id=name))
    return tuple(separate)


def _gather_run(run: Run, vectors: Vectors | None) -> Generation:
    return _gather(run.load_clustering(), run.load_proposals(), vectors)


def _gather(
    clustering: Clustering, proposals: Sequence[Proposal], vectors: Vectors | None
) -> Generation:
    from discovery.stages.lineage import gather_generation

    if vectors is not None and not np.array_equal(vectors.ids, clustering.ids):
        raise ValueError("vectors and clustering are of different images")
    names = {proposal.cluster_id: proposal.proposal_id for proposal in proposals}
    of_image = np.array([names.get(label, "") for label in clustering.labels.tolist()], np.str_)
    return gather_generation(
        clustering.ids,
        of_image,
        values=_values_of(vectors),
        space="" if vectors is None else vectors.spec.hash,
    )


def _values_of(vectors: Vectors | None) -> Values | None:
    return None if vectors is None else vectors.values
