"""The graph of nearest neighbours: how it is found, weighed, laid out and divided into communities.

Here is what all of it shares, and needs nothing heavy until it is called.
"""

import math
from typing import Literal

Granularity = Literal["coarse", "auto", "fine"]  # of the groups that last: fewer or more


def choose_n_neighbors(n: int) -> int:
    """Return how many images one is tied to in the graph of n images, itself counted.

    15 of up to 1,000 images, then half the square root of n up to 50: with too few, large
    groups come apart. Below 300 images a twentieth of them, 8 at least: with more, a type of a
    dozen images is tied to what it is not.
    """
    wanted = min(max(15, round(math.sqrt(n) / 2)), 50)
    return min(wanted, max(8, n // 20), n)
