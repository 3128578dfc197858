"""Other groupings of the images of a run: finer and coarser levels, splits, merges, the rest.

All are functions over arrays. Images are their positions in the run's clustering.
"""

from discovery.review.regroup.lasso import inside
from discovery.review.regroup.near import look_alikes

__all__ = ["inside", "look_alikes"]
