"""The judge's fits: made by one thread; who cannot wait takes the one before."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Fit = TypeVar("Fit")


class Fits(Generic[Fit]):
    """Fits of what is decided by now.

    Parameters
    ----------
    make : callable
        Makes a fit, or returns the one that is current still.
    """

    def __init__(self, make: Callable[[], Fit]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="judge")
        self._begun: Future[Fit] | None = None
        self._last: tuple[Fit] | None = None

    def take(self, *, patience: float) -> Fit:
        """Return a fit: of now, where it is there within so many seconds; else the last one.

        The first is waited for.
        """
        with self._lock:
            if self._begun is None or self._begun.done():
                self._begun = self._pool.submit(self._make)
            begun, last = self._begun, self._last
        try:
            fit = begun.result(None if last is None else patience)
        except TimeoutError:
            if last is None:  # raised by the fit itself
                raise
            return last[0]
        with self._lock:
            self._last = (fit,)
        return fit

    def close(self) -> None:
        """Begin no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
