"""The graph of nearest neighbours: how it is found, weighed, laid out and divided into communities.

Here is what all of it shares, and needs nothing heavy until it is called.
"""

import math
from typing import Literal

Granularity = Literal["coarse", "auto", "fine"]  # of the groups that last: fewer or more


def choose_n_neighbors(n: int) -> int:
    """Return how many images one is tied to in the graph of n images, itself counted.

    15 of up to 1,000 images, then half the square root of n up to 50: with too few, large
    groups come apart. Below 225 images a fifteenth of them, 10 at least, lest all be tied to all.
    """
    wanted = min(max(15, round(math.sqrt(n) / 2)), 50)
    return min(wanted, max(10, n // 15), n)
