"""The tables a user gives beside the images: lists, boxes, metadata; as CSV or KLARF.

Every function names the file, the line and the column of what it cannot use (`TableError`).
"""

from embeddings.tables.boxes import read_boxes
from embeddings.tables.delimited import read_table
from embeddings.tables.image_list import read_image_list
from embeddings.tables.klarf import Klarf, KlarfImage, KlarfWafer, parse_klarf, read_klarf
from embeddings.tables.metadata import read_metadata

__all__ = [
    "Klarf",
    "KlarfImage",
    "KlarfWafer",
    "parse_klarf",
    "read_boxes",
    "read_image_list",
    "read_klarf",
    "read_metadata",
    "read_table",
]
