"""The handoff of a run under review: what was typed into it is taken back, then it is written."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from discovery.formats.handoff import HandoffTemplate, group_accepted
from discovery.ledger import Replay
from discovery.records import Decided, ImageLabel
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON, Provenance, Run
from discovery.stages.handoff_io import (
    absorb_handoff,
    compose_handoff,
    save_handoff,
)
from embeddings.errors import HandoffError


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is decided at one moment, apart from a ledger that goes on.

    Attributes
    ----------
    labels : list of ImageLabel
    numbers : (n,) int32
        Which of them each image bears.
    definitions : dict of label to str
    accepted : dict of label to list of proposal ids
    """

    labels: list[ImageLabel]
    numbers: NDArray[np.int32]
    definitions: dict[str, str]
    accepted: dict[str, list[str]]

    @classmethod
    def of(cls, replay: Replay, n: int) -> Self:
        """Take it of the first n images."""
        tables = replay.tables
        return cls(
            labels=list(tables.labels),
            # Without a label on purpose or for want of a decision: the file says the same.
            numbers=np.maximum(tables.current(slice(0, n)), 0),
            definitions=dict(tables.definitions),
            accepted=group_accepted(tables.proposals),
        )


class HandoffFollower:
    """Keeps handoff.csv and handoff.json of a run in step; what stays of them is formatted once.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stamp: object = None  # of handoff.csv, when it was looked at
        self._refused: HandoffError | None = None

    def absorb(self, by: str) -> None:
        """Take into the ledger what a person typed into handoff.csv.

        Raises
        ------
        HandoffError
            The file has faults: it is left as it is.
        """
        stamp = self._look()
        # The same faults are not looked for again with every decision.
        if self._refused is not None and stamp == self._stamp:
            raise self._refused
        self._stamp, self._refused = stamp, None
        try:
            absorb_handoff(self._run, by=by, at=datetime.now(UTC).isoformat(timespec="seconds"))
        except HandoffError as error:
            self._refused = error
            raise

    def save(self, snapshot: Snapshot, provenance: Provenance) -> bool:
        """Write both files, unless they are current; False where someone typed meanwhile."""
        if all(self._run.is_current(name, provenance) for name in (HANDOFF_CSV, HANDOFF_JSON)):
            return True
        template, rows = self._template
        numbers = snapshot.numbers[rows]
        types = template.list_types(
            snapshot.labels, numbers, definitions=snapshot.definitions, accepted=snapshot.accepted
        )
        files = template.format(snapshot.labels, numbers, types=types)
        if self._look() != self._stamp:
            return False
        save_handoff(self._run, files, provenance)
        self._stamp = self._look()
        return True

    @cached_property
    def _template(self) -> tuple[HandoffTemplate, NDArray[np.intp]]:
        """What stays of the handoff, and the image of each of its rows."""
        paths = self._run.load_layout().paths
        rows = np.repeat(np.arange(len(paths)), [len(own) for own in paths])
        return HandoffTemplate(compose_handoff(self._run, Decided())), rows

    def _look(self) -> object:
        try:
            status = (self._run.path / HANDOFF_CSV).stat()
        except FileNotFoundError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ino
