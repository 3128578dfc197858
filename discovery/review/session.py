"""A review's session: the ledger followed, actions appended to it, the state they lead to."""

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self, TypedDict, Unpack

from discovery.ledger import Action, Ledger
from discovery.records import Decision, describe_alike_labels
from discovery.review.compose import RunBase, compose_state, find_membership
from discovery.review.conflicts import check_conflicts
from discovery.review.data import ReviewData
from discovery.review.describe import describe_action
from discovery.review.follow import HandoffFollower, Snapshot
from discovery.review.publish import HandoffPublisher
from discovery.review.scene import Scene, take_seconds, take_selection
from discovery.review.state import ReviewState
from discovery.runs import CLUSTERING, LEDGER, PROPOSALS, Run, refuse_vanished
from discovery.stages.handoff_io import describe_handoff, publishing
from embeddings.console import get_logger
from embeddings.errors import OptionError, RunError

Make = Callable[[Scene], list[Decision]]


class Asked(TypedDict, total=False):
    """What every action may be told beside what it does.

    Attributes
    ----------
    seen : int or None
        The revision of the state that the person looked at; by default the one this review showed
        last.
    seconds : float or None
        How long the person took.
    selection : mapping
        How the images were chosen, JSON-ready.
    """

    seen: int | None
    seconds: float | None
    selection: Mapping[str, Any]


