"""Whether Pillow, opened by a program that knows nothing of microscopes, shows a file as it is.

torchvision, Keras and most others open a file so and turn it into 8-bit colours: of 16 bits a
sample what is above 255 becomes white, and a picture of floats is black or white.
"""

import re
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

# The endings that torchvision's ImageFolder looks at.
VIEWED_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
)
_WIDE_MODES = ("I", "F")
_WIDE_RAW = re.compile(r";(9|1[0-6]|32)")  # bits a sample, in Pillow's name of what it decodes
_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339  # tags of a TIFF
_UNSIGNED = 1
_ORIENTATION = 274


def is_viewable(path: Path) -> bool:
    """Tell whether the first picture of a file is shown as it is: 8 bits a sample or fewer."""
    if path.suffix.lower() not in VIEWED_SUFFIXES:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a large picture: it was embedded already
            with Image.open(path) as image:
                if image.format == "TIFF":
                    image.load()  # some compressions are found to be unknown only then
                # Most programs do not turn it, and then boxes are those of another picture.
                is_turned = image.getexif().get(_ORIENTATION, 1) not in (0, 1)
                return not is_turned and not _is_wide(image)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return False


def _is_wide(image: Any) -> bool:
    """Tell whether the samples of an opened picture have more than 8 bits, or a sign."""
    if image.mode.split(";")[0] in _WIDE_MODES:
        return True
    tags = image.tag_v2 if image.format == "TIFF" else {}
    if any(kind != _UNSIGNED for kind in tags.get(_SAMPLE_FORMAT, ())):
        return True  # below 0 they would be taken for bright
    return any(count > 8 for count in tags.get(_BITS_PER_SAMPLE, ())) or any(
        _WIDE_RAW.search(str(tile)) for tile in getattr(image, "tile", ())
    )
