"""The dates of a KLARF: the month first, as the format has it, or the day, as some tools write it.

A date whose first number is above 12 has the day first, one whose second is has the month first,
and one with dots has the day first in every country. What may be either is read as the other
dates of the file are; where they do not agree or there is none, the month is first.
"""

import re
from datetime import datetime

_CLOCK = r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
_NUMBERS = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})[T\s]\s*"
    + _CLOCK,
    re.ASCII,
)
_NAMED = re.compile(
    r"(?P<day>\d{1,2})[-/ ](?P<name>[A-Za-z]{3})[a-z]*[-/ ](?P<year>\d{4}|\d{2})\s+" + _CLOCK,
    re.ASCII,
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})[T\s]\s*" + _CLOCK, re.ASCII
)
# Of any timestamp of a file: 1.8 writes the day and the clock as two words in quotes.
_ANY = re.compile(
    r"(?<![\d-])(\d{1,2})[-/](\d{1,2})[-/](?:\d{4}|\d{2})[\"',\s]+\d{1,2}:\d{2}", re.ASCII
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def is_day_first(text: str) -> bool:
    """Tell whether the dates in the text of a file that can be told have the day first."""
    pairs = [(int(first), int(second)) for first, second in _ANY.findall(text)]
    has_day_first = any(first > 12 >= second for first, second in pairs)
    return has_day_first and not any(second > 12 >= first for first, second in pairs)


def read_time(text: str, *, day_first: bool = False) -> str:
    """Return a time as ``2026-11-24T10:00:00``; as it is where it is written in another way.

    Parameters
    ----------
    text : str
    day_first : bool
        Read a date that may be either with the day first.
    """
    found = _match(text.strip(), day_first=day_first)
    if found is None:
        return text
    (year, month, day), match = found
    hours, *rest = match["clock"].split(":")
    hour = int(hours)
    if match["half"]:
        if not 1 <= hour <= 12:
            return text
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    seconds = rest[1] if len(rest) > 1 else "00"
    try:
        moment = datetime(year, month, day, hour, int(rest[0]), int(seconds[:2]))
    except ValueError:
        return text  # no such day
    return moment.isoformat() + seconds[2:]


def _match(text: str, *, day_first: bool) -> tuple[tuple[int, int, int], re.Match[str]] | None:
    if match := _YEAR_FIRST.fullmatch(text):
        return (int(match["year"]), int(match["month"]), int(match["day"])), match
    if match := _NAMED.fullmatch(text):
        name = match["name"].lower()
        if name not in _MONTHS:
            return None
        return (_full(match["year"]), _MONTHS.index(name) + 1, int(match["day"])), match
    if match := _NUMBERS.fullmatch(text):
        first, second = int(match["first"]), int(match["second"])
        if first > 12 or match["mark"] == ".":
            day_first = True
        elif second > 12:
            day_first = False
        day, month = (first, second) if day_first else (second, first)
        return (_full(match["year"]), month, day), match
    return None


def _full(year: str) -> int:
    # Two digits are of this century.
    return int(year) + (2000 if len(year) == 2 else 0)
