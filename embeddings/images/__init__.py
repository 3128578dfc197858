"""Find, fingerprint and decode images, and bring them to the square a network sees.

The way of one file: `find_images` -> `fingerprint_file` -> `stream_pictures` -> `level_picture`
-> `fix_window` (once a kind of picture) -> `show_picture`. What cannot be used raises
`ImageError` with the reason; nothing unreadable is ever replaced or filled in.
"""

from embeddings.images.decode import (
    read_headers,
    read_pictures,
    read_sizes,
    stream_pictures,
)
from embeddings.images.find import IMAGE_SUFFIXES, Found, find_images, fingerprint_file
from embeddings.images.levels import fix_window, level_picture
from embeddings.images.maps import is_wafer_map
from embeddings.images.picture import MAX_PIXELS, PageHeader, Picture
from embeddings.images.prepare import (
    Window,
    make_thumbnail,
    prepare_picture,
    show_picture,
)
from embeddings.images.regions import (
    Region,
    clip_pixels,
    clip_region,
    crop_box,
    cut_region,
    image_id,
    split_id,
    tile_picture,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "Found",
    "PageHeader",
    "Picture",
    "Region",
    "Window",
    "clip_pixels",
    "clip_region",
    "crop_box",
    "cut_region",
    "find_images",
    "fingerprint_file",
    "fix_window",
    "image_id",
    "is_wafer_map",
    "level_picture",
    "make_thumbnail",
    "prepare_picture",
    "read_headers",
    "read_pictures",
    "read_sizes",
    "show_picture",
    "split_id",
    "stream_pictures",
    "tile_picture",
]
