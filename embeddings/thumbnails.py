"""Small pictures of images that have vectors, as the extractor saw them, and contact sheets.

`read_thumbnails` reads the files again, but for what an extraction has just seen (`Previews`), and
shows each page, tile or crop in the store's own grey-level window: 16-bit pictures and AFM heights
look as they did to the network.
`draw_contact_sheet` lays them out as one picture, for a notebook or a file.
"""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from embeddings.errors import OptionError
from embeddings.images import MAX_PIXELS
from embeddings.reader import (
    THUMBNAIL_SIDE,
    Preparation,
    Previews,
    list_parts,
    map_parts,
)
from embeddings.records import Vectors
from embeddings.store import Store

_GAP = 6  # pixels between pictures, and around the sheet
_CAPTION, _HEADING = 12, 17  # font sizes in pixels
_INK, _QUIET, _PAPER, _EMPTY = "#18212b", "#56616d", "#ffffff", "#e6e9ec"


def read_thumbnails(
    vectors: Vectors,
    ids: Sequence[str],
    store: Store,
    *,
    side: int = THUMBNAIL_SIDE,
    max_pixels: int = MAX_PIXELS,
    previews: Previews | None = None,
    open_files: bool = True,
) -> dict[str, bytes]:
    """Make small JPEGs of these images; one that is no longer there or readable is left out.

    Parameters
    ----------
    vectors : Vectors
        Its rows say where the images' pixels are.
    ids : sequence of str
    store : Store
        Where the vectors came from: its windows say what is black and what is white.
    side : int
        The longest side in pixels; a smaller picture is not enlarged.
    max_pixels : int
        Most pixels a picture may have; what is embedded may always be read again.
    previews : Previews, optional
        What this process has just extracted: of that no file is opened.
    open_files : bool
        False leaves out what is not among the previews.
    """
    # All of a picture is drawn, its data bar too: nothing is looked for in its pixels.
    spec = replace(store.spec, data_bar="keep")
    how = Preparation.to_reopen(vectors, spec, store.windows, max_pixels=max_pixels)
    drawn: dict[str, bytes] = {}
    # Kept ones are of one size; another is made from the file rather than scaled twice.
    if previews is not None and side == THUMBNAIL_SIDE:
        kept = {image_id: previews.find_thumbnail(image_id, how) for image_id in ids}
        drawn = {image_id: data for image_id, data in kept.items() if data is not None}
    if not open_files:
        return drawn
    wanted = np.isin(vectors.ids, [image_id for image_id in ids if image_id not in drawn])
    parts = list_parts(vectors, np.flatnonzero(wanted))
    found = map_parts(parts, lambda opened: how.draw(opened, side=side), how)
    return drawn | {part.image_id: data for part, data in found}


def draw_contact_sheet(
    vectors: Vectors,
    ids: Sequence[str],
    store: Store,
    *,
    columns: int = 8,
    side: int = THUMBNAIL_SIDE,
    title: str = "",
    captions: Sequence[str] = (),
    accent: str = "",
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Draw images side by side; a crossed-out field stands for one whose file has gone.

    Parameters
    ----------
    vectors, ids, store
        As for `read_thumbnails`; the sheet has the order of the ids.
    columns : int
        Pictures a row.
    side : int
        Of a picture's square field, in pixels.
    title : str
        Above the pictures; the first line is set larger.
    captions : sequence of str
        One below each picture, cut to its width.
    accent : str
        Colour of a stripe beside the title, such as the cluster's on the map.
    max_pixels : int
        As for `read_thumbnails`.

    Raises
    ------
    OptionError
        columns or side is too small, or there are not as many captions as images.
    """
    if columns < 1 or side < 16:
        raise OptionError(
            f"columns is {columns} and side {side}: expected 1 or more columns of 16 pixels or more"
        )
    if captions and len(captions) != len(ids):
        raise OptionError(f"{len(captions)} captions for {len(ids)} images: expected one each")
    # Read as JPEGs, although they are pasted: at most a few kB an image are held at a time.
    thumbnails = read_thumbnails(vectors, ids, store, side=side, max_pixels=max_pixels)
    lines = title.split("\n") if title else []
    # Room for the heading and the lines below it, and between pictures for the captions.
    top = _GAP + (_HEADING + 7 + (_CAPTION + 6) * (len(lines) - 1) if lines else 0)
    step = side + _GAP, side + _GAP + (_CAPTION + 4 if captions else 0)
    rows = -(-len(ids) // columns)
    sheet = Image.new("RGB", (_GAP + columns * step[0], max(top + rows * step[1], 1)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write_title(pen, lines, bottom=top, accent=accent)
    for place, image_id in enumerate(ids):
        x, y = _GAP + place % columns * step[0], top + place // columns * step[1]
        _place_picture(sheet, thumbnails.get(image_id), (x, y), side=side)
        if captions:
            text = _cut(captions[place], side)
            pen.text((x + 1, y + side + 2), text, fill=_QUIET, font=_font(_CAPTION))
    return sheet


def _place_picture(
    sheet: Image.Image, thumbnail: bytes | None, corner: tuple[int, int], *, side: int
) -> None:
    x, y = corner
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((x, y, x + side - 1, y + side - 1), fill=_EMPTY)
    if thumbnail is None:
        pen.line((x, y, x + side - 1, y + side - 1), fill=_QUIET)
        pen.line((x, y + side - 1, x + side - 1, y), fill=_QUIET)
        return
    # In the middle of its square field: pictures keep their shape.
    with Image.open(BytesIO(thumbnail)) as picture:
        sheet.paste(picture, (x + (side - picture.width) // 2, y + (side - picture.height) // 2))


def _write_title(
    pen: ImageDraw.ImageDraw, lines: Sequence[str], *, bottom: int, accent: str
) -> None:
    x = _GAP
    if accent and lines:
        pen.rectangle((x, _GAP, x + 5, bottom - 6), fill=accent)
        x += 13
    y = _GAP - 2
    for number, line in enumerate(lines):
        size, ink = (_CAPTION, _QUIET) if number else (_HEADING, _INK)
        pen.text((x, y), line, fill=ink, font=_font(size))
        y += size + 6


def _cut(text: str, width: int) -> str:
    """Cut a caption to its picture's width; of a path the end says most."""
    font = _font(_CAPTION)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength("..." + text) > width:
        text = text[1:]
    return "..." + text


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # ships with Pillow: the same on every machine
