"""What a command is doing now, told every half minute of it in a log that nobody redraws."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

_LINE_SECONDS = 30.0  # of one thing, until it is told; and between two lines


@dataclass(frozen=True, slots=True, eq=False)
class _Activity:
    describe: Callable[[], str]
    since: float


_NOW: list[_Activity] = []  # the innermost last


# Of which view, or other part of the work, the stages are.
_PART: ContextVar[str] = ContextVar("part of the work", default="")


@contextlib.contextmanager
def naming_part(part: str) -> Iterator[None]:
    """Let the stages inside bear the name of a part of the work beside their own; "" is none."""
    token = _PART.set(part)
    try:
        yield
    finally:
        _PART.reset(token)


def name_stage(name: str) -> str:
    """Return the name of a stage here and now: with the part of the work that it is of."""
    part = _PART.get()
    return f"{name} ({part})" if part else name


@contextlib.contextmanager
def doing(describe: Callable[[], str]) -> Iterator[None]:
    """Note what is being done inside; `describe` says it in a line."""
    activity = _Activity(describe, time.monotonic())
    _NOW.append(activity)
    try:
        yield
    finally:
        # By itself and not the last: stages of several threads end in any order.
        _NOW.remove(activity)


@contextlib.contextmanager
def telling_now(tell: Callable[[str], object]) -> Iterator[None]:
    """Tell what is being done inside, once it has taken half a minute, and every half minute on."""
    ended = threading.Event()

    def watch() -> None:
        told = time.monotonic()
        wait = _LINE_SECONDS
        while not ended.wait(wait):
            now = time.monotonic()
            activities = list(_NOW)
            # A stage that began just now is no news, however long the command has been at work.
            old = [one for one in activities if now - one.since >= _LINE_SECONDS]
            if old and now - told >= _LINE_SECONDS:
                tell(old[-1].describe())
                told = now
            first = activities[0].since if activities else now
            wait = max(told, first) + _LINE_SECONDS - now

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()  # its last line comes before what the command says at its end
