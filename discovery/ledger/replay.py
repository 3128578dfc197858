"""Decisions replayed one after the other, with actions undone and done again among them.

What holds is what the actions that were not undone come to, in the order of the ledger. Each
action notes what it changed: to undo one, those behind it are taken back, and then made again.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from discovery.ledger.meaning import Line, apply_line
from discovery.ledger.tables import Journal, Tables
from discovery.records import Decided, Decision, ImageLabel

_BITS = np.int64(32)  # of a history's entry: the image above, the label's number below


class Action:
    """What a person did at once: one line of the ledger or several.

    Attributes
    ----------
    name : str
        Its id; of a line without one, its number.
    lines : list of Line
    """

    __slots__ = ("journal", "lines", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[Line] = []
        self.journal: Journal | None = []  # what it changed; None while it is undone

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

    @property
    def holds(self) -> bool:
        """Whether it is not undone."""
        return self.journal is not None


class Replay:
    """What the decisions so far come to.

    Parameters
    ----------
    ids : iterable of str
        Images that are known beforehand: they are the first of `tables`, in this order.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.tables = Tables(ids)
        self.actions: list[Action] = []
        self.part_names: set[str] = set()  # of undone actions, too: none is given twice
        self._places: dict[str, int] = {}  # of the actions, by name
        self._log: list[Action] = []  # of each line, the action it is about
        self._seconds: float = 0.0
        self._undone: dict[str, list[str]] = {}  # by person, the last one last
        self._history: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        """Count the lines."""
        return len(self._log)

    @property
    def seconds(self) -> float:
        """How long all actions took, undone ones too."""
        return self._seconds

    def apply(self, decision: Decision) -> None:
        """Take the next line of the ledger."""
        self._seconds += decision.seconds or 0.0
        if decision.scope == "action":
            self._log.append(self._switch(decision))
            return
        self._undone.pop(decision.by, None)  # who does something new has nothing to do again
        action = self._continue_action(decision.action or f"line {len(self) + 1}")
        line = Line(
            decision=decision,
            images=self.tables.find_images(decision.image_ids),
            parts={name: self.tables.find_images(ids) for name, ids in decision.parts.items()},
            order=len(self),
        )
        self._log.append(action)
        self.part_names.update(decision.parts)
        action.lines.append(line)
        self._perform(action, [line])

    def find_undoable(self, by: str) -> Action | None:
        """Return the last action of a person that is not undone."""
        own = (one for one in reversed(self.actions) if one.holds and one.by == by)
        return next(own, None)

    def find_redoable(self, by: str) -> Action | None:
        """Return the action that the person undid last, and has not done again."""
        names = self._undone.get(by, [])
        undone = (self.actions[self._places[name]] for name in reversed(names))
        return next((one for one in undone if not one.holds), None)

    def find_action(self, name: str) -> Action | None:
        """Return an action by its id."""
        place = self._places.get(name)
        return None if place is None else self.actions[place]

    def list_since(self, revision: int) -> list[Action]:
        """List the actions that lines behind a revision made, undid or did again."""
        return [one for one in dict.fromkeys(self._log[revision:]) if one.lines]

    def decided(self) -> Decided:
        """Say what the decisions come to."""
        tables = self.tables
        numbers = tables.current(slice(0, len(tables.ids))).tolist()
        labels = ((name, tables.labels[n]) for name, n in zip(tables.ids, numbers, strict=True))
        return Decided(
            images={name: label for name, label in labels if label.label},
            history=self._gather_history(),
            proposals=dict(tables.proposals),
            deferred=dict(tables.deferred),
            definitions=dict(tables.definitions),
        )

    # --- what was done ---

    def _continue_action(self, name: str) -> Action:
        """Return the action that a line belongs to: the last one, or a new one."""
        if self.actions and self.actions[-1].name == name and self.actions[-1].holds:
            return self.actions[-1]
        if name in self._places:  # its lines are written together: this one is a stranger's
            name = f"{name}, line {len(self) + 1}"
        self._places[name] = len(self.actions)
        self.actions.append(Action(name))
        return self.actions[-1]

    def _perform(self, action: Action, lines: Iterable[Line]) -> None:
        tables = self.tables
        tables.journal = [] if action.journal is None else action.journal
        action.journal = tables.journal
        for line in lines:
            touched = apply_line(tables, line)
            if len(touched):
                numbers = tables.current(touched).astype(np.int64)
                self._history.append((touched.astype(np.int64) << _BITS) | (numbers + 1))

    def _rewind(self, action: Action) -> None:
        self.tables.rewind(action.journal or [])
        action.journal = []

    # --- undone and done again ---

    def _switch(self, decision: Decision) -> Action:
        """Undo an action or do it again; where that is so already, nothing happens."""
        place = self._places.get(decision.target)
        if place is None:
            return Action(decision.target)  # of a ledger that lost lines: about nothing
        action, wanted = self.actions[place], decision.verdict == "redo"
        if action.holds != wanted:
            behind = [one for one in self.actions[place + 1 :] if one.holds]
            for one in reversed(behind):
                self._rewind(one)
            if wanted:
                self._perform(action, action.lines)
            else:
                self._rewind(action)
                action.journal = None
            for one in behind:
                self._perform(one, one.lines)
            self._note_undone(decision)
        return action

    def _note_undone(self, decision: Decision) -> None:
        names = self._undone.setdefault(decision.by, [])
        if decision.verdict == "undo":
            names.append(decision.target)
        elif decision.target in names:
            names.remove(decision.target)

    def _gather_history(self) -> dict[str, frozenset[ImageLabel]]:
        if not self._history:
            return {}
        entries = np.unique(np.concatenate(self._history))
        self._history = [entries]
        images, numbers = entries >> _BITS, (entries & 0xFFFFFFFF) - 1
        found: dict[str, list[ImageLabel]] = {}
        for image, number in zip(images.tolist(), numbers.tolist(), strict=True):
            found.setdefault(self.tables.ids[image], []).append(self.tables.labels[number])
        return {name: frozenset(labels) for name, labels in found.items()}


def replay_decisions(decisions: Iterable[Decision]) -> Decided:
    """Say what the decisions come to, taken in their order."""
    replay = Replay()
    for decision in decisions:
        replay.apply(decision)
    return replay.decided()
