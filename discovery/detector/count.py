"""Count the defects of pictures with a trained detector, one answer a page of a file.

for answer in count_defects(detector, places, threshold=0.6):
    ...  # Counted, or Unreadable with the reason
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from discovery.detector.boxes import Boxes
from discovery.detector.predict import Detector, find_boxes
from discovery.detector.records import Place, Unreadable
from discovery.detector.views import GreyWindows, View, stream_views
from embeddings.errors import ImageError
from embeddings.images import MAX_PIXELS, Picture, fingerprint_file, image_id, read_headers


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
    view : (c, h, w) float32 or None
        What the detector saw; None once it is no longer needed.
    """

    path: Path
    image_id: str
    page: int
    boxes: Boxes
    um_per_pixel: float
    size: tuple[int, int]
    view: View | None = None


def count_defects(
    detector: Detector,
    places: Sequence[Place],
    *,
    threshold: float | None = None,
    tile: int | None = None,
    um_per_pixel: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Counted | Unreadable]:
    """Count the defects of each picture; every page of a file is a picture.

    Parameters
    ----------
    detector : Detector
    places : sequence of Place
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
    Counted or Unreadable
        In order; what cannot be read is told and the rest goes on.
    """
    windows = GreyWindows(detector.spec.windows, max_pixels=max_pixels)
    windows.fix_from(places)
    least = detector.threshold if threshold is None else threshold
    for place in places:
        try:
            fingerprint = fingerprint_file(place.path)
            for page, view in _read_pages(detector, place, windows):
                found = find_boxes(detector, view, tile=tile)
                yield Counted(
                    path=place.path,
                    image_id=image_id(fingerprint, page=page.page, n_pages=page.n_pages),
                    page=page.page,
                    boxes=found.take(found.scores >= least),
                    um_per_pixel=page.um_per_pixel if um_per_pixel is None else um_per_pixel,
                    size=(page.width, page.height),
                    view=view,
                )
        except ImageError as error:
            yield Unreadable(path=place.path, reason=str(error))


def _read_pages(
    detector: Detector, place: Place, windows: GreyWindows
) -> Iterator[tuple[Picture, View]]:
    """Yield the pages of a file one by one.

    A file is counted whole or not at all: a page that cannot be read spoils it. So a stack is read
    through before it is counted, instead of being held: reading costs little beside the network.
    """
    reference = None
    if detector.spec.has_reference:
        reference = place.reference
        if reference is None:
            raise ImageError(
                "no golden reference: the detector was trained with them, give a CSV with the "
                "columns path and reference"
            )
    numbers = [header.page for header in read_headers(place.path) if header.is_picture]
    pages = [Place(path=place.path, page=page, reference=reference) for page in numbers]
    if len(pages) > 1:
        for _ in stream_views(pages, windows):
            pass
    for _, page, view in stream_views(pages, windows):
        yield page, view
