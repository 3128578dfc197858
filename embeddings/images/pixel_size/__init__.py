"""How many micrometres a pixel is, and who says so: tags of a TIFF, or a text beside a picture.

Every place that tools are known to write to is asked, and gives a `SizeClaim`; `settle_size` takes
the first that can be true, and says so where another one contradicts it.
"""

from embeddings.images.pixel_size.claims import UNKNOWN_SIZE as UNKNOWN_SIZE
from embeddings.images.pixel_size.claims import PixelSize as PixelSize
from embeddings.images.pixel_size.claims import SizeClaim as SizeClaim
from embeddings.images.pixel_size.claims import compare_size as compare_size
from embeddings.images.pixel_size.claims import settle_size as settle_size
from embeddings.images.pixel_size.companions import read_companions as read_companions
from embeddings.images.pixel_size.tags import read_tags as read_tags
