"""The methods of the screens: what comes next, a proposal, a page of doubt, the rest."""

from typing import Any

import numpy as np

from discovery.review.advisor import PAGE_SIZE, rank_names, read_labelled
from discovery.review.guidance import Suggestion, suggest_next
from discovery.review.regroup import nearest_type
from discovery.review.server.answers import Answer
from discovery.review.server.arguments import text, whole
from discovery.review.server.context import ApiContext
from discovery.review.server.method import Method
from discovery.review.state import OpenProposal, Places, ReviewState
from embeddings.errors import OptionError

_PATIENCE = 0.25  # seconds: of many images the names are suggested as of the decision before
_MOST_NAMES = 9  # suggested: the digits of the keyboard
_CENTRAL = 6  # exemplars of a part
_SHAKY = 0.6  # Hennig's limit: a group that is found again less often is doubtful
_SHOWN_OF_REST = 12  # images of each type that stand for what it would get


def suggest_screen(context: ApiContext, *, after: str) -> Answer:
    """Say which screen to open next, and why.

    Parameters
    ----------
    after : str
        The proposal that was looked at last: another one comes next, or empty.
    """
    state = context.state
    # Proposals first, whatever the labels are expected to be worth: the judge knows the types that
    # have a name, and takes what is new for one of them. So it need not be asked.
    labelled = read_labelled(state, context.data.copies)
    waiting = {
        place: one.images for place, one in enumerate(state.proposals) if one.status == "open"
    }
    found = suggest_next(labelled, None, waiting=waiting)
    if found.screen != "validate":
        found = context.advisor.suggest()
    told: dict[str, Any] = {"screen": found.screen, "why": found.why}
    if found.screen == "validate":
        told["proposal"] = _choose_proposal(state, found, after)
    return Answer(json=told)


def show_proposal(context: ApiContext, *, proposal: str, limit: int) -> Answer:
    """Show the members of a proposal, those first that speak most against it."""
    group, state = context.find_proposal(proposal), context.state
    if not len(group.images):
        return _tell_empty(group)
    order = context.advisor.order(proposal, limit=limit)
    nearest = nearest_type(context.rows, group.images, state.label_codes)
    nearest_label = "" if nearest is None else state.labels[nearest.label]
    return Answer(
        json={
            "images": order.images.tolist(),
            "folded": {str(image): copies.tolist() for image, copies in order.folded.items()},
            "of": order.of,
            "medoid": context.find_medoid(group),
            "exemplars": context.find_exemplars(group) or _find_central(context, group.images),
            "suggestions": _suggest_names(context, group, nearest_label),
            "nearest": None
            if nearest is None
            else {
                "label": nearest_label,
                "images": nearest.images.tolist(),
                "likeness": nearest.likeness,
            },
            "warnings": _list_warnings(state, group),
        }
    )


def show_doubt(context: ApiContext, *, type: str | None) -> Answer:
    """Show images whose type is least sure, each with the type it probably is."""
    labels = context.state.labels
    if type is not None and type not in labels:
        raise OptionError(f"there is no type {type!r}: it may have been renamed")
    page = context.advisor.doubt(type, limit=PAGE_SIZE)
    if page is None:
        return Answer(
            json={"images": [], "current": [], "likely": [], "probability": [], "folded": {}}
        )
    names = (*labels, "")  # -1 is none
    return Answer(
        json={
            "images": page.images.tolist(),
            "current": [names[code] for code in page.current.tolist()],
            "likely": [names[code] for code in page.likely.tolist()],
            "probability": page.right.tolist(),
            "folded": {str(image): copies.tolist() for image, copies in page.folded.items()},
        }
    )


def show_rest(context: ApiContext) -> Answer:
    """Show what each type would get of the images that nobody looked at."""
    moves = context.advisor.rest()
    return Answer(
        json={
            "types": [
                {
                    "label": label,
                    "count": len(images),
                    "images": images[_spread(len(images))].tolist(),
                }
                for label, images in moves.items()
            ],
            "expected_right": context.advisor.expected_right(after_rest=True),
        }
    )


def _tell_empty(group: OpenProposal) -> Answer:
    """Tell of a proposal all of whose images went to its parts, or to other groups."""
    return Answer(
        json={
            "images": [],
            "folded": {},
            "of": 0,
            "medoid": None,
            "exemplars": [],
            "suggestions": [],
            "nearest": None,
            "warnings": [f"Nothing is left of proposal {group.number}: decide on its parts"],
        }
    )


def _find_central(context: ApiContext, images: Places) -> list[int]:
    """Return the members nearest to the mean: of parts nobody chose exemplars."""
    own = context.rows[images]
    nearest = np.argsort(-(own @ own.mean(axis=0)), kind="stable")[:_CENTRAL]
    central: list[int] = images[nearest].tolist()
    return central


def _choose_proposal(state: ReviewState, found: Suggestion, after: str) -> str:
    place = found.proposal or 0
    suggested = state.proposals[place]
    if suggested.proposal_id != after:
        return suggested.proposal_id
    # Looked at and left open: the one behind it, not the same again.
    others = [one for one in state.proposals[place + 1 :] if one.status == "open"]
    return (others or [suggested])[0].proposal_id


def _suggest_names(context: ApiContext, group: OpenProposal, nearest: str) -> list[str]:
    seen, _, judge = context.fits.take(patience=_PATIENCE)
    there = context.state.labels
    learned = [name for name in rank_names(seen, judge, group.images) if name in there]
    # A type that the last fit does not know yet may be the nearest one.
    new = [nearest] if nearest not in seen.labels else []
    known = str(group.evidence.get("nearest_known") or "")
    names = [group.label, group.likely, *new, *learned[: _MOST_NAMES - 2], nearest, known]
    return [name for name in dict.fromkeys(names) if name][:_MOST_NAMES]


def _list_warnings(state: ReviewState, group: OpenProposal) -> list[str]:
    """Say what a person should know before naming a proposal."""
    warnings = []
    stability = group.evidence.get("stability", np.nan)
    if stability < _SHAKY:
        warnings.append(f"Found again in only {stability:.0%} of it when images were left out")
    codes, counts = np.unique(state.label_codes[group.images], return_counts=True)
    others = [
        f"{count} as {state.labels[code]}"
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
        if code >= 0 and state.labels[code] != group.label
    ]
    if others:
        warnings.append(f"Some of it is named already: {', '.join(others[:3])}")
    return warnings


def _spread(count: int) -> Any:
    kept = min(count, _SHOWN_OF_REST)
    return np.unique(np.linspace(0, count - 1, kept).astype(np.intp))


METHODS = {
    "next": Method(run=suggest_screen, arguments={"after": text(default="")}, pool="slow"),
    "validate": Method(
        run=show_proposal,
        arguments={"proposal": text(), "limit": whole(1, PAGE_SIZE, default=PAGE_SIZE)},
        pool="slow",
    ),
    "doubt": Method(run=show_doubt, arguments={"type": text(default=None)}, pool="slow"),
    "rest": Method(run=show_rest, pool="slow"),
}
