"""The method ``state``: how the review stands, whole; asked for after each change."""

from typing import Any

import numpy as np

from discovery.review import OpenProposal
from discovery.review.server.answers import Answer
from discovery.review.server.context import ApiContext
from discovery.review.server.method import Method
from discovery.review.server.words import sum_up_associations

# Of types, in their order: as far apart as twenty can be on light and on dark.
_COLOURS = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#c9a227", "#ff7f9f",
    "#9c755f", "#8f8be0", "#2f9e8f", "#d1605e", "#86bc4b", "#d67ac2", "#5fa8d3", "#b9632f",
    "#7d9bb5", "#a3a03c", "#c4686f", "#6d7fd1",
)  # fmt: skip
_EVIDENCE = ("cohesion", "separation", "stability", "novelty")


def tell_state(context: ApiContext) -> Answer:
    """Tell types, proposals and progress, and of each image its label, source and proposal."""
    state = context.state
    progress = state.progress
    return Answer(
        json={
            "revision": state.revision,
            "progress": {
                "decisions": progress.decisions,
                "named": progress.named,
                "named_share": progress.named_share,
                "expected_right": None,
                "seconds": progress.seconds,
            },
            "types": [
                {
                    "label": one.label,
                    "images": len(one.images),
                    "human": one.human,
                    "cluster": len(one.images) - one.human,
                    "definition": one.definition,
                    "prototypes": one.prototypes.tolist(),
                    "color": _COLOURS[place % len(_COLOURS)],
                }
                for place, one in enumerate(state.types)
            ],
            "proposals": [_tell_proposal(context, one) for one in state.proposals],
            "undo": state.undoable,
            "redo": state.redoable,
            "left": len(state.left),
        },
        columns={
            "label": state.label_codes,
            "source": state.sources,
            "proposal": state.proposal_codes,
        },
    )


def _tell_proposal(context: ApiContext, proposal: OpenProposal) -> dict[str, Any]:
    evidence = proposal.evidence
    return {
        "id": proposal.proposal_id,
        "number": proposal.number,
        "rank": evidence.get("rank"),
        "size": len(proposal.images),
        "status": proposal.status,
        "label": proposal.label or None,
        "parent": proposal.parent or None,
        "medoid": context.find_medoid(proposal),
        "exemplars": context.find_exemplars(proposal),
        **{name: evidence.get(name, np.nan) for name in _EVIDENCE},
        "nearest_known": evidence.get("nearest_known") or None,
        "associations": sum_up_associations(evidence.get("associations", {})),
    }


METHODS = {"state": Method(run=tell_state)}
