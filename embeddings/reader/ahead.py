"""Files are read ahead of their consumer: threads work in order, a bounded number in memory."""

import collections
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

from embeddings.errors import ImageError
from embeddings.images import file_of_id, tell_fault
from embeddings.reader.parts import OpenPart, Part
from embeddings.reader.preparation import Image, Preparation
from embeddings.threads import one_blas_thread

Item = TypeVar("Item")
Done = TypeVar("Done")
Result = TypeVar("Result")
Fault = tuple[str, str]  # path, reason

CHUNK = 8  # prepared pictures of one file that are handed on together: 2 to 20 MB
_Step = tuple[Iterator[Done], list[Done]]  # an item's work, and the next piece of it, if any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadParts:
    """Some of the prepared parts of one file, at most `CHUNK`, or why there are no more.

    Attributes
    ----------
    images : list of (Part, (c, h, w) array)
    fault : (path, reason) or None
        The file cannot be used: what came of it before does not count either.
    deferred : tuple of Part
        Of a kind of picture that has no grey-level window yet: the file can be read, so choose a
        window from it (`choose_windows`) and read them again.
    is_last : bool
        Nothing of this file follows.
    """

    images: list[tuple[Part, Image]] = field(default_factory=list)
    fault: Fault | None = None
    deferred: tuple[Part, ...] = ()
    is_last: bool = True


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
    So the memory in use is `ahead` pieces, however many an item has, and what the generators
    hold: those here have ended, and dropped their pages, before an item's last piece is handed on.

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
        one_blas_thread(),
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


def map_parts(
    parts: Sequence[Part], work: Callable[[OpenPart], Result], how: Preparation
) -> Iterator[tuple[Part, Result]]:
    """Yield the work on each part that can be read, in order; threads read ahead.

    Parameters
    ----------
    parts : sequence of Part
        Those of one file together, as `list_parts` gives them.
    work : callable
        An `OpenPart` to anything small; may raise `ImageError`.
    how : Preparation

    Yields
    ------
    (Part, result)
        Where a file is gone, unreadable or changed, the rest of its parts is left out.
    """

    def read_all(
        file: list[Part],
    ) -> Generator[tuple[Part, Result], None, list[tuple[Part, Result]]]:
        held: list[tuple[Part, Result]] = []  # the last one
        try:
            for opened in how.open(file):
                yield from held
                held = [(opened.part, work(opened))]
        except (ImageError, MemoryError):  # moved or changed since it was embedded
            pass
        return held

    def read(file: list[Part]) -> Iterator[tuple[Part, Result]]:
        yield from (yield from read_all(file))

    yield from read_ahead(read, _group_files(parts), workers=how.workers, ahead=2 * how.workers)


def read_parts(parts: Sequence[Part], how: Preparation) -> Iterator[ReadParts]:
    """Yield the parts as an extractor sees them, in order, at most two files a worker ahead.

    Parts of one file must stand together, as `list_parts` gives them.
    """
    files, ahead = _group_files(parts), 2 * how.workers + 1
    yield from read_ahead(
        lambda file: _read_file(file, how), files, workers=how.workers, ahead=ahead
    )


def _group_files(parts: Sequence[Part]) -> Iterable[list[Part]]:
    # By content too: of a path that was written again some images may be of the file before.
    files = groupby(parts, key=lambda part: (part.path, file_of_id(part.image_id)))
    return (list(group) for _, group in files)


def _read_file(file: list[Part], how: Preparation) -> Iterator[ReadParts]:
    try:
        last = yield from _read_pieces(file, how)
    except (ImageError, MemoryError) as error:  # of this picture alone: the others go on
        last = ReadParts(fault=(file[0].path, tell_fault(error)))
    yield last


def _read_pieces(file: list[Part], how: Preparation) -> Generator[ReadParts, None, ReadParts]:
    """Yield all pieces but the last, which is returned."""
    images: list[tuple[Part, Image]] = []
    deferred: list[Part] = []
    for opened in how.open(file):
        if how.find_window(opened.picture) is None:
            deferred.append(opened.part)
            continue
        if not opened.is_seen:  # a tile of nothing but the data bar
            continue
        images.append((opened.part, how.show(opened)))
        if len(images) == CHUNK:
            yield ReadParts(images=images, is_last=False)
            images = []
    # Decoded to its end first: what is deferred can be read, and so gets its window.
    return ReadParts(images=images, deferred=tuple(deferred))
