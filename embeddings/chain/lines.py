"""Files of JSON lines that prove themselves: each line bears a checksum that hangs on the last one.

    {"label": "scratch", ..., "chain": "5b0f2ad3c1e94d77-91c6a0b2f4d3e815"}

``chain`` stands last: the checksum of the line before it, then its own, over the former and all
bytes of the line in front of ``chain``. So a line that is whole is known to be, whatever became
of its neighbours; one that was altered is left out, and what follows counts; and where whole lines
do not follow one another, some were lost, moved or put in. The first line of all hangs on the
bytes before it, which an earlier version wrote without checksums: nothing can be known of those
until then, and from then on they are held too.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from embeddings.chain.faults import Reading
from embeddings.versions import UPGRADE

Value = TypeVar("Value")

FIELD = "chain"
_KEY = b'"chain":'
_DIGITS = 16  # 64 bits: against what happens to disks, not against a forger
_SEAL = re.compile(rb', "chain": "([0-9a-f]{16})-([0-9a-f]{16})"\}')
_HEAD = re.compile(rb"([0-9a-f]{16})-([0-9a-f]{16})")
_BLOCK = 65_536  # bytes
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class NewerLineError(ValueError):
    """A line that is whole and yet cannot be read: a newer version of the program wrote it."""

    def __init__(self, number: int, error: Exception) -> None:
        super().__init__(
            f"line {number} was written by a newer version of this program ({error}): {UPGRADE}"
        )


class ChainReader(Generic[Value]):
    """Reads lines as a file grows, and says what is wrong with them.

    Parameters
    ----------
    parse : callable
        Makes a value of one line with its break taken off; ``chain`` is in it, where it has one.
        Raises a ValueError, TypeError or KeyError where it cannot.
    """

    def __init__(self, parse: Callable[[bytes], Value]) -> None:
        self._parse = parse
        self._number = 1  # of the next line
        self._last = b""  # checksum of the last line that has one and is whole
        self._seen: set[bytes] = set()
        self._before = hashlib.sha256()  # over what stands before the first line with a checksum
        self._is_doubtful = False  # since the last whole line something damaged was met
        self._met_damage = False

    @property
    def link(self) -> str:
        """What the next line hangs on."""
        return self._last.decode() or self._before.hexdigest()[:_DIGITS]

    def has(self, head: bytes | None) -> bool:
        """Tell whether the line of this checksum was read, or something damaged in its stead."""
        return head is None or head in self._seen or self._met_damage

    def read(self, data: bytes) -> Reading[Value]:
        """Read what follows; `used` says up to where.

        Raises
        ------
        NewerLineError
            A line that is whole cannot be read.
        """
        reading: Reading[Value] = Reading()
        *lines, rest = data.split(b"\n")
        for line in lines:
            if not self._take_whole(line, reading, ending=b"\n"):
                self._take_damaged(line + b"\n", reading)
            reading.used += len(line) + 1
            self._number += 1
        if rest and self._take_rest(rest, reading):
            reading.used += len(rest)
        return reading

    def _take_whole(self, line: bytes, reading: Reading[Value], *, ending: bytes) -> bool:
        """Take a line where nothing is wrong with it."""
        if not line.strip():  # of an editor
            self._pass(line + ending)
            return True
        seal = _find_seal(line)
        if seal is not None:
            self._take_sealed(line, seal, reading)
            return True
        if self._last or _KEY in line:
            return False  # since the first checksum each line has one
        try:
            reading.values.append(self._parse(line))
        except _UNREADABLE:
            return False
        self._pass(line + ending)
        return True

    def _take_sealed(self, line: bytes, seal: tuple[bytes, bytes], reading: Reading[Value]) -> None:
        before, own = seal
        if own in self._seen:  # copied to where it was not written: it would count twice
            reading.repeated.append(self._number)
            return
        try:
            value = self._parse(line)
        except _UNREADABLE as error:
            raise NewerLineError(self._number, error) from error
        if before != self.link.encode() and not self._is_doubtful:
            if self._last or self._number == 1:
                reading.broken.append(self._number)
            else:
                reading.altered = True
        reading.values.append(value)
        self._seen.add(own)
        self._last, self._is_doubtful = own, False

    def _take_damaged(self, line: bytes, reading: Reading[Value]) -> None:
        """Take the whole lines out of one whose breaks were damaged; what is left is damaged."""
        start = 0
        body = line.rstrip(b"\n")
        for found in _SEAL.finditer(body):
            # What was a line break may stand in front.
            first = start + (body[start : start + 1] != b"{")
            piece = body[first : found.end()]
            seal = _find_seal(piece)
            if seal is not None:
                self._take_sealed(piece, seal, reading)
                if first > start or found.end() < len(body):
                    reading.breaks.append(self._number)
                start = found.end()
        left = body[start:]
        if len(left) > 1 or (left and not start):  # not what was a line break
            reading.damaged.append((self._number, left))
            self._is_doubtful = self._met_damage = True
        self._pass(line)

    def _take_rest(self, rest: bytes, reading: Reading[Value]) -> bool:
        """Take what has no line break yet, where it is whole lines all the same."""
        if self._take_whole(rest, reading, ending=b""):
            return True
        seals = list(_SEAL.finditer(rest))
        # Its line break became another byte.
        if not seals or len(rest) - seals[-1].end() != 1:
            return False
        self._take_damaged(rest, reading)
        return True

    def _pass(self, data: bytes) -> None:
        if not self._last:
            self._before.update(data)


def chain_lines(bodies: Iterable[str], link: str) -> tuple[bytes, str]:
    """Return lines of JSON objects as they are appended, and what the next one hangs on.

    Parameters
    ----------
    bodies : iterable of str
        JSON objects in one line each, without ``chain`` and not empty.
    link : str
        What the first one hangs on.
    """
    lines = []
    for body in bodies:
        before, head = link, body[:-1].encode(errors="backslashreplace")
        link = _digest(before.encode(), head).decode()
        lines.append(head + f', "{FIELD}": "{before}-{link}"}}\n'.encode())
    return b"".join(lines), link


def find_link(path: Path, end: int, parse: Callable[[bytes], Any], *, missing: bytes) -> str:
    """Return what a line hangs on that is appended at `end`, behind a `missing` line break.

    The last line alone is read for it; all is, where that one has no checksum or is damaged.
    """
    with path.open("rb") as file:
        tail, start = b"", end
        while start and b"\n" not in tail[:-1]:
            size = min(max(_BLOCK, len(tail)), start)
            start -= size
            file.seek(start)
            tail = file.read(size) + tail
        line = tail[:-1].rpartition(b"\n")[2]
        seal = _find_seal(line)
        if seal is not None and tail.endswith(b"\n"):
            return seal[1].decode()
        file.seek(0)
        reader = ChainReader(parse)
        reader.read(file.read(end) + missing)
        return reader.link


def write_head(path: Path, link: str) -> None:
    """Note beside a file what its next line hangs on, so that a lost end can be found out.

    Not synced: after a power cut it is behind the file, or not there, and says nothing then.
    """
    with contextlib.suppress(OSError):  # the lines themselves are written
        _name_head(path).write_bytes(b"-".join((link.encode(), _digest(b"", link.encode()))))


def read_head(path: Path) -> bytes | None:
    """Return the checksum of a line that a file had, or later ones too; to be asked before it."""
    try:
        head = _name_head(path).read_bytes()
    except OSError:
        return None
    found = _HEAD.fullmatch(head)
    return found[1] if found and found[2] == _digest(b"", found[1]) else None


def _name_head(path: Path) -> Path:
    return path.with_suffix(".head")


def _find_seal(line: bytes) -> tuple[bytes, bytes] | None:
    """Return both checksums of a line that is whole; None where it is not, or has none."""
    start = line.rfind(b', "chain": "')
    if start < 0:
        return None
    found = _SEAL.fullmatch(line, start)
    if found is None or found[2] != _digest(found[1], line[:start]):
        return None
    return found[1], found[2]


def _digest(before: bytes, head: bytes) -> bytes:
    return hashlib.sha256(before + head).hexdigest()[:_DIGITS].encode()
