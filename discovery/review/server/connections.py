"""Bounds on what a connection may cost before it has shown who it is.

Every user of the machine reaches the port. One who opens connections and says nothing, sends a
byte now and then, or never reads an answer must neither use up the server's files nor keep the
review's own page out.
"""

import asyncio
import math
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # for a whole request line with its headers
READ_SECONDS = 60.0  # in which something of an answer must be taken
MOST_HEAD = 32_768  # bytes of a head: the page's own take less than a thousand
MOST_CONNECTIONS = 128  # a browser opens six


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 whose heads come in time and whose answers are taken, on bounded connections.

    Where there are too many, one that is not being answered makes room: an idle one first, which a
    browser opens again, then the one that has been waiting longest for a head.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head: asyncio.TimerHandle | None = None
        self._read: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > MOST_CONNECTIONS:
            others = [one for one in self.connections if isinstance(one, BoundedProtocol)]
            min(others, key=lambda one: one.rank()).give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the bounds."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head is to be whole in time, however small its pieces."""
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        elif self._head is None:
            self._await_head()

    def pause_writing(self) -> None:
        """Begin to wait for the other side to take something."""
        super().pause_writing()
        if self._read is None:
            self._read = self.loop.call_later(READ_SECONDS, self.give_up)

    def resume_writing(self) -> None:
        """Wait no more: something was taken."""
        super().resume_writing()
        if self._read is not None:
            self._read.cancel()
            self._read = None

    def rank(self) -> float:
        """Return what this connection is worth, the least first to go."""
        if self._is_answering():
            return math.inf
        return 0.0 if self._head is None else self._head.when()

    def give_up(self) -> None:
        """Close at once, without a word: what waits to be closed would still hold a file."""
        self._stop_waiting()
        self.connections.discard(self)
        self.transport.abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def _stop_waiting(self) -> None:
        for timer in (self._head, self._read):
            if timer is not None:
                timer.cancel()
        self._head = self._read = None
