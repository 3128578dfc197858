"""Work done ahead of its consumer: threads prepare items in order, a bounded number in memory."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

_Step = tuple[Iterator[Done], list[Done]]  # an item's work, and the next piece of it, if any


def read_ahead(
    work: Callable[[Item], Iterator[Done]],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int,
    name: str = "reader",
) -> Iterator[Done]:
    """Yield the pieces of the work on each item, in order.

    An item's work is a generator that is driven one piece at a time: of an item that waits for
    its turn the first piece alone is made, of the one whose turn it is one more than was taken.
    So the memory in use is `ahead` pieces, however many an item has.

    Parameters
    ----------
    work : callable
        An item to its pieces; run by one thread at a time, not always the same.
    workers : int
        Threads.
    ahead : int
        Items at most that are begun and not taken yet.
    name : str
        Of the threads.
    """
    waiting: collections.deque[Future[_Step[Done]]] = collections.deque()
    # A thread of its own for the item whose turn it is: it must not queue behind those that wait.
    with (
        ThreadPoolExecutor(workers, thread_name_prefix=name) as pool,
        ThreadPoolExecutor(1, thread_name_prefix=f"{name}-front") as front,
    ):
        try:
            for item in items:
                waiting.append(pool.submit(_start, work, item))
                if len(waiting) >= ahead:
                    yield from _take(waiting.popleft(), front)
            while waiting:
                yield from _take(waiting.popleft(), front)
        finally:  # the consumer stopped early: do not begin what nobody will take
            for future in waiting:
                future.cancel()


def run_ahead(
    work: Callable[[Item], Done],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int,
    name: str = "reader",
) -> Iterator[Done]:
    """Yield the work on each item in order, as `read_ahead` does where an item is one piece."""
    yield from read_ahead(
        lambda item: iter((work(item),)), items, workers=workers, ahead=ahead, name=name
    )


def _take(first: Future[_Step[Done]], front: ThreadPoolExecutor) -> Iterator[Done]:
    """Yield one item's pieces, the next being made while the consumer has the last."""
    pieces, found = first.result()
    while found:
        following = front.submit(_advance, pieces)
        yield found[0]
        pieces, found = following.result()


def _start(work: Callable[[Item], Iterator[Done]], item: Item) -> _Step[Done]:
    return _advance(work(item))


def _advance(pieces: Iterator[Done]) -> _Step[Done]:
    # A list, as the end of a generator cannot cross a future as StopIteration.
    return pieces, [piece for _, piece in zip(range(1), pieces, strict=False)]
