"""The widget itself, in anywidget's form; `discovery.review.widget` makes one of a run.

A request of the front end is a message ``{id, method, args}``, its answer ``{id, json}`` with one
buffer a column, ``{id, error}`` or ``{id, conflict}``; an event is ``{event}``.
"""

import contextlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import anywidget
import traitlets

from discovery.ledger import read_decisions
from discovery.records import Decision, Handoff
from discovery.review.conflicts import ConflictError
from discovery.review.review import Review
from discovery.review.server.rpc import ReviewApi, describe_conflict
from discovery.runs import LEDGER
from discovery.stages.handoff_io import compose_handoff
from embeddings.console import get_logger
from embeddings.errors import DefectDiscoveryError

_POLL_SECONDS = 0.5  # how soon a decision of another process is seen
_GOODBYE_SECONDS = 60.0  # for answers that are being made when the widget is closed
_THREADS = 4  # for what is slow and for pictures; decisions are answered at once


class ReviewWidget(anywidget.AnyWidget):
    """A review inside a notebook. Close it with `close`, or use it as a context manager.

    Parameters
    ----------
    api : ReviewApi
    review : Review
        The same review; closed with the widget.
    module, style : str
        The built front end: an ES module and its style sheet.
    height : int
        In CSS pixels.

    Attributes
    ----------
    height : int
        May be changed at any time.
    """

    # Given to the instance: where the front end is not built, importing this must not fail.
    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(760).tag(sync=True)

    def __init__(
        self, api: ReviewApi, review: Review, *, module: str, style: str, height: int
    ) -> None:
        self._api, self._review = api, review
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="review widget")
        self._answers: set[Future[None]] = set()  # that are being made
        self._ended = threading.Event()
        # Undone from the last to the first, once.
        self._closing = contextlib.ExitStack()
        self._closing.callback(review.close)
        self._closing.callback(api.close)
        self._closing.callback(self._end_pool)
        self._closing.callback(self._ended.set)
        super().__init__(_esm=module, _css=style, height=height)
        self.on_msg(self._receive)
        self._closing.callback(api.subscribe(lambda event: self.send({"event": event})))
        threading.Thread(target=self._watch, name="review widget", daemon=True).start()

    @property
    def review(self) -> Review:
        """The review, whose actions may be called from other cells beside the widget."""
        return self._review

    @property
    def decisions(self) -> list[Decision]:
        """All decisions on the run as they stand in its ledger, the oldest first."""
        return read_decisions(self._review.run.path / LEDGER)

    def handoff(self) -> Handoff:
        """Bring the run's handoff.csv up to date and return what it holds."""
        self._review.flush()
        return compose_handoff(self._review.run)

    def close(self) -> None:
        """Take the widget out of the notebook, and bring the run's files up to date."""
        self._closing.close()
        super().close()

    def __enter__(self) -> "ReviewWidget":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        """Answer a request: what is quick in its order, what is slow beside it."""
        method = str(content.get("method"))
        if self._ended.is_set():
            self.send({"id": content.get("id"), "error": "this review was closed: open it anew"})
        elif self._api.find_pool(method) == "quick":
            self._answer(content, method)
        else:
            answer = self._pool.submit(self._answer, content, method)
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)
            answer.add_done_callback(_log_fault)

    def _answer(self, content: Mapping[str, Any], method: str) -> None:
        message: dict[str, Any] = {"id": content.get("id")}
        buffers: list[bytes] = []
        try:
            message["json"], buffers = self._api.call(method, content.get("args")).split()
        except ConflictError as error:
            message["conflict"] = describe_conflict(error, self._api.revision)
        except DefectDiscoveryError as error:
            message["error"] = str(error)
        except Exception:
            # Without an answer the page would wait for ever.
            self.send({**message, "error": "a fault of the program: its log has the traceback"})
            raise
        self.send(message, buffers)

    def _end_pool(self) -> None:
        """Begin no more answers, and wait for those that are being made, but not for ever."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if wait([*self._answers], _GOODBYE_SECONDS).not_done:
            get_logger().warning("WARNING: an answer to the page is still being made: left behind")

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._api.poll()


def _log_fault(done: Future[None]) -> None:
    """Log a bug of another thread, which nobody waits for."""
    if not done.cancelled() and (fault := done.exception()) is not None:
        get_logger().error("a fault in the review widget", exc_info=fault)
