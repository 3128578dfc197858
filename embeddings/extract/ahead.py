"""Work done ahead of its consumer: threads prepare items in order, a bounded number in memory."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def run_ahead(
    work: Callable[[Item], Done], items: Iterable[Item], *, workers: int, ahead: int, name: str
) -> Iterator[Done]:
    """Yield the work on each item in order.

    Parameters
    ----------
    workers : int
        Threads.
    ahead : int
        Items at most that are begun and not taken yet.
    name : str
        Of the threads.
    """
    waiting: collections.deque[Future[Done]] = collections.deque()
    with ThreadPoolExecutor(workers, thread_name_prefix=name) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # the consumer stopped early: do not begin what nobody will take
            for future in waiting:
                future.cancel()
