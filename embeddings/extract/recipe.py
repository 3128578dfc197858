"""How a file becomes rows: whole pages, tiles of a side, or crops around boxes of a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from embeddings.console import get_logger
from embeddings.errors import InputError
from embeddings.extract.metadata import are_copies, name_klarf
from embeddings.extract.options import ExtractOptions
from embeddings.images import (
    PageHeader,
    Picture,
    Region,
    crop_box,
    image_id,
    read_sizes,
    tile_picture,
)
from embeddings.reader import Part
from embeddings.reading import READING
from embeddings.tables import read_boxes
from embeddings.tables.join import join_paths

TILE_OVERLAP = 0.25  # of a side: a defect of a quarter tile is whole in at least one
BOX_MARGIN = 0.5  # of a box's longer side, on each side: the surroundings tell types apart
BOX_MIN_SIDE = 32  # pixels: below, a crop is a blur

Box = tuple[float, float, float, float, int]  # xmin, ymin, xmax, ymax, page from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a file becomes rows: whole pages, tiles of a side, or crops around boxes.

    `boxes` holds (xmin, ymin, xmax, ymax, page) by path; `listed` notes the KLARF they are of.
    """

    tile: int = 0
    boxes: Mapping[str, Sequence[Box]] | None = None
    listed: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the store calls it: rows of one recipe are never taken for another's."""
        if self.boxes is not None:
            return f"box:{BOX_MARGIN:g}:{BOX_MIN_SIDE}"
        return f"tile:{self.tile}:{TILE_OVERLAP:g}" if self.tile else ""

    def crop_ids(self, path: str, file_id: str) -> list[str]:
        """Ids of a file's crops, known before it is read; pages count from 0."""
        # Without reading the file: a second run must find that all its crops are there.
        boxes = (self.boxes or {}).get(path, ())
        return [_crop_id(file_id, box) for box in boxes]

    def list_parts(
        self, page: Picture | PageHeader, path: str, file_id: str
    ) -> list[tuple[Part, Box | None]]:
        """Return the parts of a page, each with its defect's box."""
        whole = image_id(file_id, page=page.page, n_pages=page.n_pages)
        named: list[tuple[str, Region | None, Box | None]] = [(whole, None, None)]
        if self.boxes is not None:
            named = [
                (_crop_id(file_id, box), _crop(box), box)
                for box in self.boxes.get(path, ())
                if box[4] == page.page
            ]
        elif self.tile:
            tiles = tile_picture(page.width, page.height, tile=self.tile, overlap=TILE_OVERLAP)
            named = [(image_id(whole, region=tile), tile, None) for tile in tiles]
        return [
            (Part(path=path, image_id=name, page=page.page, region=region), box)
            for name, region, box in named
        ]


def make_recipe(
    options: ExtractOptions, paths: Sequence[str] | None = None, *, reading: int = READING
) -> Recipe:
    """Return how files become rows, with the boxes read.

    Parameters
    ----------
    paths : sequence of str, optional
        The images of the source, which boxes are joined to by the endings of their paths.
    reading : int
        The rules by which pictures are read: boxes of a KLARF are laid round their middles.

    Raises
    ------
    TableError, OptionError
        The boxes cannot be used.
    """
    if options.boxes is None:
        return Recipe(tile=options.tile or 0)
    locate = None if paths is None else partial(_join_boxes, options.boxes, paths)
    table = read_boxes(
        options.boxes,
        um_per_pixel=options.um_per_pixel,
        read_sizes=partial(read_sizes, reading=reading),
        locate=locate,
    )
    boxes: dict[str, list[Box]] = {}  # several defects of one picture are several rows
    columns = ["path", "xmin", "ymin", "xmax", "ymax", "page"]
    for path, *box, page in table[columns].itertuples(index=False, name=None):
        xmin, ymin, xmax, ymax = box
        boxes.setdefault(path, []).append((xmin, ymin, xmax, ymax, int(page)))
    return Recipe(boxes=boxes, listed=name_klarf(options.boxes))


def _join_boxes(
    table: Path, paths: Sequence[str], names: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    found = join_paths(names, paths, table, are_copies=are_copies)
    if found.lost and found.images:
        get_logger().info("boxes: of the paths in %s %s", table, found.describe_lost())
    return found.images


def check_boxes(recipe: Recipe, paths: Iterable[str], table: Path | None) -> None:
    """Check that boxes are of images of the source.

    Raises
    ------
    InputError
        None of them is.
    """
    if recipe.boxes is not None and not set(recipe.boxes).intersection(paths):
        raise InputError(
            f"--boxes {table}: none of its {len(recipe.boxes)} paths is an image of "
            "the source; expected paths relative to the file itself, absolute ones, or names"
        )


def _crop_id(file_id: str, box: Box) -> str:
    """Id of a crop: the page is named from the second on, since the file is not read yet."""
    return image_id(file_id, page=box[4], n_pages=2 if box[4] else 1, region=_crop(box))


def _crop(box: Box) -> Region:
    return crop_box(box[:4], margin=BOX_MARGIN, min_side=BOX_MIN_SIDE)
