"""Other groupings of the images of a run: finer and coarser levels, splits, merges, the rest.

All but `open_levels` are functions over arrays. Images are their positions in the run's
clustering.
"""

from discovery.graph.levels import Levels, Position
from discovery.review.regroup.lasso import inside
from discovery.review.regroup.levels import open_levels
from discovery.review.regroup.merge import merge_pairs
from discovery.review.regroup.near import NearestType, look_alikes, nearest_type
from discovery.review.regroup.rest import Part, Regrouped, regroup_rest
from discovery.review.regroup.split import Split, split_members

__all__ = [
    "Levels",
    "NearestType",
    "Part",
    "Position",
    "Regrouped",
    "Split",
    "inside",
    "look_alikes",
    "merge_pairs",
    "nearest_type",
    "open_levels",
    "regroup_rest",
    "split_members",
]
