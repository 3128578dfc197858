"""Golden references: the defect-free picture of the very same place, page by page beside it."""

from collections.abc import Iterator
from pathlib import Path

from embeddings.errors import ImageError
from embeddings.images import Picture, level_picture, read_headers, stream_pictures
from embeddings.reading import READING
from embeddings.records import Level


class Reference:
    """The golden image of one file, streamed beside it: never more than a page of it is held.

    Parameters
    ----------
    path : str
    max_pixels : int
        Most pixels a page may have.
    reading : int
        The rules of reading (`ExtractorSpec.reading`).

    Raises
    ------
    ImageError
        It cannot be read.
    """

    def __init__(self, path: str, *, max_pixels: int, reading: int = READING) -> None:
        self.path, self._max_pixels, self._reading = path, max_pixels, reading
        try:
            headers = read_headers(Path(path), reading=reading)
        except ImageError as error:
            raise self._blame(error) from error
        # From the headers: one picture stands for all pages, whatever thumbnails lie beside it.
        self._is_single = sum(header.is_picture for header in headers) == 1
        self._last = len(headers)
        self._pages: Iterator[Picture] | None = None
        self._held: Picture | None = None

    def match(self, picture: Picture, level: Level) -> Picture:
        """Return the page that belongs to a picture: the one of its number, or the only one.

        Parameters
        ----------
        picture : Picture
            As it is stored. Pages are asked for in the order of the file, as they are streamed.
        level : Level
            How the reference's page is levelled.

        Raises
        ------
        ImageError
            There is none, or it is of another size or kind.
        """
        # Held against the picture as stored: levelled ones are of kinds of their own.
        page = self._find(picture.page)
        if page is None:
            raise ImageError(f"its reference {self.path} has no page {picture.page}")
        if (page.width, page.height, page.kind) != (picture.width, picture.height, picture.kind):
            raise ImageError(
                f"its reference {self.path} is {page.width}x{page.height} {page.kind}, expected "
                f"{picture.width}x{picture.height} {picture.kind} as the image itself"
            )
        return level_picture(page, level)

    def _find(self, number: int) -> Picture | None:
        if self._pages is None:  # opened at the first page asked for: those before are not decoded
            self._pages = self._stream(0 if self._is_single else number)
            self._held = next(self._pages, None)
        while not self._is_single and self._held is not None and self._held.page < number:
            self._held = next(self._pages, None)
        is_there = self._held is not None and (self._is_single or self._held.page == number)
        return self._held if is_there else None

    def _stream(self, first: int) -> Iterator[Picture]:
        wanted = range(first, self._last)
        try:
            yield from stream_pictures(
                Path(self.path), max_pixels=self._max_pixels, pages=wanted, reading=self._reading
            )
        except ImageError as error:
            raise self._blame(error) from error

    def _blame(self, error: ImageError) -> ImageError:
        return ImageError(f"its reference {self.path} cannot be used: {error}")


def open_reference(
    path: str | None, *, max_pixels: int, reading: int = READING
) -> Reference | None:
    """Open a golden image; None where there is none.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    return None if path is None else Reference(path, max_pixels=max_pixels, reading=reading)
