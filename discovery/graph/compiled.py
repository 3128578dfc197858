"""Inner loops that numpy cannot do, compiled by numba and kept compiled on disk.

The first call on a machine takes a second or two a loop, the next process none: numba keeps the
machine code beside the source, or in the user's cache where that folder cannot be written.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., object])


def compile_loop(function: Loop) -> Loop:
    """Compile a function when it is first called; a decorator."""
    try:
        return cast(Loop, numba.njit(cache=True)(function))
    except RuntimeError:  # there is no folder to keep it in: compiled in each process
        return cast(Loop, numba.njit(function))
