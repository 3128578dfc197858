"""A bounded cache of what takes long to make: made once, however many ask at the same time."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Values by key, the least recently used thrown away beyond a bound.

    Parameters
    ----------
    most : int
        Bytes in all; a value that is larger is made and not kept.
    measure : callable
        The bytes of a value.
    """

    def __init__(self, most: int, measure: Callable[[Value], int]) -> None:
        self._most, self._measure = most, measure
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        # Of each key that is being made, its lock and how many want it. One at a time makes the
        # value of a key: a screen of tiles asks for one page sixty times. A lock for several keys
        # would be waited for by its own holder, as a tile is made of its page.
        self._making: dict[Hashable, tuple[threading.Lock, int]] = {}

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made where it is not held."""
        found = self._find(key)
        if found is not None:
            return found[0]
        with self._claim(key):
            found = self._find(key)  # another may have made it while this one waited
            if found is not None:
                return found[0]
            value = make()
            self._keep(key, value)
        return value

    @contextmanager
    def _claim(self, key: Hashable) -> Iterator[None]:
        """Be the only one that makes the value of a key."""
        with self._lock:
            claim, wanting = self._making.get(key, (threading.Lock(), 0))
            self._making[key] = claim, wanting + 1
        try:
            with claim:
                yield
        finally:
            with self._lock:
                claim, wanting = self._making.pop(key)
                if wanting > 1:
                    self._making[key] = claim, wanting - 1

    def _find(self, key: Hashable) -> tuple[Value] | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return (self._values[key],)

    def _keep(self, key: Hashable, value: Value) -> None:
        size = self._measure(value)
        if size > self._most:
            return
        with self._lock:
            self._values[key] = value
            self._bytes += size
            while self._bytes > self._most:
                _, dropped = self._values.popitem(last=False)
                self._bytes -= self._measure(dropped)
