"""Paths as people write them from Python: a text where a `Path` is meant is taken for one."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

Taker = TypeVar("Taker", bound=Callable[..., Any])


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
