"""Count the defects of pictures with a trained detector, one answer a page of a file.

for answer in count_defects(detector, refs, threshold=0.6):
    ...  # Counted, or path and reason of what cannot be read
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from discovery.detector.boxes import Boxes
from discovery.detector.dataset import PictureRef
from discovery.detector.pictures import GreyWindows, Pixels, stream_pixels
from discovery.detector.predict import Detector, find_boxes
from embeddings.errors import ImageError
from embeddings.images import MAX_PIXELS, Picture, fingerprint_file, image_id, read_headers
from embeddings.reader import Fault


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """The defects of one picture.

    Attributes
    ----------
    path : Path
    image_id : str
        As in the store: the fingerprint of the file, and its page where it has several.
    page : int
    boxes : Boxes
        At or above the threshold, highest score first, in pixels.
    um_per_pixel : float
        NaN where it is not known.
    size : (int, int)
        Width and height of the picture.
    pixels : (c, h, w) float32 or None
        What the detector saw; None once it is no longer needed.
    """

    path: Path
    image_id: str
    page: int
    boxes: Boxes
    um_per_pixel: float
    size: tuple[int, int]
    pixels: Pixels | None = None


def count_defects(
    detector: Detector,
    refs: Sequence[PictureRef],
    *,
    threshold: float | None = None,
    tile: int | None = None,
    um_per_pixel: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Counted | Fault]:
    """Count the defects of each picture; every page of a file is a picture.

    Parameters
    ----------
    detector : Detector
    refs : sequence of PictureRef
        Files, with their golden references where the detector was trained with them.
    threshold : float, optional
        Score from which a box counts, instead of the detector's.
    tile : int, optional
        Side of the tiles that a large picture is read by, in pixels, instead of the detector's.
    um_per_pixel : float, optional
        Instead of what the files say.
    max_pixels : int
        Most pixels a page may have.

    Yields
    ------
    Counted or (path, reason)
        In order; what cannot be read is named with the reason, and the rest goes on.
    """
    windows = GreyWindows(detector.spec.windows, max_pixels=max_pixels)
    # Kinds that training did not meet, such as 16-bit pictures of a new microscope.
    windows.fix_from(refs)
    least = detector.threshold if threshold is None else threshold
    for ref in refs:
        try:
            # The store's id of this very image, so that counts.csv joins with its clusters.
            fingerprint = fingerprint_file(ref.path)
            for page, pixels in _read_pages(detector, ref, windows):
                found = find_boxes(detector, pixels, tile=tile)
                yield Counted(
                    path=ref.path,
                    image_id=image_id(fingerprint, page=page.page, n_pages=page.n_pages),
                    page=page.page,
                    boxes=found.take(found.scores >= least),
                    um_per_pixel=page.um_per_pixel if um_per_pixel is None else um_per_pixel,
                    size=(page.width, page.height),
                    pixels=pixels,
                )
        except ImageError as error:
            yield str(ref.path), str(error)


def _read_pages(
    detector: Detector, ref: PictureRef, windows: GreyWindows
) -> Iterator[tuple[Picture, Pixels]]:
    """Yield the pages of a file one by one.

    A file is counted whole or not at all: a page that cannot be read spoils it. So a stack is read
    through before it is counted, instead of being held: reading costs little beside the network.
    """
    reference = None
    if detector.spec.has_reference:
        reference = ref.reference
        if reference is None:
            raise ImageError(
                "no golden reference: the detector was trained with them, give a CSV with the "
                "columns path and reference"
            )
    numbers = [header.page for header in read_headers(ref.path) if header.is_picture]
    pages = [PictureRef(path=ref.path, page=page, reference=reference) for page in numbers]
    if len(pages) > 1:  # one page alone is read or not
        for _ in stream_pixels(pages, windows):
            pass
    for _, page, pixels in stream_pixels(pages, windows):
        yield page, pixels
