"""A ledger that several processes append to: read as it grows, and added to one at a time."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from discovery.ledger.lines import (
    parse_decisions,
    warn_of_torn_line,
    write_decisions,
    writing,
)
from discovery.ledger.replay import Replay
from discovery.records import Decision
from embeddings.errors import RunError
from embeddings.locks import locked


class Ledger:
    """decisions.jsonl and what it comes to.

    Parameters
    ----------
    path : Path
        The file; it is made with the first decision.
    ids : iterable of str
        As in `Replay`.

    Attributes
    ----------
    replay : Replay
        What the lines read so far come to; another object once the file was replaced.
    """

    def __init__(self, path: Path, ids: Iterable[str] = ()) -> None:
        self.path = path
        self._ids = tuple(ids)
        self._offset, self._lines, self._inode = 0, 0, 0
        self._restart()
        self.refresh()
        if self._size() > self._offset:
            # Torn, or being written just now: whoever writes is waited for.
            with locked(path):
                self.refresh()
                if self._size() > self._offset:
                    warn_of_torn_line(path)

    @property
    def revision(self) -> int:
        """How many lines were read."""
        return len(self.replay)

    def refresh(self) -> bool:
        """Read what was appended since, by whomever, and tell whether there was anything.

        Raises
        ------
        RunError
            A line that ends cannot be read.
        """
        try:
            if not self.path.exists():
                status_inode, data = 0, b""
            else:
                with self.path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    status_inode = status.st_ino
                    # Restored from a copy: what was read is not what is there.
                    if status.st_size < self._offset or self._inode not in (0, status_inode):
                        self._restart()
                    file.seek(self._offset)
                    data = file.read()
        except OSError as error:
            raise RunError(f"cannot read {self.path}: {error.strerror}") from error
        self._inode = status_inode or self._inode
        decisions, used = parse_decisions(data, self.path, first=self._lines + 1)
        self._take(decisions, self._offset + used)
        self._lines += data[:used].count(b"\n")
        return bool(decisions)

    def append(self, make: Callable[[], Sequence[Decision]]) -> None:
        """Add the decisions that `make` returns, which sees what everyone decided before.

        Nothing is written where it raises, or returns none.

        Raises
        ------
        RunError
            The ledger cannot be read or written.
        """
        with writing(self.path) as file:
            self.refresh()
            decisions = make()
            if decisions:
                end = write_decisions(file, decisions)
                self._lines += len(decisions)
                self._take(decisions, end)

    def _restart(self) -> None:
        self.replay = Replay(self._ids)
        self._offset, self._lines, self._inode = 0, 0, 0

    def _take(self, decisions: Sequence[Decision], offset: int) -> None:
        for decision in decisions:
            self.replay.apply(decision)
        self._offset = offset

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0
