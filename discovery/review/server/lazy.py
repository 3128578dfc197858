"""Values made when they are first asked for, by one thread, however many ask."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lazy(Generic[Value]):
    """One value; `functools.cached_property` would make it once for each thread that asks.

    Parameters
    ----------
    make : callable
        What it raises passes through, and the next one who asks tries again.
    lock : RLock, optional
        Shared by values that are made of the same parts.
    """

    def __init__(self, make: Callable[[], Value], lock: "threading.RLock | None" = None) -> None:
        self._make, self._lock = make, lock or threading.RLock()
        self._made: tuple[Value] | None = None

    def __call__(self) -> Value:
        """Return the value."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = (self._make(),)
        return self._made[0]
