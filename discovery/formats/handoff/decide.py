"""What a person filled in becomes decisions; what they left as it was does not.

A row that comes back may be older than the ledger. It counts as edited only where its label is
none the image ever had with the same source, person and time: so an old copy never undoes what
was decided since.

A label filled down over the rows of a proposal is one decision on the proposal: nobody looked at
each image, and what is said of the proposal later holds for all of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from discovery.records import Decided, Decision, Handoff, ImageLabel, is_same_to_spreadsheet
from embeddings.errors import HandoffError

_FEW = 5  # one in so many rows of a proposal may differ from the label that fills its column


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Who judged an image in another tool, and when; empty where it does not say."""

    by: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a filled handoff says that the ledger does not.

    Attributes
    ----------
    decisions : tuple of Decision
    labelled, withdrawn : int
        Images that got a new label, and whose label was cleared.
    kept : int
        Images whose label in the file is empty or older than the ledger's, which stands.
    overruled : int
        Images whose label in the ledger was newer than the one the person saw; the file's counts.
    rewritten : int
        Images whose label the spreadsheet rewrote by itself (007 to 7); the ledger's stands.
    strangers : tuple of str
        What was labelled in another tool and is no image of the run.
    """

    decisions: tuple[Decision, ...]
    labelled: int
    withdrawn: int
    kept: int
    overruled: int
    rewritten: int
    strangers: tuple[str, ...] = ()


def decide_handoff(
    returned: Handoff,
    decided: Decided,
    *,
    by: str,
    at: str,
    judged: Mapping[str, Judged] | None = None,
) -> Taken:
    """Compare a handoff that came back with what is decided.

    Parameters
    ----------
    by, at
        Who read it back and when; a name a person wrote into ``decided_by`` goes first.
    judged : mapping of image id to Judged, optional
        Images that a person looked at one by one in another tool: what a proposal gave them and
        the person left is the person's from then on. Where it is given, also empty, all decisions
        are on images and none is on a proposal.

    Raises
    ------
    HandoffError
        Two rows of one image were edited differently.
    """
    new: dict[str, ImageLabel] = {}
    kept: set[str] = set()
    rewritten: set[str] = set()
    overruled: set[str] = set()
    for image_id, path, came in _list_labels(returned.rows):
        # Three states of one image: as it came, as it is decided now, as the file was written with.
        current = decided.images.get(image_id, ImageLabel())
        history = decided.history.get(image_id, frozenset())
        base = _find_base(came, current, history)
        seen = (judged or {}).get(image_id)
        # A person who leaves a proposal's label on an image they judged has said it of the image.
        confirms = seen is not None and bool(came.label) and (not base or base.source == "cluster")
        if came.label == current.label and not (confirms and current.source == "cluster"):
            continue
        edit = _make_edit(came, base, seen, by=by, at=at)
        unedited = base is not None and base.label == came.label and not confirms
        was_read = seen is not None and edit in history
        if unedited or was_read or (not came.label and base != current):
            kept.add(image_id)
        elif base and not confirms and is_same_to_spreadsheet(base.label, came.label):
            rewritten.add(image_id)  # 007 that came back as 7 is nobody's decision
        else:
            # Exact duplicates have a row each; the same edit in both is one.
            if new.setdefault(image_id, edit).label != edit.label:
                raise HandoffError(
                    f"image {image_id} (also {path}) has the labels {new[image_id].label!r} and "
                    f"{edit.label!r}: give it one in column label"
                )
            # The person saw an older label: theirs counts, but they are told.
            if current.label and base != current:
                overruled.add(image_id)
    groups = _group_edits(returned.rows, new, decided, may_fill=judged is None)
    return Taken(
        decisions=tuple(_make_decisions(groups, decided)),
        labelled=sum(bool(label.label) for label in new.values()),
        withdrawn=sum(not label.label for label in new.values()),
        kept=len(kept - new.keys()),
        overruled=len(overruled),
        rewritten=len(rewritten - new.keys()),
    )


def _make_edit(
    came: ImageLabel, base: ImageLabel | None, seen: Judged | None, *, by: str, at: str
) -> ImageLabel:
    if seen is not None:
        return ImageLabel(label=came.label, source="human", by=seen.by or by, at=seen.at or at)
    person = came.by if came.by and (base is None or came.by != base.by) else by
    return ImageLabel(label=came.label, source="human", by=person, at=at)


def find_group_labels(handoff: Handoff) -> frozenset[str]:
    """Return the images whose label is their proposal's, also in a file that was just filled in.

    What was filled in and never read back has labels without a source.
    """
    labels = [(image_id, label) for image_id, _, label in _list_labels(handoff.rows)]
    known = Decided(images={image_id: label for image_id, label in labels if label.source})
    new = {image_id: label for image_id, label in labels if label.label and not label.source}
    filled = [
        image_id
        for group in _group_edits(handoff.rows, new, known)
        if group.whole
        for image_id in group.image_ids
    ]
    carried = [image_id for image_id, label in labels if label.source == "cluster"]
    by_person = [image_id for image_id, label in labels if label.source == "human"]
    return frozenset([*carried, *filled]).difference(by_person)


def _list_labels(rows: pd.DataFrame) -> Iterator[tuple[str, str, ImageLabel]]:
    row: Any  # a named tuple of the columns
    for row in rows.itertuples(index=False):
        yield (
            row.image_id,
            row.path,
            ImageLabel(
                label=row.label, source=row.label_source, by=row.decided_by, at=row.decided_at
            ),
        )


def _find_base(
    came: ImageLabel, current: ImageLabel, history: Iterable[ImageLabel]
) -> ImageLabel | None:
    """Return the state of the image that the row was written with; None where it had none.

    A spreadsheet may have made a date of the time, so source and person decide where it fits
    nothing; the state of now goes first.
    """
    if not (came.source or came.by or came.at):
        return None
    # The newest first, so that of several that fit the latest is taken.
    states = [current, *sorted(history, key=lambda state: state.at, reverse=True)]
    states = [state for state in states if (state.source, state.by) == (came.source, came.by)]
    by_time = [state for state in states if state.at == came.at]
    same_label = [state for state in by_time or states if state.label == came.label]
    return next(iter([*same_label, *by_time, *states]), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Images of one proposal that were given one label, by one person, in one reading."""

    proposal_id: str
    label: ImageLabel
    image_ids: tuple[str, ...]
    whole: bool  # the proposal's column was filled down with it


