"""Paths as people write them: a text where Python means a `Path`, an address where one is meant."""

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

Taker = TypeVar("Taker", bound=Callable[..., Any])


# "s3://lots/7" as a `Path` has one slash; a single letter is a drive of Windows.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def tell_absence(path: Path) -> str:
    """Say of a path where nothing is that it does not exist, or that it is no path at all."""
    found = _ADDRESS.match(str(path))
    if found is None:
        return f"{path} does not exist"
    return (
        f"{path} is an address ({found[1]}), and only files of this machine are read: mount it as "
        "a folder, or copy it"
    )


def takes_paths(target: Taker) -> Taker:
    """Let a function, or a class when it is made, take texts for the paths among its parameters.

    Parameters
    ----------
    target : function or class
        Its annotations say which parameters are paths; one that says `str` as well is left to it.
    """
    function: Any = vars(target)["__init__"] if isinstance(target, type) else target
    signature = inspect.signature(function)
    wanted = {one.name for one in signature.parameters.values() if _is_path(one.annotation)}

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            bound = signature.bind(*args, **options)
        except TypeError:
            return function(*args, **options)  # which says what is wrong with them, in its own name
        for name in wanted & bound.arguments.keys():
            if isinstance(bound.arguments[name], str):
                bound.arguments[name] = Path(bound.arguments[name])
        return function(*bound.args, **bound.kwargs)

    if isinstance(target, type):
        setattr(target, "__init__", call)  # noqa: B010 - a type checker refuses the other way
        return target
    return call  # type: ignore[return-value]


def _is_path(annotation: Any) -> bool:
    parts = {annotation, *get_args(annotation)}
    return Path in parts and str not in parts
