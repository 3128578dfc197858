"""Threads of our own on all cores, and linear algebra on one thread meanwhile.

    with one_blas_thread():
        ...   # numpy's and scipy's products and solvers are of one thread each
    found = map_in_threads(measure, parts)   # the same in as many threads as there are cores

A picture's equations are small: six unknowns, some thousand pixels. Given to as many threads as
there are cores, the threads of the BLAS wait for each other in a busy loop: where anything else
runs beside it, that took taking a background off to three times its processor time.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Found = TypeVar("Found")


def map_in_threads(function: Callable[[Item], Found], items: Sequence[Item]) -> list[Found]:
    """Return what a function makes of each item, in their order, by all cores at once.

    Worth it where most of the work is numpy's, FAISS's or a compiled loop's, which leave the
    interpreter's lock alone. The first error is raised once the others that had begun have ended.
    A single item, or core, is left all that linear algebra takes by itself.
    """
    workers = min(os.cpu_count() or 1, len(items))
    if workers < 2:
        return [function(one) for one in items]
    with one_blas_thread(), ThreadPoolExecutor(workers, "map") as pool:
        return list(pool.map(function, items))


class _Limit:
    """The limit of the process, held as long as anybody needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._set: threadpool_limits | None = None

    def take(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._set = threadpool_limits(limits=1, user_api="blas")
            self._holders += 1

    def give_back(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0 and self._set is not None:
                self._set.restore_original_limits()
                self._set = None


_LIMIT: Final = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the BLAS of this process at one thread; the last of several to end sets it free again.

    Whoever ends first may have begun first: readers that overlap leave nothing behind.
    """
    _LIMIT.take()
    try:
        yield
    finally:
        _LIMIT.give_back()
