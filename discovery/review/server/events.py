"""Events to every open page: what another process decided, and how far a job is.

Server-sent events: one request that is answered as long as the page is open.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

_HEARTBEAT_SECONDS = 15.0  # a page that has gone is found out by writing to it
_MOST_WAITING = 200  # events for a page that does not read them; it asks for all when it does


class EventHub:
    """Hands events on to every page that listens; used from the event loop but for `publish`."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    @property
    def n_streams(self) -> int:
        """How many pages listen."""
        return len(self._queues)

    def open(self) -> None:
        """Begin, on the loop that the pages are served from."""
        self._loop = asyncio.get_running_loop()

    def publish(self, event: dict[str, Any]) -> None:
        """Hand an event to every page; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, event)

    def close(self) -> None:
        """End every stream, or the server would wait for the pages to leave; from any thread."""
        self._is_closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, None)

    async def stream(self, first: list[dict[str, Any]]) -> AsyncIterator[bytes]:
        """Yield the events of one page, `first` those it must know at once."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_MOST_WAITING)
        self._queues.add(queue)
        try:
            for event in first:
                yield _format(event)
            while not self._is_closed:
                try:
                    event_or_end = await asyncio.wait_for(queue.get(), _HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if event_or_end is None:
                    return
                yield _format(event_or_end)
        finally:
            self._queues.discard(queue)

    def _put(self, event: dict[str, Any] | None) -> None:
        for queue in self._queues:
            if queue.full():
                # The oldest first: the newest revision and the last word of a job must arrive.
                with contextlib.suppress(asyncio.QueueEmpty):
                    queue.get_nowait()
            queue.put_nowait(event)


def _format(event: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode("ascii")
