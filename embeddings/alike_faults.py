"""Faults that are alike told once: the first file by its name, how many more, where all are.

A scanner that breaks writes a hundred empty files; a hundred equal lines would hide the one that
says something else.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from embeddings.console import get_logger

_MOST_KINDS = 5  # reasons that are told; further ones are counted

# Two reasons that differ in these alone are one: numbers, and the paths they name.
_OWN = re.compile(r"\S*/\S*|\d[\d.,]*")


def fold_faults(
    faults: Iterable[tuple[str, str]], *, most: int = _MOST_KINDS, apart: int = 1
) -> list[str]:
    """Say each reason once, in the order it is first met: ``a.png: too small (and 19 more alike)``.

    Parameters
    ----------
    faults : iterable of (file, reason)
        Files, rows or whatever else has a name.
    most : int
        Lines; a last one counts what is left.
    apart : int
        So many files of one reason are named one by one, where each asks for a hand of its own.
    """
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for name, reason in faults:
        # What a stranger's file says may hold line breaks, and often its own name.
        text = " ".join(reason.split())
        key = _OWN.sub("#", text.replace(Path(name).name or name, "#")) if text else name
        kinds[key].append(f"{name}: {text}" if text else name)
    lines: list[tuple[str, int]] = []
    for told in kinds.values():
        if len(told) <= apart:
            lines += [(one, 1) for one in told]
        else:
            more = f" (and {len(told) - 1} more alike)"
            lines.append((told[0] + more, len(told)))
    left = sum(count for _, count in lines[most:])
    return [line for line, _ in lines[:most]] + ([f"and {left} more faults"] if left else [])


def tell_faults(faults: Iterable[tuple[str, str]], *, what: str, where: Path | None = None) -> None:
    """Log faults, alike ones once, and the file that has them all where there is one.

    Parameters
    ----------
    what : str
        What begins each line: ``left out``, ``not readable``.
    where : Path, optional
        The file with every one of them.
    """
    listed = list(faults)
    for line in fold_faults(listed):
        get_logger().warning("%s: %s", what, line)
    if where is not None and listed:
        get_logger().warning("%s: %d in all, each with its reason in %s", what, len(listed), where)
