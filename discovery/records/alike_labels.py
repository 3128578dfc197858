"""Labels that are probably one type, spelt twice: scratch, Scratch and scrach.

Two labels are alike where case, blanks, hyphens and underscores are all that differs, or one letter
of a longer word. Digits and single letters tell types apart on purpose: step1 and step2, type a and
type b.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from embeddings.console import get_logger

_GAPS = re.compile(r"[\s_-]+")
_LEAST_LETTERS = 5  # of the longer word: pit and pin, dark and bark are two words
_MOST_SHOWN = 5  # pairs that are named in a line
# What people and programs write where they mean to say nothing.
_NOTHING = frozenset(
    {"nan", "none", "na", "n/a", "#n/a", "null", "nil", "?", "??", "tbd", "todo", "-", "--"}
)


def find_alike_labels(
    labels: Collection[str], known: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Return pairs of labels that are probably meant to be one, each pair once and in order.

    Parameters
    ----------
    labels : collection of str
        That came in: at least one of a pair is of these.
    known : collection of str
        That were there before.
    """
    new = set(labels)
    if not new:
        return []
    pairs: set[tuple[str, str]] = set()
    for one, other in _list_candidates(new.union(known)):
        if (one in new or other in new) and are_alike(one, other):
            pairs.add((min(one, other), max(one, other)))
    return sorted(pairs)


def are_alike(one: str, other: str) -> bool:
    """Tell whether two different labels are probably one, spelt twice."""
    if one == other:
        return False
    if _join(one) == _join(other):
        return True
    levels = [label.split("/") for label in (_fold(one), _fold(other))]
    if len(levels[0]) != len(levels[1]):
        return False
    words = [[_GAPS.split(level) for level in label] for label in levels]
    if [len(level) for level in words[0]] != [len(level) for level in words[1]]:
        return False
    different = [
        pair
        for level in zip(*words, strict=True)
        for pair in zip(*level, strict=True)
        if pair[0] != pair[1]
    ]
    return len(different) == 1 and _differ_by_a_letter(*different[0])


def describe_alike_labels(labels: Collection[str], known: Collection[str] = ()) -> str:
    """Name the labels that are probably one; empty where there are none."""
    pairs = find_alike_labels(labels, known)
    if not pairs:
        return ""
    named = ", ".join(f"{one!r} and {other!r}" for one, other in pairs[:_MOST_SHOWN])
    more = f" and {len(pairs) - _MOST_SHOWN} more pairs" if len(pairs) > _MOST_SHOWN else ""
    return f"labels that are nearly the same count as different types: {named}{more}"


def warn_of_alike_labels(source: str, labels: Collection[str], known: Collection[str] = ()) -> None:
    """Log the labels that are probably one, or none at all, with what they came from."""
    if text := describe_alike_labels(labels, known):
        get_logger().warning("%s: %s", source, text)
    if empty := sorted(label for label in labels if _fold(label) in _NOTHING):
        get_logger().warning(
            "%s: %s count as types like any other: where the type is not known, leave the label "
            "empty", source, ", ".join(map(repr, empty)),
        )  # fmt: skip


def _list_candidates(labels: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs that may be alike: those that are one when a letter at most is left out of each.

    Not every pair is looked at: a thousand types have half a million.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in labels:
        text = _join(label)
        for key in {text, *(text[:i] + text[i + 1 :] for i in range(len(text)))}:
            groups[key].append(label)
    for group in groups.values():
        for place, one in enumerate(group):
            for other in group[:place]:
                yield one, other


def _fold(label: str) -> str:
    return unicodedata.normalize("NFKC", label).casefold().strip()


def _join(label: str) -> str:
    return _GAPS.sub("", _fold(label))


def _differ_by_a_letter(one: str, other: str) -> bool:
    """Tell whether a letter was left out, put in, changed, or swapped with the next one."""
    short, long = sorted((one, other), key=len)
    if len(long) < _LEAST_LETTERS or len(long) - len(short) > 1:
        return False
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    mine, its = short[start:], long[start:]
    if len(short) < len(long):
        return mine == its[1:] and not its[0].isdigit()
    if mine[1:] == its[1:]:
        return not (mine[0].isdigit() or its[0].isdigit())
    swapped = mine[:2] == its[1::-1] and mine[2:] == its[2:]
    return swapped and not any(mark.isdigit() for mark in mine[:2])
