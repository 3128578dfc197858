"""Copies of one picture are found, and count once.

The neighbour graph proposes pairs, a sketch of 32 x 32 pixels throws most of them out, and the
pixels decide: only a copy has the same noise. Tiles and crops of one picture that
overlap are no copies.
"""

from discovery.stages.duplicates.candidates import propose_pairs
from discovery.stages.duplicates.find import find_duplicates, make_reader
from discovery.stages.duplicates.likeness import Likeness, compare_pictures
from discovery.stages.duplicates.table import (
    group_files,
    read_duplicates,
    tabulate_duplicates,
)

__all__ = [
    "Likeness",
    "compare_pictures",
    "find_duplicates",
    "group_files",
    "make_reader",
    "propose_pairs",
    "read_duplicates",
    "tabulate_duplicates",
]
