"""Names that every file system takes: Windows, macOS, Linux, and drives that are shared by them.

What one of them takes in no name is written as in a web address (``%3A`` is ``:``), so that
``urllib.parse.unquote`` gives the name back. Names that differ by case alone are one name to some.
"""

import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote

from embeddings.files import hash_bytes

MOST_BYTES = 255  # of a name in UTF-8, on ext4 and most others; Windows counts 255 letters
SHORTENED = "%~"  # in a name that had to be cut; `quote_name` never makes it
# Windows drops a dot or blank at a name's end; a dot at its beginning hides the file.
_REFUSED = re.compile(r'[%<>:"|?*/\\\x00-\x1f\x7f\ud800-\udfff]|^\.|[. ]$')
# Devices of Windows, whatever follows the first dot.
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])"
    r" *(\.|$)",
    re.IGNORECASE,
)


def quote_name(text: str) -> str:
    """Return a text as a name without what a file system refuses; `unquote_name` brings it back."""
    return _REFUSED.sub(lambda match: _quote(match[0]), text)


def quote_device(name: str) -> str:
    """Return a quoted name that is no device of Windows: ``CON`` becomes ``%43ON``."""
    return _quote(name[0]) + name[1:] if _DEVICE.match(name) else name


def quote_case(name: str) -> str:
    """Return a quoted name that no folding of case makes the same as another one."""
    # What is quoted already stands for one mark, whatever the case of its digits.
    marks = re.findall(r"%[0-9A-F]{2}|.", name, re.DOTALL)
    return "".join(m if len(m) > 1 or m.casefold() == m else _quote(m) for m in marks)


def unquote_name(name: str) -> str:
    """Return the text that a name stands for."""
    return unquote(name, errors="surrogateescape")


def fold_name(name: str) -> str:
    """Return what two names have in common that a file system may take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def shorten_name(name: str, most: int = MOST_BYTES) -> str:
    """Return a name of `most` bytes at most: a longer one is cut, and its sha256 marks it."""
    if len(name.encode(errors="surrogateescape")) <= most:
        return name
    mark = SHORTENED + hash_bytes(name.encode(errors="surrogateescape"))[:16]
    kept = name.encode(errors="surrogateescape")[: most - len(mark)].decode(errors="ignore")
    return re.sub(r"%[0-9A-F]?$", "", kept) + mark


def make_portable(text: str, most: int = MOST_BYTES) -> str:
    """Return a text as a name that every file system takes."""
    return shorten_name(quote_device(quote_name(text)), most)


def find_clashes(names: Collection[str]) -> set[str]:
    """Return the names that would be one with another of them; one of each such group is left out.

    The one that is left out is the one with the fewest marks that have a case.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names), key=lambda one: (sum(m.casefold() != m for m in one), one)):
        groups.setdefault(fold_name(name), []).append(name)
    return {name for group in groups.values() for name in group[1:]}


def _quote(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode(errors="surrogateescape"))
