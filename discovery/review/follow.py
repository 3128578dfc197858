"""The sheets of a run under review: what was typed into them is taken back, then they are written.

handoff.csv and handoff.json follow every decision; the sheet of types and the report, which take
longer to draw, are written at the end.
"""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from discovery.flow.refresh import absorb_sheets
from discovery.formats.handoff import HandoffTemplate, group_accepted
from discovery.ledger import Replay
from discovery.records import Decided, ImageLabel
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON, TYPES_CSV, TYPES_XLSX, Provenance, Run
from discovery.stages.handoff_io import compose_handoff, save_handoff
from discovery.stages.type_sheet_io import publish_types
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
    """Keeps the sheets of a run in step; what stays of handoff.csv is formatted once.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stamp: object = None  # of the sheets, when they were looked at
        self._refused: HandoffError | None = None

    def absorb(self, by: str) -> None:
        """Take into the ledger what a person typed into handoff.csv, types.csv or types.xlsx.

        Raises
        ------
        HandoffError
            A file has faults: it is left as it is.
        """
        stamp = self._look()
        # The same faults are not looked for again with every decision.
        if self._refused is not None and stamp == self._stamp:
            raise self._refused
        self._stamp, self._refused = stamp, None
        typed = any(self._run.is_edited(name) for name in (TYPES_CSV, TYPES_XLSX))
        try:
            absorb_sheets(self._run, by=by, at=datetime.now(UTC).isoformat(timespec="seconds"))
        except HandoffError as error:
            self._refused = error
            raise
        if typed:
            publish_types(self._run)  # or it would be read again each time
            self._stamp = self._look()

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

    def finish(self) -> None:
        """Bring the sheet of types and the report up to date, where a round wrote them."""
        from discovery.flow.report import refresh_report  # loads SciPy: not while a page opens

        if (self._run.path / TYPES_CSV).exists():
            publish_types(self._run)
        refresh_report(self._run)

    @cached_property
    def _template(self) -> tuple[HandoffTemplate, NDArray[np.intp]]:
        """What stays of the handoff, and the image of each of its rows."""
        paths = self._run.load_layout().paths
        rows = np.repeat(np.arange(len(paths)), [len(own) for own in paths])
        return HandoffTemplate(compose_handoff(self._run, Decided())), rows

    def _look(self) -> object:
        """Return what changes with every change of the sheets."""
        found = []
        for name in (HANDOFF_CSV, TYPES_CSV, TYPES_XLSX):
            with contextlib.suppress(FileNotFoundError):
                status = (self._run.path / name).stat()
                found.append((name, status.st_size, status.st_mtime_ns, status.st_ino))
        return found
