"""Decisions replayed one after the other, with actions undone and done again among them.

What holds is what the actions that were not undone come to, in the order of the ledger. Each
action notes what it changed: to undo one, those behind it are taken back, and then made again,
when someone next asks what holds.
"""

from collections.abc import Iterable

from discovery.ledger.history import History
from discovery.ledger.meaning import Line, apply_line
from discovery.ledger.tables import Journal, Tables
from discovery.records import Decided, Decision


class Action:
    """What a person did at once: one line of the ledger or several.

    Attributes
    ----------
    name : str
        Its id; of a line without one, its number.
    place : int
        Among the actions.
    lines : list of Line
    holds : bool
        Whether it is not undone.
    """

    __slots__ = ("holds", "journal", "lines", "name", "place")

    def __init__(self, name: str, place: int) -> None:
        self.name, self.place = name, place
        self.lines: list[Line] = []
        self.holds = True
        self.journal: Journal = []  # what it changed

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Its decisions, in their order."""
        return tuple(line.decision for line in self.lines)

    @property
    def by(self) -> str:
        """Who did it."""
        return self.lines[0].decision.by

    @property
    def at(self) -> str:
        """When."""
        return self.lines[0].decision.at


class Replay:
    """What the decisions so far come to.

    Parameters
    ----------
    ids : iterable of str
        Images that are known beforehand: they are the first of `tables`, in this order.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.actions: list[Action] = []
        self.part_names: set[str] = set()  # of undone actions, too: none is given twice
        self.seconds = 0.0  # how long all actions took, undone ones too
        self._tables = Tables(ids)
        self._history = History(self._tables.labels)
        self._done = 0  # so many actions have left their mark in the tables, unless undone
        self._by_name: dict[str, Action] = {}
        self._log: list[Action | None] = []  # of each line, the action it is about
        self._undone: dict[str, list[Action]] = {}  # by person, the last one last

    def __len__(self) -> int:
        """Count the lines."""
        return len(self._log)

    @property
    def tables(self) -> Tables:
        """What holds."""
        for action in self.actions[self._done :]:
            self._perform(action, action.lines)
        self._done = len(self.actions)
        return self._tables

    def apply(self, decision: Decision) -> None:
        """Take the next line of the ledger."""
        self.seconds += decision.seconds or 0.0
        if decision.scope == "action":
            self._log.append(self._switch(decision))
            return
        self._undone.pop(decision.by, None)  # who does something new has nothing to do again
        line = Line(
            decision=decision,
            images=self._tables.find_images(decision.image_ids),
            parts={name: self._tables.find_images(ids) for name, ids in decision.parts.items()},
            order=len(self),
        )
        self.part_names.update(decision.parts)
        self._history.add(decision, line.images)
        action = self._continue_action(decision.action or f"line {len(self) + 1}")
        self._log.append(action)
        action.lines.append(line)
        if action.place < self._done:
            self._perform(action, [line])

    def find_undoable(self, by: str) -> Action | None:
        """Return the last action of a person that is not undone."""
        own = (one for one in reversed(self.actions) if one.holds and one.by == by)
        return next(own, None)

    def find_redoable(self, by: str) -> Action | None:
        """Return the action that the person undid last, and has not done again."""
        return next((one for one in reversed(self._undone.get(by, [])) if not one.holds), None)

    def find_action(self, name: str) -> Action | None:
        """Return an action by its id."""
        return self._by_name.get(name)

    def list_since(self, revision: int) -> list[Action]:
        """List the actions that lines behind a revision made, undid or did again."""
        return [one for one in dict.fromkeys(self._log[revision:]) if one is not None]

    def decided(self) -> Decided:
        """Say what the decisions come to."""
        tables = self.tables
        numbers = tables.current(slice(0, len(tables.ids))).tolist()
        labels = ((name, tables.labels[n]) for name, n in zip(tables.ids, numbers, strict=True))
        return Decided(
            images={name: label for name, label in labels if label.label},
            history=self._history.gather(tables.ids),
            proposals=dict(tables.proposals),
            deferred=dict(tables.deferred),
            excluded={
                label: frozenset(tables.ids[place] for place in barred.tolist())
                for label, barred in tables.excluded.items()
            },
            definitions=dict(tables.definitions),
        )

    def _continue_action(self, name: str) -> Action:
        """Return the action that a line belongs to: the last one, or a new one."""
        last = self.actions[-1] if self.actions else None
        if last is not None and last.name == name and last.holds:
            return last
        if name in self._by_name:  # its lines are written together: this one is a stranger's
            name = f"{name}, line {len(self) + 1}"
        action = self._by_name[name] = Action(name, len(self.actions))
        self.actions.append(action)
        return action

    def _perform(self, action: Action, lines: Iterable[Line]) -> None:
        if action.holds:
            self._tables.journal = action.journal
            for line in lines:
                apply_line(self._tables, line)

    def _switch(self, decision: Decision) -> Action | None:
        """Undo an action or do it again; where that is so already, nothing happens."""
        action, wanted = self._by_name.get(decision.target), decision.verdict == "redo"
        if action is None:
            return None  # of a ledger that lost lines: about nothing
        if action.holds != wanted:
            while self._done > action.place:
                self._done -= 1
                self._take_back(self.actions[self._done])
            action.holds = wanted
            self._note_undone(decision, action)
        return action

    def _take_back(self, action: Action) -> None:
        self._tables.rewind(action.journal)
        action.journal = []

    def _note_undone(self, decision: Decision, action: Action) -> None:
        undone = self._undone.setdefault(decision.by, [])
        if decision.verdict == "undo":
            undone.append(action)
        elif action in undone:
            undone.remove(action)


def replay_decisions(decisions: Iterable[Decision]) -> Decided:
    """Say what the decisions come to, taken in their order."""
    replay = Replay()
    for decision in decisions:
        replay.apply(decision)
    return replay.decided()