class ReviewSession:
    """What a person's review is made of, without the actions themselves.

    Parameters
    ----------
    run : Run
    by : str
        Who decides.
    """

    def __init__(self, run: Run, *, by: str) -> None:
        self.run, self.by = run, by
        self.hint = ""
        """What the last action should be looked at again for; empty for nothing."""
        self._lock, self._closed = threading.RLock(), False
        self._stamps = self._stamp_run()
        self._base = RunBase.of(
            run.load_clustering(), run.load_proposals(), identity=self._stamps[CLUSTERING]
        )
        self._ledger = Ledger(run.path / LEDGER, self._base.ids.tolist())
        self._membership = find_membership(self._base, self._ledger.replay.tables.parts)
        self._parts_seen: dict[str, Any] = {}
        self._state = self._compose()
        self._told = self.revision  # what the caller knows of
        self._handoff = HandoffFollower(run)
        self._publisher = HandoffPublisher(self._publish)

    # --- what there is ---

    @property
    def state(self) -> ReviewState:
        """How the review stands, as far as this process has read the ledger."""
        return self._state

    @property
    def revision(self) -> int:
        """How many lines of the ledger the state knows."""
        return self._state.revision

    @property
    def handoff_fault(self) -> str | None:
        """Why handoff.csv does not follow, in one line; the decisions themselves are kept."""
        return self._publisher.fault

    @property
    def ledger_fault(self) -> str:
        """What is wrong with the ledger, in one line; empty where nothing is."""
        return self._ledger.fault

    @cached_property
    def data(self) -> ReviewData:
        """Vectors, neighbours, map and metadata of the images, each loaded when first used."""
        return ReviewData(self.run)

    def refresh(self) -> bool:
        """Read what others appended, and tell whether there was anything since the last time.

        Raises
        ------
        RunError
            The ledger cannot be read, or the run was clustered again.
        """
        with self._lock:
            self._check_run()
            self._read()
            # Lines that the background writer met first are news to the caller all the same.
            changed, self._told = self.revision != self._told, self.revision
            return changed

    def history(self, image: int | None = None) -> tuple[str, ...]:
        """Say what was done, in its order: by whom, when and what; of one image, or in all."""
        with self._lock:
            found = [
                action
                for action in self._ledger.replay.actions
                if image is None or any(image in line.images for line in action.lines)
            ]
            return tuple(self._tell(action) for action in found)

    # --- back and forth ---

    def undo(self, **asked: Unpack[Asked]) -> ReviewState:
        """Undo this person's last action that is not undone."""
        return self._switch("undo", asked)

    def redo(self, **asked: Unpack[Asked]) -> ReviewState:
        """Do again what this person undid last."""
        return self._switch("redo", asked)

    # --- the end ---

    def flush(self) -> None:
        """Bring handoff.csv and handoff.json up to date now; `handoff_fault` says if it failed."""
        self._publisher.flush()

    def close(self) -> None:
        """End the background writer, and bring the handoff, the sheet of types, the report in step.

        What keeps them from it stands in `handoff_fault`; the decisions are kept.
        """
        self._closed = True
        self._publisher.close(self._finish)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- how an action comes about ---

    def _switch(self, verdict: str, asked: Asked) -> ReviewState:
        def make(scene: Scene) -> list[Decision]:
            replay = scene.replay
            find = replay.find_undoable if verdict == "undo" else replay.find_redoable
            action = find(self.by)
            if action is None:
                raise OptionError(f"there is nothing to {verdict}")
            return [
                scene.decide("undo" if verdict == "undo" else "redo", "action", target=action.name)
            ]

        return self._act(make, asked)

    def _act(self, make: Make, asked: Asked) -> ReviewState:
        told = asked | {
            "seconds": take_seconds(asked.get("seconds")),
            "selection": take_selection(asked.get("selection")),
        }
        with self._lock:
            if self._closed:
                raise OptionError("this review is closed: open the run again")
            self._check_run()
            known = set(self._state.labels)
            seen = asked.get("seen")
            seen = self.revision if seen is None else seen
            self._ledger.append(lambda: self._prepare(make, told, seen))
            self._state = self._compose()
            self._told = self.revision
            self._publisher.wake()
            self.hint = describe_alike_labels(set(self._state.labels) - known, self._state.labels)
            if self.hint:
                get_logger().warning("%s", self.hint)
            return self._state

    def _prepare(self, make: Make, asked: Asked, seen: int) -> list[Decision]:
        """Make the lines of an action, of the state that everyone's decisions came to."""
        if self._ledger.revision != self.revision:
            self._state = self._compose()
        replay = self._ledger.replay
        scene = Scene(
            state=self._state,
            replay=replay,
            clustering=self._base.clustering,
            by=self.by,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            action=secrets.token_hex(6),
            selection=asked["selection"],
        )
        made = make(scene)
        since = replay.list_since(seen)
        if made[0].scope == "action":
            # Of one's own that is not in doubt: it is the last one, whatever the screen shows yet.
            since = [one for one in since if one.by != self.by]
        concerned = [one for wanted in made for one in self._concerns(wanted)]
        check_conflicts(concerned, since, self._numbers)
        first = replace(made[0], seconds=asked["seconds"])
        return [first, *made[1:]]

    def _concerns(self, wanted: Decision) -> Sequence[Decision]:
        """Return what a decision is about: of an undo, the action that is undone."""
        action = self._ledger.replay.find_action(wanted.target)
        return [wanted] if action is None else action.decisions

    def _read(self) -> None:
        """Bring the state up to the ledger's end."""
        self._ledger.refresh()
        if self._ledger.revision != self.revision:
            self._state = self._compose()
            self._publisher.wake()

    def _compose(self) -> ReviewState:
        replay = self._ledger.replay
        parts = replay.tables.parts
        if parts.keys() != self._parts_seen.keys():
            # Seldom: only a split, or what is left clustered again, moves images.
            self._membership = find_membership(self._base, parts)
            self._parts_seen = dict(parts)
        return compose_state(self._base, self._membership, replay, by=self.by)

    @property
    def _numbers(self) -> dict[str, str]:
        return dict(zip(self._membership.names, self._membership.numbers, strict=True))

    def _tell(self, action: Action) -> str:
        undone = "" if action.holds else " (undone)"
        return (
            f"{action.at} {action.by}: {describe_action(action.decisions, self._numbers)}{undone}"
        )

    def _stamp_run(self) -> dict[str, str]:
        # Looks at the files' times alone, where nothing changed.
        return {name: self.run.hash_inputs(name).get(name, "") for name in (CLUSTERING, PROPOSALS)}

    def _check_run(self) -> None:
        if not self.run.path.is_dir():
            raise refuse_vanished(self.run.path)
        if self._stamp_run() != self._stamps:
            raise RunError(
                f"{self.run.path} was clustered again while it was reviewed: open the review anew; "
                "all decisions are kept"
            )

    def _finish(self) -> None:
        if self._stamp_run() == self._stamps:
            with publishing(self.run):
                self._handoff.finish()

    def _publish(self) -> None:
        """Take back what was typed into the sheets, then write the handoff as things are now."""
        if self._stamp_run() != self._stamps and self.run.path.is_dir():
            return  # clustered again: that round writes its own
        with publishing(self.run):
            saved = False
            while not saved:
                self._handoff.absorb(self.by)
                provenance = describe_handoff(self.run)
                with self._lock:
                    self._read()
                    snapshot = Snapshot.of(self._ledger.replay, len(self._base.ids))
                saved = self._handoff.save(snapshot, provenance)
