"""What a method takes: each argument's check, and one line for what does not pass it.

A method's arguments are a mapping of their names to an `Argument`. `check_arguments` refuses
names that are not among them, fills in defaults and returns the values the method is called with.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import OptionError

MOST_TEXT = 4_000  # characters of a definition or a query
MOST_RECORD = 200_000  # bytes of a selection as JSON: a lasso of ten thousand corners
_SHOWN = 60  # characters of a refused value that are repeated

Check = Callable[[Any, int], Any]  # a value and the number of images -> the value to work with


class _Missing:
    """Stands for the default of an argument that has none."""


REQUIRED = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a method.

    Attributes
    ----------
    check : callable
        The value and the number of images to the value that is worked with; raises ValueError
        with what was expected.
    default : object
        The value where it is left out; by default it may not be.
    """

    check: Check
    default: Any = REQUIRED

    @property
    def is_required(self) -> bool:
        """Whether it may not be left out."""
        return self.default is REQUIRED


def check_arguments(
    given: Any, wanted: Mapping[str, Argument], *, n: int, what: str
) -> dict[str, Any]:
    """Return the values a method is called with.

    Parameters
    ----------
    given : object
        As it came from outside.
    wanted : mapping of name to Argument
    n : int
        Number of images.
    what : str
        The method, for the message.

    Raises
    ------
    OptionError
        A name is not known or missing, or a value does not pass; in one line.
    """
    if not isinstance(given, dict):
        raise OptionError(f"{what}: got {_show(given)}, expected an object of arguments")
    if unknown := sorted(set(given) - set(wanted)):
        names = ", ".join(wanted) or "none"
        raise OptionError(f"{what} has no argument {_show(unknown[0])}: expected {names}")
    values = {}
    for name, argument in wanted.items():
        value = given.get(name)
        if value is None:  # null says the same as leaving it out
            if argument.is_required:
                raise OptionError(f"{what} needs the argument {name}")
            values[name] = argument.default
            continue
        try:
            values[name] = argument.check(value, n)
        except ValueError as error:
            raise OptionError(f"{what}: {name} is {_show(value)}, expected {error}") from None
    return values


def position(*, default: Any = REQUIRED) -> Argument:
    """Take one image, by its position."""
    return Argument(check=_check_position, default=default)


def positions(*, default: Any = REQUIRED) -> Argument:
    """Take images by their positions, each once, as an array."""
    return Argument(check=_check_positions, default=default)


def parts(*, default: Any = REQUIRED) -> Argument:
    """Take groups of images, each a list of positions."""

    def check(value: Any, n: int) -> list[NDArray[np.intp]]:
        if not isinstance(value, list) or len(value) > n:
            raise ValueError("a list of lists of positions")
        return [_check_positions(one, n) for one in value]

    return Argument(check=check, default=default)


def positions_by_text(*, default: Any = REQUIRED) -> Argument:
    """Take groups of images under a text each, such as a label."""

    def check(value: Any, n: int) -> dict[str, NDArray[np.intp]]:
        if not isinstance(value, dict) or len(value) > n:
            raise ValueError("an object of lists of positions")
        return {_check_text(key, MOST_TEXT): _check_positions(one, n) for key, one in value.items()}

    return Argument(check=check, default=default)


def whole(low: int, high: int, *, default: Any = REQUIRED) -> Argument:
    """Take a whole number from low to high."""

    def check(value: Any, _n: int) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return Argument(check=check, default=default)


def number(low: float = -math.inf, high: float = math.inf, *, default: Any = REQUIRED) -> Argument:
    """Take a finite number from low to high."""

    def check(value: Any, _n: int) -> float:
        is_number = type(value) in (int, float)
        if not is_number or not math.isfinite(value) or not low <= value <= high:
            bounds = "" if math.isinf(low) else f" of {low:g} or more"
            raise ValueError(f"a finite number{bounds}")
        return float(value)

    return Argument(check=check, default=default)


def text(*, default: Any = REQUIRED, most: int = MOST_TEXT) -> Argument:
    """Take text of a bounded length."""
    return Argument(check=lambda value, _n: _check_text(value, most), default=default)


def texts(*, default: Any = REQUIRED, most: int = 1000) -> Argument:
    """Take a list of texts."""

    def check(value: Any, _n: int) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise ValueError(f"a list of at most {most} texts")
        return tuple(_check_text(one, MOST_TEXT) for one in value)

    return Argument(check=check, default=default)


def flag(*, default: Any = REQUIRED) -> Argument:
    """Take true or false."""

    def check(value: Any, _n: int) -> bool:
        if value is True or value is False:
            return value
        raise ValueError("true or false")

    return Argument(check=check, default=default)


def choice(*names: str, default: Any = REQUIRED) -> Argument:
    """Take one of a few words."""

    def check(value: Any, _n: int) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return value

    return Argument(check=check, default=default)


def record(*, default: Any = REQUIRED, most: int | None = MOST_RECORD) -> Argument:
    """Take any JSON object, of a bounded size unless `most` is None."""

    def check(value: Any, _n: int) -> dict[str, Any]:
        if isinstance(value, dict) and (most is None or len(json.dumps(value)) <= most):
            return value
        raise ValueError("an object" if most is None else f"an object of at most {most} bytes")

    return Argument(check=check, default=default)


def _check_position(value: Any, n: int) -> int:
    if type(value) is not int or not 0 <= value < n:
        raise ValueError(f"the position of an image, 0 to {n - 1}")
    return value


def _check_positions(value: Any, n: int) -> NDArray[np.intp]:
    # One look at all of them: a lasso may hold a hundred thousand.
    if not isinstance(value, list) or not {type(one) for one in value} <= {int}:
        raise ValueError("a list of whole numbers")
    if value and not (0 <= min(value) and max(value) < n):
        raise ValueError(f"positions from 0 to {n - 1}")
    found = np.array(value, dtype=np.intp)
    if len(np.unique(found)) < len(found):
        raise ValueError("each image once")
    return found


def _check_text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"text of at most {most} characters")
    return value


def _show(value: Any) -> str:
    """Repeat what came, short: a refused list may hold a hundred thousand numbers."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    # Escaped: what came may hold a line break or change the direction of writing.
    shown = json.dumps(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
