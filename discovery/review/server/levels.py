"""The methods of coarser and finer groups: the slider, splits, pairs to merge."""

import math
from typing import Any

import numpy as np

from discovery.review.advisor import PAGE_SIZE
from discovery.review.regroup import merge_pairs, split_members
from discovery.review.server.answers import Answer
from discovery.review.server.arguments import number, text, whole
from discovery.review.server.context import ApiContext
from discovery.review.server.method import Method
from discovery.review.state import OpenProposal
from embeddings.errors import OptionError

_MOST_POSITIONS = 100_000
_MOST_PAIRS = 100
_SHOWN_OF_A_PAIR = PAGE_SIZE // 2  # both sides of it are one screen
_COMPARED = (
    "open",
    "deferred",
    "accepted",
)  # what a person said is no type is compared with nothing


def tell_levels(context: ApiContext) -> dict[str, Any] | None:
    """Return the positions of the slider; None where the groups are the same at all of them."""
    levels = context.levels
    positions = [
        {
            "index": one.index,
            "groups": one.groups,
            "resolution": one.resolution,
            "stable": one.stable,
        }
        for one in levels.positions
    ]
    if not positions:
        return None
    return {"positions": positions, "current": context.level_of_the_run}


def cut_levels(context: ApiContext, *, position: int) -> Answer:
    """Send the group of each image at a position of the slider."""
    levels = context.levels
    if position >= len(levels.resolutions):
        last = len(levels.resolutions) - 1
        raise OptionError(f"levels: position is {position}, expected 0 to {last}")
    found = levels.positions[position]
    return Answer(
        json={"groups": found.groups, "stable": found.stable},
        columns={"group": levels.cut(position)},
    )


def split_finer(context: ApiContext, *, proposal: str, beyond: float | None) -> Answer:
    """Divide a proposal as it falls apart at the next finer resolution; nothing is decided."""
    group = context.find_proposal(proposal)
    found = split_members(
        context.levels,
        group.images,
        context.rows,
        beyond=-math.inf if beyond is None else beyond,
    )
    return Answer(
        json={
            "parts": [part.tolist() for part in found.parts if len(part)],
            "resolution": found.resolution,
        }
    )


def list_pairs(context: ApiContext) -> Answer:
    """List the pairs of groups most likely of one type, their members side by side."""
    state = context.state
    places = [place for place, one in enumerate(state.proposals) if one.status in _COMPARED]
    code_of = np.full(len(state.proposals) + 1, -1, np.int32)  # the last one is noise's
    code_of[places] = np.arange(len(places))
    groups = code_of[state.proposal_codes]
    ranked = [state.proposals[place] for place in places]
    # Of one name they are one type already; what was split apart, a person does not want joined.
    settled: dict[tuple[str, str], list[int]] = {}
    for code, one in enumerate(ranked):
        for kind, name in (("label", one.label), ("parent", one.parent)):
            if name:
                settled.setdefault((kind, name), []).append(code)
    apart = {(a, b) for codes in settled.values() for a in codes for b in codes if a < b}
    found = merge_pairs(groups, context.neighbours, apart=apart, limit=_MOST_PAIRS)
    return Answer(
        json={
            "pairs": [
                _tell_pair(context, ranked[a], ranked[b], likeness) for a, b, likeness in found
            ]
        }
    )


def _tell_pair(
    context: ApiContext, one: OpenProposal, other: OpenProposal, likeness: float
) -> dict[str, Any]:
    return {
        "a": one.proposal_id,
        "b": other.proposal_id,
        "likeness": likeness,
        "images_a": _choose_shown(context, one),
        "images_b": _choose_shown(context, other),
    }


def _choose_shown(context: ApiContext, proposal: OpenProposal) -> list[int]:
    """Return the images that show a proposal: its exemplars, then its firmest members."""
    firm = np.argsort(-context.data.clustering.memberships[proposal.images], kind="stable")
    some = proposal.images[firm[:PAGE_SIZE]].tolist()
    return list(dict.fromkeys([*context.find_exemplars(proposal), *some]))[:_SHOWN_OF_A_PAIR]


METHODS = {
    "levels": Method(run=cut_levels, arguments={"position": whole(0, _MOST_POSITIONS)}),
    "split": Method(
        run=split_finer,
        arguments={"proposal": text(), "beyond": number(default=None)},
        pool="slow",
    ),
    "merge_pairs": Method(run=list_pairs, pool="slow"),
}