def _group_edits(
    rows: pd.DataFrame,
    new: Mapping[str, ImageLabel],
    decided: Decided,
    *,
    may_fill: bool = True,
) -> Iterator[_Group]:
    # Where images were judged one by one, no column was filled down.
    proposal_of = dict(zip(rows["image_id"], rows["proposal_id"], strict=True))
    members: defaultdict[str, list[str]] = defaultdict(list)
    for image_id, proposal_id in proposal_of.items():
        members[proposal_id].append(image_id)
    filled = {
        proposal_id: _find_filled(image_ids, new, decided)
        for proposal_id, image_ids in members.items()
        if proposal_id and may_fill
    }
    groups: defaultdict[tuple[str, ImageLabel], list[str]] = defaultdict(list)
    for image_id, label in new.items():
        groups[proposal_of[image_id], label].append(image_id)
    for (proposal_id, label), image_ids in groups.items():
        yield _Group(
            proposal_id=proposal_id,
            label=label,
            image_ids=tuple(image_ids),
            whole=bool(label.label) and filled.get(proposal_id) == label.label,
        )


def _make_decisions(groups: Iterable[_Group], decided: Decided) -> Iterator[Decision]:
    """Decide on a proposal where its column was filled down, and on single images elsewhere."""
    for group in groups:
        yield _decide(group)
        own = tuple(name for name in group.image_ids if _has_own(name, decided))
        if group.whole and own:
            yield _follow(group, own)
        barred = decided.excluded.get(group.label.label, frozenset()).intersection(group.image_ids)
        if group.whole and barred:
            # Their proposal cannot give them the label, but the person typed it beside each.
            yield _decide(replace(group, whole=False, image_ids=tuple(sorted(barred))))


def _find_filled(
    image_ids: Sequence[str], new: Mapping[str, ImageLabel], decided: Decided
) -> str | None:
    """Return the label that stands on all images of a proposal but a few, most of it typed now.

    The few are a fifth at most: they bear another label, or none, and are decided by themselves.
    """
    few = len(image_ids) // _FEW
    typed = Counter(new[name].label for name in image_ids if name in new and new[name].label)
    label, count = max(typed.items(), key=lambda item: item[1], default=("", 0))
    # A label that was there before is part of the column, too; three rows typed beside it are not.
    before = sum(
        name not in new and decided.images.get(name, ImageLabel()).label == label
        for name in image_ids
    )
    return label if count > few and count + before >= len(image_ids) - few else None


def _has_own(image_id: str, decided: Decided) -> bool:
    """Tell whether a decision on the image itself may stand over that on its proposal."""
    label = decided.images.get(image_id)
    return label.source == "human" if label else image_id in decided.history


def _decide(group: _Group) -> Decision:
    label = group.label
    return Decision(
        proposal_id=group.proposal_id,
        verdict="accept" if label.label else "reject",
        label=label.label,
        by=label.by,
        at=label.at,
        scope="proposal" if group.whole else "image",
        image_ids=group.image_ids,
    )


def _follow(group: _Group, image_ids: tuple[str, ...]) -> Decision:
    """Let images that were decided by themselves before follow their proposal again."""
    return Decision(
        proposal_id=group.proposal_id,
        verdict="defer",
        label="",
        by=group.label.by,
        at=group.label.at,
        scope="image",
        image_ids=image_ids,
    )
