"""The graph of nearest neighbours: how it is found, weighed, laid out and divided into communities.

Here is what all of it shares, and needs nothing heavy until it is called.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeVar, cast

Granularity = Literal["coarse", "auto", "fine"]  # of the groups that last: fewer or more
Loop = TypeVar("Loop", bound=Callable[..., object])


def choose_n_neighbors(n: int) -> int:
    """Return how many images one is tied to in the graph of n images, itself counted.

    15 of up to 1,000 images, then half the square root of n up to 50: with too few, large
    groups come apart. Below 225 images a fifteenth of them, 10 at least, lest all be tied to all.
    """
    wanted = min(max(15, round(math.sqrt(n) / 2)), 50)
    return min(wanted, max(10, n // 15), n)


def compile_loop(function: Loop) -> Loop:
    """Compile an inner loop that numpy cannot do, when it is first called; a decorator.

    The first call on a machine takes a second or two, the next process none: numba keeps the
    machine code beside the source, or in the user's cache where that folder cannot be written.
    Other threads run on meanwhile.
    """
    import numba

    try:
        return cast(Loop, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # there is no folder to keep it in: compiled in each process
        return cast(Loop, numba.njit(nogil=True)(function))
