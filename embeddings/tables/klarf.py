"""KLARF, the defect list of inspection tools: what one holds, and the way to read one.

Versions 1.0 to 1.7 are flat (`klarf_flat`), 1.8 is nested (`klarf_nested`). Lengths come back in
micrometres from both: 1.8 writes them in nanometres.
"""

import re
from pathlib import Path

from embeddings.errors import TableError
from embeddings.tables.klarf_flat import parse_flat
from embeddings.tables.klarf_nested import parse_nested
from embeddings.tables.klarf_nouns import Klarf, KlarfImage, KlarfWafer

__all__ = ["Klarf", "KlarfImage", "KlarfWafer", "is_klarf", "parse_klarf", "read_klarf"]

_SUFFIXES = frozenset({".klarf", ".kla", ".klf", ".000", ".001"})
_NESTED = re.compile(r"\s*Record\s+FileRecord\b", re.IGNORECASE)
_START = re.compile(rb"\s*(FileVersion\s+\d|Record\s+FileRecord\b)", re.IGNORECASE)


def is_klarf(path: Path) -> bool:
    """Tell a KLARF by its suffix, or by how it begins.

    Raises
    ------
    TableError
        The file cannot be read.
    """
    return path.suffix.lower() in _SUFFIXES or _START.match(_read(path)[:4096]) is not None


def read_klarf(path: Path) -> Klarf:
    """Read a KLARF file; errors name it.

    Raises
    ------
    TableError
        The file cannot be read, or as `parse_klarf`.
    """
    data = _read(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # tools write names in the system's own 8-bit letters
    return parse_klarf(text, source=str(path))


def parse_klarf(text: str, *, source: str = "KLARF") -> Klarf:
    """Parse the text of a KLARF file of any version from 1.0 to 1.8.

    Parameters
    ----------
    text : str
    source : str
        The file, as errors name it.

    Raises
    ------
    TableError
        Naming the line of what is no KLARF, is missing or does not fit its column.
    """
    if _NESTED.match(text):
        return parse_nested(text, source=source)
    return parse_flat(text, source=source)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
