"""The review of a run: a person's actions, kept in the ledger, and what they come to.

::

    with open_review(Path("run")) as review:
        state = review.state
        state = review.accept(state.proposals[0].proposal_id, "scratch")
        review.undo()

The state is what replaying decisions.jsonl gives, so it outlives the process, several people may
review one run at once, and the spreadsheet goes on working beside it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
