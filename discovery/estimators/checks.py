"""Checks of the estimators' parameters: one line that says what came and what was expected."""

import math
from numbers import Integral, Real
from typing import Any

from embeddings.errors import OptionError


def check_count(name: str, value: Any, *, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    Raises
    ------
    OptionError
        It is not one.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise OptionError(f"{name} is {value!r}, expected a whole number of {least} or more")
    return int(value)


def check_amount(name: str, value: Any) -> float:
    """Return a finite number of at least 0.

    Raises
    ------
    OptionError
        It is not one.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < math.inf:
        raise OptionError(f"{name} is {value!r}, expected a number of 0 or more")
    return float(value)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise unless the value is one of the choices.

    Raises
    ------
    OptionError
        It is none of them.
    """
    if not any(value is choice or (value == choice and type(value) is type(choice))
               for choice in choices):  # fmt: skip
        listed = ", ".join(repr(choice) for choice in choices)
        raise OptionError(f"{name} is {value!r}, expected one of {listed}")


def check_n_clusters(value: Any, n: int) -> int:
    """Return the number of clusters asked for.

    Raises
    ------
    OptionError
        It is not a whole number from 1 to n.
    """
    count = check_count("n_clusters", value)
    if count > n:
        # scikit-learn's own checks look for "n_samples" in such a message.
        raise OptionError(f"n_clusters is {count}, more than the {n} vectors (n_samples={n})")
    return count
