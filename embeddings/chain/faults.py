"""What is wrong with a file of chained lines: told in one line, and the damaged ones kept aside."""

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from embeddings.console import get_logger
from embeddings.errors import BusyError
from embeddings.files import sync_path
from embeddings.locks import locked

Value = TypeVar("Value")

_ADVICE = "Restore the file from a copy, or decide anew what is missing"
_told: set[str] = set()  # a command reads a file several times and says so once


class Reading(Generic[Value]):
    """What was read, put together as a file grows.

    Attributes
    ----------
    values : list
        Of the lines that count, in their order.
    used : int
        So many bytes were read; what is behind them was torn, or is just being written.
    damaged : list of (int, bytes)
        Lines that do not count, by their numbers.
    repeated : list of int
        Numbers of lines that do not count, as they are copies of earlier ones.
    broken : list of int
        Numbers of lines that count, and do not follow the line before them.
    breaks : list of int
        Numbers of lines that count, and whose line break was damaged.
    altered : bool
        Whether something was altered in the lines before the first one with a checksum.
    is_cut : bool
        Whether lines are missing at the end.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.used = 0
        self.damaged: list[tuple[int, bytes]] = []
        self.repeated: list[int] = []
        self.broken: list[int] = []
        self.breaks: list[int] = []
        self.altered = self.is_cut = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong with what was read."""
        faults = (self.damaged, self.repeated, self.broken, self.breaks, self.altered, self.is_cut)
        return not any(faults)

    def add(self, later: "Reading[Value]") -> None:
        """Take what was read of what is behind."""
        self.values += later.values
        self.used += later.used
        self.damaged += later.damaged
        self.repeated += later.repeated
        self.broken += later.broken
        self.breaks += later.breaks
        self.altered |= later.altered
        self.is_cut |= later.is_cut


def keep_aside(path: Path, pieces: Iterable[bytes]) -> None:
    """Append pieces of a file, each in a line of its own, to the file beside it; synced.

    Raises
    ------
    OSError
        As the system says it.
    """
    with path.open("ab", buffering=0) as file:
        data = b"".join(piece + b"\n" for piece in pieces)
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    sync_path(path.parent)


def warn_of_faults(
    path: Path, reading: Reading[Any], *, is_torn: bool = False, advice: str = _ADVICE
) -> str:
    """Say in one line what is wrong with a file, once a process, and keep damaged lines aside.

    Parameters
    ----------
    path : Path
    reading : Reading
    is_torn : bool
        Whether something follows that is no whole line.
    advice : str
        What can be done.

    Returns
    -------
    str
        The line; empty where nothing is wrong.
    """
    text = describe_faults(path, reading, is_torn=is_torn, advice=advice)
    if text and text not in _told:
        _told.add(text)
        get_logger().warning("WARNING: %s", text)
    if reading.damaged:
        # What cannot be copied stands in the file itself: nothing is ever taken out of it.
        with contextlib.suppress(OSError, BusyError):
            _keep_damaged(path, [line for _, line in reading.damaged])
    return text


def describe_faults(
    path: Path, reading: Reading[Any], *, is_torn: bool = False, advice: str = _ADVICE
) -> str:
    """Say in one line what is wrong with a file; empty where nothing is."""
    told = []
    if reading.damaged:
        said = _number([number for number, _ in reading.damaged], "is damaged and does not count")
        told.append(f"{said}, kept in {path.with_suffix('.damaged').name} too")
    if reading.altered:
        told.append("a line from before there were checksums was altered or lost")
    if reading.is_cut:
        told.append("lines at its end were lost or altered, or an older copy was put in its place")
    if reading.repeated:
        told.append(_number(reading.repeated, "is a copy of an earlier one and does not count"))
    if reading.broken:
        said = _number(reading.broken, "does not follow the line before")
        told.append(f"{said}: lines were lost, moved or put in there")
    if reading.breaks:
        told.append(_number(reading.breaks, "lost its line break and counts"))
    text = f"{path}: {'; '.join(told)}; all else counts. {advice}" if told else ""
    if is_torn:
        torn = (
            f"{path}: the last line was torn by a crash and does not count; it is moved to "
            f"{path.with_suffix('.torn').name} with the next one"
        )
        text = f"{text}; {torn}" if text else torn
    return text


def _number(numbers: list[int], does: str) -> str:
    """Say what lines do, by their numbers."""
    shown = sorted(set(numbers))
    if len(shown) == 1:
        return f"line {shown[0]} {does}"
    names = ", ".join(str(number) for number in shown[:5])
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    plural = does.replace("is damaged", "are damaged").replace("does not", "do not")
    plural = plural.replace("lost its line break and counts", "lost their line breaks and count")
    plural = plural.replace("is a copy of an earlier one", "are copies of earlier ones")
    return f"lines {names}{more} {plural}"


def _keep_damaged(path: Path, lines: list[bytes]) -> None:
    aside = path.with_suffix(".damaged")
    aside.touch()
    with locked(aside):  # not the file itself, which who reads it may hold
        there = aside.read_bytes().split(b"\n")
        if new := [line for line in dict.fromkeys(lines) if line not in there]:
            keep_aside(aside, new)
