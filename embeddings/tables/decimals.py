"""Numbers as people and programs of any country write them: 12.5, 12,5, 1.234,5, 1 234.5.

Which of the two the decimal sign is, is told from the cells of a column together, and where they
leave it open (1,234) from the other columns of the file. What is open after that is no number: it
is never guessed.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

Spelling = Literal["point", "comma"]
_SIGN = r"[+\-\u2212]?"  # the last is the minus of typographers and of Scandinavian spreadsheets
_BLANK = " \u00a0\u2009\u202f"  # a space of any width, as French and SI write it
_MARK = f"(?:[{_BLANK}'\u2019])"  # between thousands in any country


def _compile(decimal: str, thousands: str) -> re.Pattern[str]:
    # The same mark between all groups; no group begins with 0: 0,873 is no 873.
    grouped = f"[1-9]\\d{{0,2}}(?:(?P<group>{thousands}|{_MARK})\\d{{3}}(?:(?P=group)\\d{{3}})*)"
    whole = f"(?:{grouped}|(?:0|[1-9]\\d*)(?={decimal}|[eE]|$)|(?={decimal}\\d)|0*\\d+$)"
    return re.compile(f"{_SIGN}{whole}(?:{decimal}\\d*)?(?:[eE][+-]?\\d{{1,4}})?", re.ASCII)


_FORMS: Mapping[Spelling, re.Pattern[str]] = {
    "point": _compile(r"\.", ","),
    "comma": _compile(",", r"\."),
}
_DECIMAL: Mapping[Spelling, str] = {"point": ".", "comma": ","}
# What stands for nothing known in a column of numbers.
_MISSING = frozenset({"", "-", "--", "?", "n/a", "na", "nan", "null", "none", "#n/a", "#nv"})


def read_number(text: str, spelling: Spelling | None = None) -> float | None:
    """Return a cell as a finite number; None where it is none, or may be one of two.

    Parameters
    ----------
    text : str
    spelling : {"point", "comma"}, optional
        What the decimal sign is; by default whatever the cell allows alone.
    """
    plain = respell(text, spelling)
    if plain is None:
        return None
    value = float(plain)
    return value if math.isfinite(value) else None


def respell(text: str, spelling: Spelling | None = None) -> str | None:
    """Return a number as ``-1234.5``, digits kept; None as in `read_number`."""
    if spelling is not None:
        return _strip(text, spelling) if _FORMS[spelling].fullmatch(text) else None
    found = {_strip(text, one) for one, form in _FORMS.items() if form.fullmatch(text)}
    return found.pop() if len(found) == 1 else None


def may_be_two(text: str) -> bool:
    """Tell whether a cell alone may be one of two numbers, as 1,234 may."""
    return all(form.fullmatch(text) for form in _FORMS.values()) and respell(text) is None


def tell_spelling(cells: Sequence[str]) -> Spelling | None:
    """Return what the decimal sign of a column of numbers is; None where its cells do not tell."""
    fitting = _list_fitting(cells)
    return fitting[0] if len(fitting) == 1 else None


def tell_file_spelling(columns: Sequence[Sequence[str]]) -> Spelling | None:
    """Return the decimal sign that the columns which tell it agree on."""
    told = {tell_spelling(cells) for cells in columns} - {None}
    return told.pop() if len(told) == 1 else None


def respell_column(
    cells: Sequence[str], *, of_file: Spelling | None = None
) -> tuple[list[str], str]:
    """Write the numbers of a column with a decimal point; other cells stay to the letter.

    Parameters
    ----------
    cells : sequence of str
    of_file : {"point", "comma"}, optional
        The decimal sign of other columns, for cells that may be two numbers.

    Returns
    -------
    list of str
        The cells as they are where they are no column of numbers, or may be two numbers each.
    str
        The first cell that may be two numbers; empty where there is none.
    """
    fitting = _list_fitting(cells)
    known = [cell for cell in cells if not _is_missing(cell)]
    doubtful = next((cell for cell in known if may_be_two(cell)), "")
    spelling = fitting[0] if len(fitting) == 1 else None
    if doubtful and len(fitting) == 2:
        spelling = of_file or _read_plainly(known)
    if doubtful and spelling is None and _are_numbers(known):
        return list(cells), doubtful
    spelt = [cell if _is_missing(cell) else respell(cell, spelling) for cell in cells]
    # All or none: a column of names may hold some that look like numbers.
    if any(cell is None for cell in spelt):
        return list(cells), ""
    resolved = doubtful if len(fitting) == 2 and spelling != _read_plainly(known) else ""
    return [cell for cell in spelt if cell is not None], resolved


def _list_fitting(cells: Sequence[str]) -> list[Spelling]:
    known = [cell for cell in cells if not _is_missing(cell)]
    # Whole numbers alone tell nothing: they are the same in both.
    if not known:
        return []
    return [name for name, form in _FORMS.items() if all(form.fullmatch(cell) for cell in known)]


def _are_numbers(known: Sequence[str]) -> bool:
    return all(any(form.fullmatch(cell) for form in _FORMS.values()) for cell in known)


def _read_plainly(known: Sequence[str]) -> Spelling | None:
    """Return the point for cells without any comma: 1.234 is what every program writes."""
    return None if any("," in cell for cell in known) else "point"


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in _MISSING


def _strip(text: str, spelling: Spelling) -> str:
    """Return a cell that fits a spelling without its thousands' marks, its decimal sign a point."""
    decimal = _DECIMAL[spelling]
    kept = "".join(one for one in text if one.isdigit() or one in f"+-eE{decimal}\u2212")
    return kept.replace(decimal, ".").replace("\u2212", "-")
