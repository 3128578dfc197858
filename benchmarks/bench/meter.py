"""Seconds, processor seconds and peak memory: of a command, and of work in this process."""

import os
import resource
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import psutil

from bench.case import Figures

Value = TypeVar("Value")


class CommandError(Exception):
    """A command failed; the text is the last line it said."""


def measure_command(words: Sequence[str]) -> Figures:
    """Run a module's command to its end in a process of its own, and return what it took.

    Processor time is of the command and all processes it started; peak memory of the largest one.

    Raises
    ------
    CommandError
        It failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(  # nosec B603 # this Python, words of this package
        [sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = process.stderr.read() if process.stderr else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise CommandError(f"{words[0]}: {(said.strip().splitlines() or ['no word'])[-1]}")
    cpu = used.ru_utime + used.ru_stime
    return {"seconds": seconds, "cpu": cpu, "peak_mb": used.ru_maxrss / 1024}


def measure(work: Callable[[], Value]) -> tuple[Value, Figures]:
    """Do work in this process; return its value and what it took, its imports included."""
    started, used = time.perf_counter(), _count_processor()
    value = work()
    cpu = _count_processor() - used
    seconds = time.perf_counter() - started
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024
    return value, {"seconds": seconds, "cpu": cpu, "peak_mb": peak}


def _count_processor() -> float:
    """Return the processor seconds of this process and all it started, those that live on too."""
    here = psutil.Process()
    alive = [one.cpu_times() for one in here.children(recursive=True)]
    return sum(os.times()[:4]) + sum(one.user + one.system for one in alive)


def measure_twice(work: Callable[[], Value], *, warm: bool) -> tuple[Value, Figures]:
    """Do work, and where asked a second time, whose seconds are the warm ones."""
    value, figures = measure(work)
    if warm:
        figures["warm"] = measure(work)[1]["seconds"]
    return value, figures
