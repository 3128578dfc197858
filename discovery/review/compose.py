"""From what the ledger comes to, to the state of a review of one run."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.ledger import Action, Part, Replay, Tables
from discovery.records import Clustering, Proposal
from discovery.review.describe import describe_action
from discovery.review.state import OpenProposal, Places, Progress, ReviewState, ReviewType, Status

_HUMAN = 2
_EVIDENCE = tuple(field.name for field in fields(Proposal))  # the columns of proposals.csv


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBase:
    """What a run gives a review, before anything is decided.

    Attributes
    ----------
    ids : (n,) array of str
    clustering : str
        Identity of the clusters: what was clustered again within others is no part of them.
    proposals : tuple of Proposal
        By rank.
    codes : (n,) int32
        Places in `proposals`; -1 in none.
    evidence : tuple of mapping
        One a proposal.
    """

    ids: NDArray[np.str_]
    clustering: str
    proposals: tuple[Proposal, ...]
    codes: NDArray[np.int32]
    evidence: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(
        cls, clustering: Clustering, proposals: Sequence[Proposal], *, identity: str
    ) -> "RunBase":
        """Line up the clusters with the proposals that were made of them."""
        ranked = tuple(sorted(proposals, key=lambda one: one.rank))
        place_of = np.full(clustering.k + 1, -1, np.int32)  # the last one is noise's
        for place, proposal in enumerate(ranked):
            place_of[proposal.cluster_id] = place
        return cls(
            ids=clustering.ids,
            clustering=identity,
            proposals=ranked,
            codes=place_of[clustering.labels],
            evidence=tuple({name: getattr(one, name) for name in _EVIDENCE} for one in ranked),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which proposal each image is in, parts followed.

    Attributes
    ----------
    parts : tuple of (str, Part)
        Those of this run, in the order they came about.
    names, numbers, parents : tuple of str
        Of all proposals: the run's, then the parts.
    codes : (n,) int32
    images : tuple of (m,) intp
    """

    parts: tuple[tuple[str, Part], ...]
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    parents: tuple[str, ...]
    codes: NDArray[np.int32]
    images: tuple[Places, ...]


def find_membership(base: RunBase, parts: Mapping[str, Part]) -> Membership:
    """Follow splits and what was clustered again; parts of what is not there any more vanish."""
    names = [one.proposal_id for one in base.proposals]
    numbers = [str(one.rank) for one in base.proposals]
    parents = [""] * len(names)
    codes, kept, n = base.codes.copy(), [], len(base.ids)
    for name, part in sorted(parts.items(), key=lambda item: item[1].order):
        images = part.images[part.images < n]  # others are not in this run
        if part.parent:
            if part.parent not in names:
                continue
            images = images[codes[images] == names.index(part.parent)]
        elif part.selection.get("clustering") != base.clustering:
            continue
        codes[images] = len(names)
        kept.append((name, part))
        names.append(name)
        numbers.append(_number_part(name, part, dict(zip(names, numbers, strict=False))))
        parents.append(part.parent)
    return Membership(
        parts=tuple(kept),
        names=tuple(names),
        numbers=tuple(numbers),
        parents=tuple(parents),
        codes=_freeze(codes),
        images=tuple(group_places(codes, len(names))),
    )


def compose_state(base: RunBase, membership: Membership, replay: Replay, *, by: str) -> ReviewState:
    """Say what the decisions so far come to, for the images and proposals of one run."""
    tables, n = replay.tables, len(base.ids)
    current = tables.current(slice(0, n))
    names = tables.labels.names_of(current)
    proposals = _list_proposals(base, membership, tables)
    labels = _order_labels(tables, names, proposals)
    label_codes = _code_labels(tables, names, labels)
    sources = tables.labels.sources_of(current)
    prototypes = _list_prototypes(tables, labels, label_codes)
    named = int((label_codes >= 0).sum())
    undoable, redoable = replay.find_undoable(by), replay.find_redoable(by)
    numbers = dict(zip(membership.names, membership.numbers, strict=True))
    return ReviewState(
        revision=len(replay),
        ids=base.ids,
        labels=labels,
        label_codes=_freeze(label_codes),
        sources=_freeze(sources),
        proposal_codes=membership.codes,
        proposals=proposals,
        types=_list_types(tables, labels, label_codes, sources, proposals, prototypes),
        excluded=_list_excluded(tables, n),
        prototypes=prototypes,
        rejected=_freeze(np.flatnonzero((tables.own[:n] == 0) & (label_codes < 0))),
        progress=Progress(
            decisions=sum(action.holds for action in replay.actions),
            named=named,
            named_share=named / n if n else 0.0,
            seconds=replay.seconds,
        ),
        undoable=_describe(undoable, numbers),
        redoable=_describe(redoable, numbers),
    )


