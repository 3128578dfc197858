"""The small pictures of a run: what pages and sheets show of its images without opening a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSheet:
    """Very small pictures in one: square fields, row by row, `columns` a row.

    Attributes
    ----------
    ids : tuple of str
        The images, in the order of the fields.
    data : bytes
        A JPEG.
    columns, side : int
        Fields a row, and the side of one in pixels.
    """

    ids: tuple[str, ...]
    data: bytes
    columns: int
    side: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What is kept of the images to look at.

    Attributes
    ----------
    thumbnails : mapping of image id to bytes
        JPEGs, as the extractor saw the images; of those worth it in a large run, else of all.
    larger : mapping of image id to bytes
        The same at more pixels, of the few that are looked at first.
    heats : mapping of image id to bytes
        JPEGs of some medoids, coloured where they are unlike the rest.
    tiles : tuple of TileSheet
        The images without a thumbnail, as far as they were at hand.
    """

    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    larger: Mapping[str, bytes] = field(default_factory=dict)
    heats: Mapping[str, bytes] = field(default_factory=dict)
    tiles: tuple[TileSheet, ...] = ()
