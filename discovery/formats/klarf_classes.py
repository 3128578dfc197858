"""Which class number a label has in each of the KLARFs that are filled in."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from discovery.formats.klarf_back import LabelledKlarf
from embeddings.errors import OptionError

_MOST_CLASSES = 2**31 - 1  # a class is an int32 in 1.8


def number_labels(
    klarfs: Sequence[LabelledKlarf], column: str, given: Mapping[str, int]
) -> tuple[list[dict[str, int]], dict[str, int]]:
    """Say which class number each label has in each file.

    A number that is given goes first; then the class of the file's own lookup whose name is the
    label or its last part; then that of another of the files, where this one has no other class
    of that number; then the next number that stands in none of the files.

    Returns
    -------
    numbers : list of dict
        For each file, label to number.
    new : dict of str to int
        The labels that the lookup of at least one file with such a defect does not name.

    Raises
    ------
    OptionError
        Two classes of a lookup have the name of one label.
    """
    asked = sorted({label for klarf in klarfs for label in klarf.kinds} - given.keys())
    lookups = [_find_classes(klarf, asked) for klarf in klarfs]
    elsewhere = {label: number for lookup in lookups[::-1] for label, number in lookup.items()}
    taken = [_list_numbers(klarf, column) for klarf in klarfs]
    following = max([0, *given.values(), *(number for numbers in taken for number in numbers)]) + 1
    picked: list[dict[str, int | None]] = []
    for klarf, lookup, own in zip(klarfs, lookups, taken, strict=True):
        others = {label: number for label, number in elsewhere.items() if number not in own}
        known = {**others, **lookup, **given}
        picked.append({label: known.get(label) for label in klarf.kinds})
    lacking = sorted({label for mine in picked for label in mine if mine[label] is None})
    fresh = {label: following + place for place, label in enumerate(lacking)}
    numbers = [
        {label: fresh[label] if number is None else number for label, number in mine.items()}
        for mine in picked
    ]
    new = {
        label: number
        for klarf, mine in zip(klarfs, numbers, strict=True)
        for label, number in mine.items()
        if number not in klarf.klarf.classes
    }
    return numbers, dict(sorted(new.items()))


def read_class_numbers(rows: Iterable[tuple[str, str]], *, source: str) -> dict[str, int]:
    """Read the number of each label from rows of label and number.

    Raises
    ------
    OptionError
        A number is none, or a label has two.
    """
    numbers: dict[str, int] = {}
    for label, text in rows:
        if not re.fullmatch(r"-?[0-9]{1,10}", text) or abs(int(text)) > _MOST_CLASSES:
            raise OptionError(f"{source}: the number of {label!r} is {text!r}, expected a class")
        if numbers.setdefault(label, int(text)) != int(text):
            raise OptionError(
                f"{source}: {label!r} has the numbers {numbers[label]} and {text}: keep one"
            )
    return numbers


def _find_classes(klarf: LabelledKlarf, labels: Iterable[str]) -> dict[str, int]:
    named: defaultdict[str, list[int]] = defaultdict(list)
    for number, name in klarf.klarf.classes.items():
        named[_fold(name)].append(number)
    found: dict[str, int] = {}
    for label in labels:
        numbers = named.get(_fold(label)) or named.get(_fold(label.rpartition("/")[2])) or []
        if len(numbers) > 1:
            raise OptionError(
                f"{klarf.path}: the classes {numbers[0]} and {numbers[1]} both have the name of "
                f"{label!r}: say which with --klarf-classes CSV (label,number)"
            )
        if numbers:
            found[label] = numbers[0]
    return found


def _list_numbers(klarf: LabelledKlarf, column: str) -> set[int]:
    """Return the class numbers that mean something in a file."""
    numbers = set(klarf.klarf.classes)
    for wafer in klarf.klarf.wafers:
        if column in wafer.defects and wafer.defects[column].dtype.kind == "i":
            numbers |= set(wafer.defects[column].tolist())
    return numbers


def _fold(name: str) -> str:
    """Spell a name as a person compares it: Big_Particle is big particle."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()
