"""The ledger decisions.jsonl: appended to, never rewritten, and replayed to know what holds now.

    append_decisions(run.path / LEDGER, [decision])
    decided = replay_decisions(read_decisions(run.path / LEDGER))

What holds: a decision on single images wins over one on a proposal or a group, whichever came
first; among the rest the later one wins. A label stays with the image ids it was given to. An
action that was undone counts as if it had never been made; done again, it counts where it was.

`Replay` is the one place that knows what decisions mean; `Ledger` follows a file that several
processes append to.
"""

from discovery.ledger.ledger import Ledger
from discovery.ledger.lines import append_decisions, read_decisions
from discovery.ledger.replay import Action, Replay, replay_decisions
from discovery.ledger.sheets import mark_sheet
from discovery.ledger.tables import Part, Tables

__all__ = [
    "Action",
    "Ledger",
    "Part",
    "Replay",
    "Tables",
    "append_decisions",
    "mark_sheet",
    "read_decisions",
    "replay_decisions",
]
