"""What another tool gives back: the rows of a run with the labels that people gave there.

`place_labels` puts them into the rows, so that they are compared with what is decided as a filled
handoff is. Faults are collected, so that a person mends a file in one go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from discovery.formats.handoff.decide import Judged
from discovery.records import Handoff, ImageLabel
from embeddings.alike_faults import fold_faults
from embeddings.errors import HandoffError

_APART = 3  # faults that are alike and still named one by one
_MOST_FAULTS = 20  # named in the one line; the rest are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A handoff that came back from another tool.

    Attributes
    ----------
    handoff : Handoff
        All rows of the run; those that nothing was said of are as they were written.
    judged : mapping of image id to Judged, or None
        Images that people answered for one by one; None for a sheet, whose column may be filled
        down over a proposal.
    strangers : tuple of str
        What was labelled and is no image of the run.
    """

    handoff: Handoff
    judged: Mapping[str, Judged] | None = None
    strangers: tuple[str, ...] = ()


def place_labels(
    written: Handoff, labels: Mapping[str, str], bases: Mapping[str, ImageLabel]
) -> Handoff:
    """Return the rows with new labels, each beside what was known when it went out.

    Parameters
    ----------
    labels : mapping of image id to label
        Empty where the label that was there was taken away.
    bases : mapping of image id to ImageLabel
        The label, source, person and time that the other tool was given, where it kept them.
    """
    rows = written.rows.copy()
    mine = rows["image_id"].isin(list(labels))
    ids = rows.loc[mine, "image_id"].tolist()
    states = [bases.get(image_id, ImageLabel()) for image_id in ids]
    rows.loc[mine, "label"] = [labels[image_id] for image_id in ids]
    rows.loc[mine, "label_source"] = [state.source for state in states]
    rows.loc[mine, "decided_by"] = [state.by for state in states]
    rows.loc[mine, "decided_at"] = [state.at for state in states]
    return Handoff(
        rows=rows, types=written.types, proposals=written.proposals, run_id=written.run_id
    )


def read_base(values: Mapping[Any, Any]) -> ImageLabel:
    """Return the state of an image that went out with it; empty where the tool dropped it."""
    label, source, by, at = (
        str(values.get(name) or "")
        for name in ("label", "label_source", "decided_by", "decided_at")
    )
    if source == "human":
        return ImageLabel(label=label, source="human", by=by, at=at)
    if source == "cluster":
        return ImageLabel(label=label, source="cluster", by=by, at=at)
    return ImageLabel()


def raise_faults(name: str, faults: Sequence[str]) -> None:
    """Raise all faults of a file in one line.

    Raises
    ------
    HandoffError
        There are some.
    """
    if faults:
        # What a stranger typed may hold line breaks.
        parts = (" ".join(fault.split()).partition(": ") for fault in faults)
        folded = fold_faults(
            ((one, reason) for one, _, reason in parts), most=_MOST_FAULTS, apart=_APART
        )
        raise HandoffError(f"{name}: {'; '.join(folded)}")
