"""The method ``state``: how the review stands, whole; asked for after each change."""

from typing import Any

import numpy as np

from discovery.review import OpenProposal
from discovery.review.server.answers import Answer
from discovery.review.server.context import ApiContext
from discovery.review.server.method import Method
from discovery.review.server.words import sum_up_associations

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
                "expected_right": context.estimate.value,
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
                }
                for one in state.types
            ],
            "proposals": [_tell_proposal(context, one) for one in state.proposals],
            "undo": state.undoable,
            "redo": state.redoable,
            "left": len(state.left),
            "notices": context.list_notices(),
        },
        columns={
            "label": state.label_codes,
            "source": state.sources,
            "held": state.held.astype(np.uint8),
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
        "likely": proposal.likely or None,
        "nearest_known": evidence.get("nearest_known") or None,
        "associations": sum_up_associations(evidence.get("associations", {})),
    }


METHODS = {"state": Method(run=tell_state)}
