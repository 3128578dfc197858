"""The tables a user gives beside the images: lists, boxes, metadata; as CSV or KLARF.

Every function names the file, the line and the column of what it cannot use (`TableError`).
"""

from embeddings.tables.boxes import read_boxes
from embeddings.tables.klarf import is_klarf, parse_klarf, read_klarf
from embeddings.tables.klarf_fill import fill_column
from embeddings.tables.klarf_records import Klarf, KlarfImage, KlarfWafer
from embeddings.tables.metadata import list_named, read_metadata
from embeddings.tables.sheet import read_image_list, read_table

__all__ = [
    "Klarf",
    "KlarfImage",
    "KlarfWafer",
    "fill_column",
    "is_klarf",
    "list_named",
    "parse_klarf",
    "read_boxes",
    "read_image_list",
    "read_klarf",
    "read_metadata",
    "read_table",
]
