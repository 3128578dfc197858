"""handoff.csv and handoff.json follow the decisions: written in the background, a moment later."""

import threading
from collections.abc import Callable

from embeddings.console import get_logger
from embeddings.errors import DefectDiscoveryError

_PAUSE = 0.4  # seconds: a person who decides quickly has the files written once
_RETRY = 2.0  # seconds
_GOODBYE = 90.0  # seconds: longer than another process is waited for


class HandoffPublisher:
    """A thread that calls `publish` a moment after `wake`, and once more where it was woken again.

    Parameters
    ----------
    publish : callable
        Writes the files; what it raises as a user's error becomes `fault`.

    Attributes
    ----------
    fault : str or None
        Why the files do not follow, in one line; it is tried again now and then.
    """

    def __init__(self, publish: Callable[[], None]) -> None:
        self._publish = publish
        self._turn = threading.Lock()  # one writer at a time: the thread, or who flushes
        self._awake = threading.Event()  # for the thread
        self._stale = threading.Event()  # there is something to write
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._written = False
        self.fault: str | None = None

    def wake(self) -> None:
        """Say that there is something to write."""
        self._stale.set()
        self._awake.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="handoff", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Write now what is to be written."""
        if not self._turn.acquire(timeout=_GOODBYE):
            self._note(f"it is still being written after {_GOODBYE:g} seconds")
            return
        try:
            if not self._stale.is_set():
                return
            self._stale.clear()  # before: what comes meanwhile is written next time
            self._written = True
            if not self._try(self._publish):
                self._stale.set()
        finally:
            self._turn.release()

    def close(self, finish: Callable[[], None]) -> None:
        """End the thread, write what is left, and `finish` where anything was written.

        It waits a minute and a half at most; `fault` says where that was not enough.
        """
        self._closing.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(_GOODBYE)
            if self._thread.is_alive():
                self._note(f"it is still being written after {_GOODBYE:g} seconds")
                return
            self._thread = None
        self.flush()
        if self._written and not self._stale.is_set():
            self._written = False
            self._try(finish)

    def _try(self, write: Callable[[], None]) -> bool:
        """Write, and remember what a person can mend."""
        try:
            write()
        except DefectDiscoveryError as error:
            self._note(str(error))
            return False
        except OSError as error:  # such as of a disk that was pulled out
            self._note(f"{error.filename or 'a file'}: {error.strerror or error}")
            return False
        self.fault = None
        return True

    def _note(self, fault: str) -> None:
        if self.fault != fault:
            get_logger().warning("WARNING: the handoff does not follow: %s", fault)
        self.fault = fault

    def _run(self) -> None:
        while not self._closing.is_set():
            # After a fault it looks again: the person may have mended the file meanwhile.
            self._awake.wait(timeout=_RETRY if self.fault else None)
            self._awake.clear()
            if not self._closing.wait(_PAUSE):
                self._flush_or_note()

    def _flush_or_note(self) -> None:
        try:
            self.flush()
        except Exception as error:
            # A bug ends this thread, but not without a word; the next `wake` begins another.
            self._stale.set()
            self._note(f"{type(error).__name__}: a bug, see the traceback")
            raise
