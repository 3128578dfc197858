"""Lengths as tools write them: with a decimal point or comma, and a unit in any spelling."""

import math
import re
from typing import Any

_UM = {
    "m": 1e6, "meter": 1e6, "metre": 1e6, "dm": 1e5, "cm": 1e4, "centimeter": 1e4, "mm": 1e3,
    "millimeter": 1e3, "um": 1.0, "micron": 1.0, "micrometer": 1.0, "micrometre": 1.0, "u": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3, "pm": 1e-6, "picometer": 1e-6,
    "a": 1e-4, "angstrom": 1e-4, "ångström": 1e-4, "å": 1e-4,
    "in": 25_400.0, "inch": 25_400.0, "inches": 25_400.0, '"': 25_400.0,
}  # fmt: skip
# Mu has two code points; ImageJ escapes it; read in a wrong encoding it becomes one of the others.
_MU = re.compile(
    "\\\\u00b5|\\\\u03bc|&#181;|&#956;|&micro;|\u00e2\u00b5|\u00ee\u00bc|[\u00b5\u03bc\ufffd]"
)
_LENGTH = re.compile(r"\s*([-+]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_LONGEST = 100  # characters: no length is longer, and a long blank would be searched for ever
_A_PIXEL = re.compile(r"\s*(?:/|per)\s*(?:px|pix|pixel)s?\s*$")


def find_unit(text: Any) -> float:
    """Return the micrometres of a unit; NaN where it is no unit of length."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not isinstance(text, str):
        return math.nan
    name = text[:_LONGEST].strip().strip("\0").strip().lower()
    name = _A_PIXEL.sub("", _MU.sub("u", name))
    return _UM.get(name, _UM.get(name.removesuffix("s"), math.nan))


def read_number(value: Any) -> float:
    """Return a number, also of text with a decimal comma; NaN where there is none."""
    if isinstance(value, bool):
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    match = _LENGTH.fullmatch(value[:_LONGEST]) if isinstance(value, str) else None
    return _parse(match[1]) if match else math.nan


def read_length(text: Any, *, unit: str = "") -> float:
    """Return the micrometres of ``"5.5 nm"`` or ``"10um"``; NaN where it is no length.

    Parameters
    ----------
    unit : str
        What a number without a unit is in.
    """
    match = _LENGTH.fullmatch(text[:_LONGEST]) if isinstance(text, str) else None
    if match is None:
        return math.nan
    return _parse(match[1]) * find_unit(match[2] or unit)


def _parse(number: str) -> float:
    # A comma beside a point parts thousands; alone it is a decimal comma.
    plain = number.replace(",", "") if "." in number else number.replace(",", ".")
    try:
        return float(plain)
    except ValueError:
        return math.nan
