"""A ledger that several processes append to: read as it grows, and added to one at a time."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from discovery.ledger.lines import (
    parse_decision,
    parse_decisions,
    write_decisions,
    writing,
)
from discovery.ledger.replay import Replay
from discovery.records import Decision
from embeddings.chain import ChainReader, Reading, read_head, warn_of_faults
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
    fault : str
        What is wrong with the lines read so far, in one line; empty where nothing is.
    """

    replay: Replay
    fault: str
    _reader: ChainReader[Decision]
    _reading: Reading[Decision]  # all of it, without the values
    _inode: int

    def __init__(self, path: Path, ids: Iterable[str] = ()) -> None:
        self.path = path
        self._ids = tuple(ids)
        self._restart()
        self.refresh()
        if self._size() > self._reading.used:
            # Torn, or being written just now: whoever writes is waited for.
            with locked(path):
                self.refresh()
                is_torn = self._size() > self._reading.used
            if is_torn:
                warn_of_faults(path, self._reading, is_torn=True)

    @property
    def revision(self) -> int:
        """How many lines were read."""
        return len(self.replay)

    def refresh(self) -> bool:
        """Read what was appended since, by whomever, and tell whether there was anything.

        Raises
        ------
        RunError
            It is gone or cannot be read, or a newer version of the program wrote it.
        """
        head = read_head(self.path)
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                inode = status.st_ino
                # Restored from a copy: what was read is not what is there.
                if status.st_size < self._reading.used or self._inode not in (0, inode):
                    self._restart()
                file.seek(self._reading.used)
                data = file.read()
        except FileNotFoundError:
            self._check_there()
            inode, data = 0, b""
        except OSError as error:
            raise RunError(f"cannot read {self.path}: {error.strerror}") from error
        is_first = not self._reading.used
        self._inode = inode
        is_more = self._take(data)
        if is_first and not self._reader.has(head):
            self._reading.is_cut = True
            self.fault = warn_of_faults(self.path, self._reading)
        return is_more

    def append(self, make: Callable[[], Sequence[Decision]]) -> None:
        """Add the decisions that `make` returns, which sees what everyone decided before.

        Nothing is written where it raises, or returns none.

        Raises
        ------
        RunError
            The ledger cannot be read or written.
        """
        self._check_there()  # or a new one would begin, without what was decided before
        with writing(self.path) as file:
            self.refresh()
            decisions = make()
            if decisions:
                self._take(write_decisions(file, decisions))

    def _restart(self) -> None:
        self.replay = Replay(self._ids)
        self._reader = ChainReader(parse_decision)
        self._reading = Reading()
        self._inode = 0
        self.fault = ""

    def _check_there(self) -> None:
        if self._reading.used and not self.path.exists():
            raise RunError(
                f"{self.path} is gone: it was removed while it was in use; put it back, or open "
                "the run again to begin without it"
            )

    def _take(self, data: bytes) -> bool:
        """Take what is behind what was read, and tell whether there was anything."""
        reading = parse_decisions(data, self.path, self._reader)
        decisions, reading.values = reading.values, []
        for decision in decisions:
            self.replay.apply(decision)
        self._reading.add(reading)
        if not reading.is_whole:
            self.fault = warn_of_faults(self.path, self._reading)
        return bool(decisions)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0
