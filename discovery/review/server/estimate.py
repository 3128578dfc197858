"""How many labels are expected to be right: worked out in the background after each decision."""

import threading
from collections.abc import Callable

from embeddings.console import get_logger
from embeddings.errors import DefectDiscoveryError

_PAUSE = 0.7  # seconds without a decision: while a person decides quickly nothing else works


class Estimate:
    """A share that lags a moment behind the decisions.

    Parameters
    ----------
    compute : callable
        Returns the share, None where nothing can be said; takes a fraction of a second.
    tell : callable
        Called with the share when it has changed, from the thread that works it out.
    """

    def __init__(
        self, compute: Callable[[], float | None], tell: Callable[[float | None], None]
    ) -> None:
        self._compute, self._tell = compute, tell
        self._awake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.value: float | None = None

    def wake(self) -> None:
        """Say that something was decided."""
        self._awake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="estimate", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; what it is at is not waited for."""
        self._closing.set()
        self._awake.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._awake.wait()
            while self._awake.is_set() and not self._closing.is_set():
                self._awake.clear()
                self._closing.wait(_PAUSE)
            if self._closing.is_set():
                return
            try:
                value = self._compute()
            except DefectDiscoveryError as error:
                get_logger().warning("WARNING: what is expected right is not known: %s", error)
                value = None
            if value != self.value:
                self.value = value
                self._tell(value)
