"""What each stage of a command takes: seconds, processor seconds, and the most memory in use.

    with recording_usage() as found:   # of all stages that end inside
        ...
    say(tabulate_usage(found))

Memory is what the process has in use, others' pages left out of account: looked at twenty times a
second, and, where a stage takes more than all before it, read off the kernel's own peak, which
misses nothing. No figure of the kernel is reset, so that tools outside see what they always see.

A thread that works beside the others (`metering_apart`) is counted by itself: its seconds of the
processor are no other stage's.
"""

import contextlib
import ctypes
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 0.05
_MEGABYTE = 1e6
_COUNTED = ("images", "files")  # facts that say how many a stage went through


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one stage took.

    Attributes
    ----------
    name : str
    depth : int
        Stages, or whole commands, that it is a part of.
    start : float
        When it began, by `time.monotonic`.
    seconds, processor_seconds : float
        Of a clock; of all processors together, this process's threads but those that are counted
        apart. Of a stage in such a thread, its own.
    peak_memory : int
        Bytes; 0 where the system does not say.
    count : int
        Images, or files, that it went through; 0 where it does not say.
    """

    name: str
    depth: int = 0
    start: float = 0.0
    seconds: float
    processor_seconds: float
    peak_memory: int
    count: int = 0

    def to_dict(self) -> dict[str, float]:
        """Return the figures of an entry of run.json."""
        figures = {
            "seconds": round(self.seconds, 3),
            "processor_seconds": round(self.processor_seconds, 3),
        }
        if self.peak_memory:
            figures["peak_memory_mb"] = round(self.peak_memory / _MEGABYTE, 1)
        return figures


class Meter:
    """What a stage takes; `metering` starts and ends it, and then there is its `usage`."""

    usage: Usage

    def __init__(self, name: str) -> None:
        self.is_apart = _APART.depth is not None
        depth = count_open() if _APART.depth is None else _APART.depth
        self._name, self._depth, self._peak = name, depth, 0
        self._before = read_peak()
        self._start, self._used = time.monotonic(), _read_processor(depth)

    def note(self, memory: int, peak: int) -> None:
        """Take a look: bytes in use now, and the most since the process began."""
        self._peak = max(self._peak, memory)
        if peak > self._before:  # reached inside
            self._peak = max(self._peak, peak)

    def end(self, facts: Mapping[str, Any]) -> Usage:
        """Return what was taken; the facts may say how many images there were."""
        count = next((facts[one] for one in _COUNTED if isinstance(facts.get(one), int)), 0)
        self.note(read_memory(), read_peak())
        self.usage = Usage(
            name=self._name,
            depth=self._depth,
            start=self._start,
            seconds=time.monotonic() - self._start,
            processor_seconds=_read_processor(self._depth) - self._used,
            peak_memory=self._peak,
            count=count,
        )
        return self.usage


_LOCK = threading.Lock()
_OPEN: list[Meter] = []
_LOOKING: list[threading.Event] = []  # of the one thread that looks, while a meter is open
_FOUND: list[list[Usage]] = []


class _Apart(threading.local):
    """What a thread that is counted by itself knows of its stages; None in any other."""

    depth: int | None = None


_APART = _Apart()
# Of threads that are counted apart, by the depth of their stages: clocks, and what ended ones took.
_CLOCKS: list[tuple[int, int]] = []
_ENDED: list[tuple[int, float]] = []


def count_open() -> int:
    """Return the depth that a stage would have here and now."""
    with _LOCK:
        return sum(not one.is_apart for one in _OPEN)


@contextlib.contextmanager
def metering_apart(depth: int) -> Iterator[None]:
    """Count by itself what this thread does inside; `depth` is that of its stages.

    A thread of its own is to begin and end with it. Where the system has no clock of a thread
    that others can read, the stages beside it count its seconds, too.
    """
    find_clock = getattr(time, "pthread_getcpuclockid", None)
    clocks = [] if find_clock is None else [(depth, find_clock(threading.get_ident()))]
    _APART.depth = depth
    with _LOCK:
        _CLOCKS.extend(clocks)
    try:
        yield
    finally:
        _APART.depth = None
        with _LOCK:
            for clock in clocks:
                _CLOCKS.remove(clock)
                _ENDED.append((depth, time.thread_time()))


def _read_processor(depth: int) -> float:
    """Return the seconds so far that a stage of this depth in this thread counts."""
    if _APART.depth is not None:
        return time.thread_time()
    with _LOCK:
        # What lies deeper is a part of the stage, whoever does it.
        ended = sum(seconds for of, seconds in _ENDED if of <= depth)
        working = sum(time.clock_gettime(clock) for of, clock in _CLOCKS if of <= depth)
        return time.process_time() - ended - working


@contextlib.contextmanager
def metering(name: str, facts: Mapping[str, Any]) -> Iterator[Meter]:
    """Meter what is done inside."""
    meter, apart = Meter(name), _APART.depth
    with _LOCK:
        _OPEN.append(meter)
        if not _LOOKING:
            ended = threading.Event()
            _LOOKING.append(ended)
            threading.Thread(target=_look, args=(ended,), name="usage", daemon=True).start()
    _APART.depth = None if apart is None else apart + 1  # of a stage inside
    try:
        yield meter
    finally:
        _APART.depth = apart
        with _LOCK:
            _OPEN.remove(meter)  # by itself: stages of several threads end in any order
            if not _OPEN:
                _LOOKING.pop().set()
    usage = meter.end(facts)
    for found in _FOUND:
        found.append(usage)


@contextlib.contextmanager
def recording_usage() -> Iterator[list[Usage]]:
    """Give the list of what the stages inside take, in the order in which they end."""
    found: list[Usage] = []
    _FOUND.append(found)
    try:
        yield found
    finally:
        _FOUND.remove(found)


def tabulate_usage(found: Sequence[Usage], *, whole: Usage) -> str:
    """Return a table in plain text: a stage a line, what lies between them, and the whole.

    A part of a stage stands below it, further in. Stages that were on at the same time have their
    full seconds each, and so may come to more than the whole.
    """
    least = min((one.depth for one in found), default=0)
    stages = [replace(one, depth=one.depth - least) for one in found]
    stages.sort(key=lambda one: (one.start, one.depth))
    outer = [one for one in stages if not one.depth]
    between = Usage(
        name="between the stages, imports",
        seconds=max(0.0, whole.seconds - _cover(outer)),
        processor_seconds=max(
            0.0, whole.processor_seconds - sum(one.processor_seconds for one in outer)
        ),
        peak_memory=0,
    )
    heads = ("stage", "seconds", "processor s", "peak MB", "images/s")
    rows = [heads, *(_list_cells(one) for one in (*stages, between, replace(whole, depth=0)))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = []
    for name, *cells in rows:
        figures = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *figures]).rstrip())
    return "\n".join(lines)


def _cover(stages: Sequence[Usage]) -> float:
    """Return the seconds in which at least one of the stages, in the order they began, was on."""
    covered, until = 0.0, -math.inf
    for one in stages:
        end = one.start + one.seconds
        covered += max(0.0, end - max(one.start, until))
        until = max(until, end)
    return covered


def read_memory() -> int:
    """Return the bytes that this process has in use; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def read_peak() -> int:
    """Return the most bytes that it had in use since it began; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_bytes()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def give_memory_back() -> None:
    """Ask the C library to return to the system what is free: else it keeps a tenth of it all."""
    with contextlib.suppress(OSError, AttributeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)


def _look(ended: threading.Event) -> None:
    while not ended.wait(_LOOK_SECONDS):
        memory, peak = read_memory(), read_peak()
        with _LOCK:
            for meter in _OPEN:
                meter.note(memory, peak)


def _list_cells(one: Usage) -> tuple[str, ...]:
    is_counted = one.count and one.seconds >= 0.05  # else the rate says nothing
    return (
        "  " * one.depth + one.name,
        f"{one.seconds:.2f}",
        f"{one.processor_seconds:.2f}",
        f"{one.peak_memory / _MEGABYTE:.0f}" if one.peak_memory else "",
        f"{one.count / one.seconds:.0f}" if is_counted else "",
    )