def group_places(codes: NDArray[np.int32], k: int) -> list[Places]:
    """Return the places of each code from 0 to k - 1, ascending."""
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(k + 1))
    return [_freeze(order[start:stop]) for start, stop in itertools.pairwise(bounds)]


def _number_part(name: str, part: Part, numbers: Mapping[str, str]) -> str:
    # Its own number stands behind the last dot of its id, which is never given twice.
    return f"{numbers[part.parent]}.{name.rpartition('.')[2]}" if part.parent else name


def _list_proposals(
    base: RunBase, membership: Membership, tables: Tables
) -> tuple[OpenProposal, ...]:
    split = set(membership.parents)
    listed = []
    for place, name in enumerate(membership.names):
        images, decision = membership.images[place], tables.proposals.get(name)
        own = base.proposals[place] if place < len(base.proposals) else None
        part = tables.parts.get(name)
        listed.append(
            OpenProposal(
                proposal_id=name,
                number=membership.numbers[place],
                cluster_id=own.cluster_id if own else None,
                parent=membership.parents[place],
                images=images,
                status=_find_status(tables, name, len(images), is_split=name in split),
                label=decision.label if decision else "",
                evidence=base.evidence[place] if own else {"size": len(images)},
                likely=part.likely if part else "",
            )
        )
    return tuple(listed)


def _find_status(tables: Tables, name: str, size: int, *, is_split: bool) -> Status:
    decision = tables.proposals.get(name)
    if decision is not None and decision.verdict == "split":
        # Of a group with parts what is in none of them, after clustering again, is open.
        return "split" if not is_split or not size else "open"
    if not size:
        return "gone"
    if decision is not None:
        return "accepted" if decision.label else "rejected"
    return "deferred" if name in tables.deferred else "open"


def _order_labels(
    tables: Tables, names: NDArray[np.int32], proposals: Sequence[OpenProposal]
) -> tuple[str, ...]:
    """Return the labels that an image or a proposal bears, by first use."""
    borne = {tables.labels.names[code] for code in np.unique(names[names >= 0]).tolist()}
    borne |= {one.label for one in proposals if one.label}
    return tuple(sorted(borne, key=lambda label: (tables.first_use.get(label, -1), label)))


def _code_labels(
    tables: Tables, names: NDArray[np.int32], labels: Sequence[str]
) -> NDArray[np.int32]:
    # One more at the end: without a label, -1 points there.
    code_of = np.full(len(tables.labels.names) + 1, -1, np.int32)
    for code, label in enumerate(labels):
        code_of[tables.labels.find_name(label)] = code
    codes: NDArray[np.int32] = code_of[names]
    return codes


def _list_prototypes(
    tables: Tables, labels: Sequence[str], label_codes: NDArray[np.int32]
) -> dict[str, Places]:
    """Return the marked images of each type that bear its label still."""
    found = {}
    for code, label in enumerate(labels):
        marked = np.array(tables.prototypes.get(label, ()), np.intp)
        marked = marked[marked < len(label_codes)]
        found[label] = _freeze(marked[label_codes[marked] == code])
    return {label: marked for label, marked in found.items() if len(marked)}


def _list_excluded(tables: Tables, n: int) -> dict[str, Places]:
    found = {label: barred[barred < n] for label, barred in sorted(tables.excluded.items())}
    return {label: _freeze(barred) for label, barred in found.items() if len(barred)}


def _list_types(
    tables: Tables,
    labels: Sequence[str],
    label_codes: NDArray[np.int32],
    sources: NDArray[np.uint8],
    proposals: Sequence[OpenProposal],
    prototypes: Mapping[str, Places],
) -> tuple[ReviewType, ...]:
    none = np.empty(0, np.intp)
    human = np.bincount(label_codes[sources == _HUMAN] + 1, minlength=len(labels) + 1)[1:]
    accepted: dict[str, list[str]] = {}
    for proposal in proposals:
        if proposal.label:
            accepted.setdefault(proposal.label, []).append(proposal.proposal_id)
    return tuple(
        ReviewType(
            label=label,
            images=images,
            human=int(count),
            definition=tables.definitions.get(label, ""),
            proposals=tuple(accepted.get(label, ())),
            prototypes=prototypes.get(label, none),
        )
        for label, images, count in zip(
            labels, group_places(label_codes, len(labels)), human.tolist(), strict=True
        )
    )


def _describe(action: Action | None, numbers: Mapping[str, str]) -> str | None:
    return None if action is None else describe_action(action.decisions, numbers)


def _freeze(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
