"""What stands out of a picture: its background off without a reference, regions, crop, numbers."""

from embeddings.highlight.crop import draw_crop, frame_region
from embeddings.highlight.looks import LOOKS, Look, Looks
from embeddings.highlight.numbers import NUMBERS, describe_regions
from embeddings.highlight.regions import (
    LARGEST,
    LEAST_SIDE,
    Highlight,
    StandOut,
    highlight,
    highlight_picture,
)

__all__ = [
    "LARGEST",
    "LEAST_SIDE",
    "LOOKS",
    "NUMBERS",
    "Highlight",
    "Look",
    "Looks",
    "StandOut",
    "describe_regions",
    "draw_crop",
    "frame_region",
    "highlight",
    "highlight_picture",
]
