"""Find, fingerprint and decode images, and bring them to the square a network sees.

The way of one file: `find_images` -> `fingerprint_file` -> `stream_pictures` -> `level_picture`
-> `fix_window` (once a kind of picture) -> `show_picture`. What cannot be used raises
`ImageError` with the reason; nothing unreadable is ever replaced or filled in.
"""

from embeddings.images.data_bar import cut_data_bar as cut_data_bar
from embeddings.images.data_bar import find_data_bar as find_data_bar
from embeddings.images.data_bar import find_known_bar as find_known_bar
from embeddings.images.data_bar import name_size as name_size
from embeddings.images.data_bar import pick_data_bar as pick_data_bar
from embeddings.images.decode import read_headers as read_headers
from embeddings.images.decode import read_pictures as read_pictures
from embeddings.images.decode import read_sizes as read_sizes
from embeddings.images.decode import stream_pictures as stream_pictures
from embeddings.images.find import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from embeddings.images.find import Found as Found
from embeddings.images.find import find_images as find_images
from embeddings.images.find import fingerprint_file as fingerprint_file
from embeddings.images.levels import fix_window as fix_window
from embeddings.images.levels import level_picture as level_picture
from embeddings.images.maps import is_wafer_map as is_wafer_map
from embeddings.images.one_file import OneFile as OneFile
from embeddings.images.outputs import check_apart as check_apart
from embeddings.images.picture import MAX_PIXELS as MAX_PIXELS
from embeddings.images.picture import PageHeader as PageHeader
from embeddings.images.picture import Picture as Picture
from embeddings.images.picture import average_channels as average_channels
from embeddings.images.picture import tell_fault as tell_fault
from embeddings.images.pixel_size import PixelSize as PixelSize
from embeddings.images.pixel_size import compare_size as compare_size
from embeddings.images.prepare import Window as Window
from embeddings.images.prepare import make_thumbnail as make_thumbnail
from embeddings.images.prepare import prepare_picture as prepare_picture
from embeddings.images.prepare import show_picture as show_picture
from embeddings.images.regions import Region as Region
from embeddings.images.regions import clip_pixels as clip_pixels
from embeddings.images.regions import clip_region as clip_region
from embeddings.images.regions import crop_box as crop_box
from embeddings.images.regions import cut_region as cut_region
from embeddings.images.regions import file_of_id as file_of_id
from embeddings.images.regions import image_id as image_id
from embeddings.images.regions import split_id as split_id
from embeddings.images.regions import tile_picture as tile_picture
from embeddings.images.viewable import is_viewable as is_viewable
