"""Read where the defects are: a CSV of boxes, or the positions of a KLARF.

A KLARF gives a defect's place on the die, not in its picture. Review pictures are taken with the
defect in the middle: its box is centred there, XSIZE by YSIZE micrometres large (DSIZE squared
where these are missing, a point where all are), which takes the pixel size to become pixels. It
ends at the picture's edges: a scratch may be longer than the field of view.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from embeddings.errors import ImageError, OptionError, TableError
from embeddings.tables.klarf import DefectImage, is_klarf, list_images, read_klarf
from embeddings.tables.klarf_records import Klarf
from embeddings.tables.sheet import Sheet, read_sheet

ReadSizes = Callable[[Path], list[tuple[int, int]]]
Locate = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]  # the images of each name

_FARTHEST = 1e8  # pixels or micrometres: beyond any picture, within 32 bits
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def read_boxes(
    path: Path,
    *,
    um_per_pixel: float | None = None,
    read_sizes: ReadSizes | None = None,
    locate: Locate | None = None,
) -> pd.DataFrame:
    """Read one box a defect from a table or a KLARF.

    Parameters
    ----------
    path : Path
        A CSV with the columns `path,xmin,ymin,xmax,ymax`, and `page` and `label` where given;
        or a KLARF. Of several pictures of a KLARF defect the first is taken, and defects without
        a picture are left out.
    um_per_pixel : float, optional
        Pixel size of the review pictures; a KLARF with sizes needs it.
    read_sizes : callable, optional
        Returns (width, height) of each page of a picture, such as `embeddings.images.read_sizes`;
        a KLARF needs it. A picture it cannot read keeps its boxes, round the upper left corner:
        whoever reads the picture will say what is wrong with it.
    locate : callable, optional
        Returns the images that each path as written is of; several are exact copies. A path that
        it does not know, and each by default, is looked for from the table's folder.

    Returns
    -------
    DataFrame
        path (absolute), page, xmin, ymin, xmax, ymax (float, pixels from the upper left corner),
        and for a CSV with a label, label.

    Raises
    ------
    TableError
        A column, row or number is missing or wrong; a box is empty; no defect has a picture.
    OptionError
        The pixel size is needed and missing, or not above 0.
    ValueError
        A KLARF without `read_sizes`.
    """
    if um_per_pixel is not None and not (um_per_pixel > 0 and math.isfinite(um_per_pixel)):
        raise OptionError(f"um-per-pixel is {um_per_pixel}, expected micrometres above 0")
    if is_klarf(path):
        if read_sizes is None:
            raise ValueError("a KLARF gives positions in the middle of a picture: pass read_sizes")
        boxes = _measure_defects(read_klarf(path), path, um_per_pixel=um_per_pixel)
        return _centre(_place(boxes, locate), read_sizes)
    boxes = _read_table(read_sheet(path, required=("path", *_EDGES)), path.parent)
    return _place(boxes, locate)


def _place(boxes: pd.DataFrame, locate: Locate | None) -> pd.DataFrame:
    """Give each box the path of its image, in place of the name that the table has for it."""
    if locate is not None:
        found = locate(list(dict.fromkeys(boxes["name"])))
        paths = [found.get(n) or [p] for n, p in zip(boxes["name"], boxes["path"], strict=True)]
        boxes = boxes.assign(path=pd.Series(paths, index=boxes.index)).explode("path")
        boxes = boxes.reset_index(drop=True).astype({"path": "str"})
    return boxes.drop(columns="name")


def _read_table(table: Sheet, folder: Path) -> pd.DataFrame:
    if not len(table.rows):
        raise TableError(f"{table.source} has a header and no row: expected one row a box")
    boxes = pd.DataFrame(
        {
            "path": table.paths(folder),
            "name": table.rows["path"],
            "page": _read_pages(table),
            **{edge: table.numbers(edge) for edge in _EDGES},
        }
    )
    # A box may stick out of its picture, but not be empty or turned inside out.
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        for position, (start, end) in enumerate(zip(boxes[low], boxes[high], strict=True)):
            if max(abs(start), abs(end)) > _FARTHEST:
                raise table.fail(
                    position,
                    f"{low} {start:g}, {high} {end:g}: no place in a picture, expected pixels",
                )
            if start >= end:
                raise table.fail(position, f"{low} {start:g} is not below {high} {end:g}")
    return boxes.assign(label=table.rows["label"]) if "label" in table.rows else boxes


def _read_pages(table: Sheet) -> list[int]:
    if "page" not in table.rows:
        return [0] * len(table.rows)
    pages = table.numbers("page")
    for position, page in enumerate(pages):
        if not 0 <= page <= _FARTHEST or page != int(page):
            raise table.fail(position, f"page is {page:g}, expected a whole number from 0")
    return [int(page) for page in pages]


def _measure_defects(klarf: Klarf, path: Path, *, um_per_pixel: float | None) -> pd.DataFrame:
    """Return the boxes round the origin, in pixels."""
    # The first picture is of the defect itself, later ones may be of a reference.
    firsts = [image for image in list_images(klarf, path.parent) if image.rank == 0]
    if not firsts:
        raise TableError(
            f"{path}: no defect refers to a picture (IMAGELIST with TiffFileName, or IMAGEINFO)"
        )
    sizes = [_read_size(image) for image in firsts]  # (n,) of micrometres
    if um_per_pixel is None and any(width or height for width, height in sizes):
        raise OptionError(
            f"{path} gives defect sizes in micrometres: say the pixel size of its pictures "
            "with --um-per-pixel"
        )
    scale = um_per_pixel or 1.0  # 1: all sizes are 0
    return pd.DataFrame(
        {
            "path": [str(image.path) for image in firsts],
            "name": [image.name for image in firsts],
            "page": [image.page for image in firsts],
            "xmin": [-width / scale / 2 for width, _ in sizes],
            "ymin": [-height / scale / 2 for _, height in sizes],
            "xmax": [width / scale / 2 for width, _ in sizes],
            "ymax": [height / scale / 2 for _, height in sizes],
        }
    )


def _centre(boxes: pd.DataFrame, read_sizes: ReadSizes) -> pd.DataFrame:
    """Move the boxes to the middle of their pictures, and end them at the edges."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    for path in boxes["path"].unique():
        try:
            sizes[path] = read_sizes(Path(path))
        except ImageError:
            sizes[path] = []
    placed: list[tuple[float, ...]] = []
    for path, page, *edges in boxes[["path", "page", *_EDGES]].itertuples(index=False, name=None):
        # Left for whoever reads the picture: it says better what is wrong.
        if page >= len(sizes[path]):
            placed.append(tuple(edges))
            continue
        limits = sizes[path][page] * 2  # (width, height, width, height)
        pairs = zip(edges, limits, strict=True)
        placed.append(tuple(min(max(edge + size / 2, 0.0), float(size)) for edge, size in pairs))
    return boxes.assign(**dict(zip(_EDGES, zip(*placed, strict=True), strict=True)))


def _read_size(image: DefectImage) -> tuple[float, float]:
    """Return width and height in micrometres; 0 where unknown."""
    defects = image.wafer.defects

    def read(name: str) -> float:
        value = float(defects[name].iloc[image.position]) if name in defects else 0.0
        return min(value, _FARTHEST) if math.isfinite(value) and value > 0 else 0.0

    size = read("DSIZE")
    return read("XSIZE") or size, read("YSIZE") or size
