"""All methods of a review in one place, for any transport.

::

    api = ReviewApi(review)
    answer = api.call("state", {})
    answer.json["progress"], answer.columns["label"]
    api.call("act", {"action": {"name": "accept", "proposal": "P1", "label": "scratch"}})
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from discovery.review import ConflictError, Review
from discovery.review.server import (
    act,
    evidence,
    find,
    grow,
    images,
    levels,
    overview,
    rest,
    screens,
    states,
)
from discovery.review.server.answers import Answer
from discovery.review.server.arguments import check_arguments
from discovery.review.server.context import ApiContext
from discovery.review.server.drawing import Drawn
from discovery.review.server.method import Method, Pool
from discovery.runs import CLUSTERING, LEDGER, PROPOSALS
from embeddings.console import get_logger
from embeddings.errors import DefectDiscoveryError, OptionError

METHODS: Mapping[str, Method] = {
    **overview.METHODS,
    **states.METHODS,
    **act.METHODS,
    **screens.METHODS,
    **grow.METHODS,
    **evidence.METHODS,
    **find.METHODS,
    **levels.METHODS,
    **images.METHODS,
    **rest.METHODS,
}

Listener = Callable[[dict[str, Any]], None]


class ReviewApi:
    """The methods of one review.

    Parameters
    ----------
    review : Review
        It stays the caller's, to be closed after this.
    """

    def __init__(self, review: Review) -> None:
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._context = ApiContext(review, self._tell)
        # What another process may change: decisions, and the groups they are about.
        self._watched = [review.run.path / name for name in (LEDGER, CLUSTERING, PROPOSALS)]
        self._stamps = _stamp(self._watched)

    @property
    def user(self) -> str:
        """Who decides."""
        return self._context.review.by

    @property
    def revision(self) -> int:
        """How many lines of the ledger are known."""
        return self._context.review.revision

    def call(self, method: str, args: Any) -> Answer:
        """Call a method with what came from outside.

        Parameters
        ----------
        method : str
            One of `METHODS`.
        args : dict
            Checked here: unknown names, wrong types and numbers out of range are refused.

        Raises
        ------
        ConflictError
            Someone else decided on the same meanwhile.
        DefectDiscoveryError
            Anything else a user can mend, in one line.
        """
        found = METHODS.get(method)
        if found is None:
            raise OptionError(f"there is no method {method!r}: expected {', '.join(METHODS)}")
        context = self._context
        values = check_arguments(args, found.arguments, n=context.n, what=method)
        answer: Answer = found.run(context, **values)
        return answer

    def draw(self, args: Any) -> Drawn:
        """Draw a picture: the method ``image``, without packing it.

        Raises
        ------
        DefectDiscoveryError
            It cannot be drawn.
        """
        wanted = images.METHODS["image"].arguments
        values = check_arguments(args, wanted, n=self._context.n, what="image")
        return images.draw_image(self._context, **values)

    def find_pool(self, method: str) -> Pool:
        """Return whose threads a method takes."""
        found = METHODS.get(method)
        return "quick" if found is None else found.pool

    def list_jobs(self) -> list[dict[str, Any]]:
        """Return the jobs that are running."""
        return [job.to_dict() for job in self._context.jobs.list_running()]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a listener with every event, from any thread; returns what ends it."""
        with self._lock:
            self._listeners.append(listener)

        def forget() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return forget

    def poll(self) -> None:
        """Look whether another process decided something, and tell who listens.

        Cheap where nothing changed: it looks at the sizes and times of three files.
        """
        stamps = _stamp(self._watched)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        context = self._context
        known = context.list_notices()
        try:
            changed = context.review.refresh()
            context.fault = ""
        except DefectDiscoveryError as error:
            # Such as that the run was clustered again: the page says so, and every action does.
            context.fault, changed = str(error), True
            get_logger().warning("WARNING: %s", error)
        # A damaged line of the ledger decides nothing, and must be seen all the same.
        if changed or context.list_notices() != known:
            context.tell_revision()

    def warm(self) -> None:
        """Begin to load what a page will ask for, in a thread of its own."""
        threading.Thread(target=self._warm, name="warm", daemon=True).start()

    def close(self) -> None:
        """Give up what runs in the background."""
        self._context.close()

    def _warm(self) -> None:
        try:
            self._context.warm()
        except DefectDiscoveryError as error:
            # Who asks for it is told; the rest of the review works without.
            get_logger().warning("WARNING: %s", error)

    def _tell(self, event: dict[str, Any]) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(event)


def describe_conflict(error: ConflictError, revision: int) -> dict[str, Any]:
    """Return a conflict as it is sent: what came between, by whom, and the revision it led to."""
    return {"text": str(error), "by": error.by, "at": error.at, "revision": revision}


def _stamp(paths: Sequence[Path]) -> list[tuple[int, int]]:
    stamps = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:  # nothing was decided yet, or the file is being replaced
            stamps.append((0, 0))
        else:
            stamps.append((status.st_size, status.st_mtime_ns))
    return stamps
