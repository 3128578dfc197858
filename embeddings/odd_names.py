"""Folders whose names are not UTF-8, as a disk from another system has them.

No parquet file and no page can hold such a name. Each of its odd bytes is spelled as a character
of Unicode's private use area, and a path that is spelled so is found on the disk by its bytes
again: the images below are named, stored and read as all others.
"""

import os
import re
from pathlib import Path

_FIRST = 0xF700  # a byte of 0x80 to 0xff follows: U+F780 to U+F7FF
_SURROGATES = re.compile("[\udc80-\udcff]")
_SPELLED = re.compile("[\uf780-\uf7ff]")


def is_valid(path: Path) -> bool:
    """Tell whether a path is valid Unicode."""
    return not _SURROGATES.search(str(path))


def spell_path(path: Path) -> Path:
    """Return a path in valid Unicode; one that is valid as it is."""
    text = str(path)
    if not _SURROGATES.search(text):
        return path
    return Path(_SURROGATES.sub(lambda one: chr(_FIRST + ord(one[0]) - 0xDC00), text))


def real_path(path: Path) -> Path:
    """Return where a path that was spelled by `spell_path` lies on the disk; any other as it is."""
    text = str(path)
    if not _SPELLED.search(text) or os.path.lexists(text):
        return path
    found = _SPELLED.sub(lambda one: chr(0xDC00 + ord(one[0]) - _FIRST), text)
    return Path(found) if os.path.lexists(found) else path
