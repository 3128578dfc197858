"""The KLARF that images came from is written again, with the classes of its defects filled in.

`label_defects` says which defect has which label, `klarf_classes` which class number a label has,
and `fill_klarf` puts the numbers in without changing another byte.

A defect may have several pictures. What a person said of one goes before what was carried over
from a proposal, and among several the majority counts; with nothing said by a person it is the
first picture that has a label, since later ones may be of a reference.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from discovery.formats.origins import Origins
from discovery.records import Handoff
from embeddings.alike_faults import fold_faults
from embeddings.errors import OptionError
from embeddings.extract.recipe import BOX_MARGIN, BOX_MIN_SIDE
from embeddings.images import Region, crop_box, read_sizes, split_id
from embeddings.reading import find_reading
from embeddings.tables import Klarf, fill_column, parse_klarf, read_boxes
from embeddings.tables.boxes import ReadSizes
from embeddings.tables.join import PathJoin, join_paths
from embeddings.tables.klarf import decode_klarf, list_images

_APART = 3  # faults that are alike and still named one by one
_MOST_FAULTS = 5  # named in the one line
_MOST_NAMED = 3  # files in a note
# Not classes: the file would no longer say what it measured.
_NO_CLASSES = frozenset(
    {"DEFECTID", "X", "Y", "XREL", "YREL", "XINDEX", "YINDEX", "XSIZE", "YSIZE", "DSIZE",
     "DEFECTAREA", "IMAGECOUNT", "IMAGELIST", "TEST"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledKlarf:
    """A KLARF and what was decided of its defects.

    Attributes
    ----------
    path : Path
    data : bytes
        The file as it is.
    klarf : Klarf
        With the places of the cells that classes are put into.
    labels : tuple of mappings of int to str
        For each wafer, the label of each defect that has one, by its row.
    images : frozenset of str
        The ids of the images of the run that are pictures of its defects.
    lost : str
        What names of pictures fit no image of the run, for a person; empty where none is.
    """

    path: Path
    data: bytes
    klarf: Klarf
    labels: tuple[Mapping[int, str], ...]
    images: frozenset[str]
    lost: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The labels, each once, sorted."""
        return tuple(sorted({label for wafer in self.labels for label in wafer.values()}))


@dataclass(frozen=True, slots=True)
class _Image:
    """An image of the run that a defect may refer to."""

    image_id: str
    path: str
    label: str
    source: str
    region: Region | None


def label_defects(
    path: Path, data: bytes, handoff: Handoff, *, origins: Origins, column: str
) -> LabelledKlarf:
    """Say which defects of a KLARF have a label in a handoff.

    Parameters
    ----------
    path : Path
        Where the KLARF is: its pictures are looked for beside it.
    data : bytes
        What it holds.
    origins : Origins
        Images whose store notes another KLARF are not of this one.
    column : str
        That classes will be put into.

    Raises
    ------
    TableError
        The KLARF cannot be read.
        Or a picture may be one of several files.
    OptionError
        The column is none for classes, or people gave the pictures of one defect different
        labels, none of them more often.
    """
    if column.upper() in _NO_CLASSES:
        raise OptionError(
            f"--klarf-column {column} is no class: expected CLASSNUMBER, ROUGHBINNUMBER, "
            "FINEBINNUMBER, MANSEMCLASS, AUTOOFFSEMCLASS or another column of classes"
        )
    text, _ = decode_klarf(data, source=str(path))
    klarf = parse_klarf(text, source=str(path), column=column.upper())
    known = _index_images(path, handoff, origins)
    joined = _join_pictures(path, klarf, known)
    sizes = partial(read_sizes, reading=find_reading(handoff.store))
    regions = _place_crops(path, klarf, known, joined, origins=origins, read_sizes=sizes)
    places = {id(wafer): number for number, wafer in enumerate(klarf.wafers)}
    found: defaultdict[tuple[int, int], list[_Image]] = defaultdict(list)
    for picture in list_images(klarf, path.parent):
        key = (places[id(picture.wafer)], picture.position)
        for place in joined.images.get(picture.name, ()):
            found[key] += _choose(known.get((place, picture.page), ()), regions.get(key))
    labels: tuple[dict[int, str], ...] = tuple({} for _ in klarf.wafers)
    faults = []
    for (wafer, position), images in found.items():
        label, fault = _agree(images)
        if fault:
            name = f"defect {position + 1} of wafer {klarf.wafers[wafer].wafer!r}"
            faults.append((name, fault))
        elif label:
            labels[wafer][position] = label
    if faults:
        raise OptionError(
            f"{path}: pictures of one defect have different labels, give them one: "
            f"{'; '.join(fold_faults(faults, most=_MOST_FAULTS, apart=_APART))}"
        )
    ids = frozenset(image.image_id for images in found.values() for image in images)
    return LabelledKlarf(
        path=path, data=data, klarf=klarf, labels=labels, images=ids, lost=joined.describe_lost()
    )


def fill_klarf(one: LabelledKlarf, column: str, numbers: Mapping[str, int]) -> bytes:
    """Return the file with the number of each defect's label in a column.

    Raises
    ------
    TableError
        A defect that has a label has no such column.
    """
    wafers = [{row: numbers[label] for row, label in wafer.items()} for wafer in one.labels]
    return fill_column(one.data, column, wafers, source=str(one.path), klarf=one.klarf)


def name_files(handoff: Handoff, ids: Collection[str]) -> str:
    """Name the files of the first few images, and count the rest."""
    rows = handoff.rows[handoff.rows["image_id"].isin(list(ids))]
    names = [Path(path).name for path in dict.fromkeys(rows["path"])]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _index_images(
    path: Path, handoff: Handoff, origins: Origins
) -> dict[tuple[str, int], list[_Image]]:
    """Return the images that may be of this KLARF, by path and page."""
    known: defaultdict[tuple[str, int], list[_Image]] = defaultdict(list)
    row: Any  # a named tuple of the columns
    for row in handoff.rows.itertuples(index=False):
        if origins.klarfs.get(row.image_id, path).absolute() != path.absolute():
            continue
        page, region = split_id(row.image_id)
        image = _Image(row.image_id, row.path, row.label, row.label_source, region)
        known[row.path, page or 0].append(image)
    return known


def _join_pictures(
    path: Path, klarf: Klarf, known: Mapping[tuple[str, int], Sequence[_Image]]
) -> PathJoin:
    """Say which files of the run the names of a KLARF's pictures are of."""
    names = [i.file for wafer in klarf.wafers for images in wafer.images for i in images if i.file]
    files = {place: images[0].image_id[:16] for (place, _), images in known.items()}
    return join_paths(
        names,
        list(files),
        path,
        # By their ids: the files may be gone by now.
        are_copies=lambda places: len({files[place] for place in places}) == 1,
        advice="put the KLARF beside its own pictures and name it with --klarf FILE",
    )


def _place_crops(
    path: Path,
    klarf: Klarf,
    known: Mapping[tuple[str, int], Sequence[_Image]],
    joined: PathJoin,
    *,
    origins: Origins,
    read_sizes: ReadSizes,
) -> dict[tuple[int, int], Region]:
    """Return the crop of each defect (wafer, row), where a picture has crops of several."""
    crowded = [
        image
        for images in known.values()
        if len({image.region for image in images if image.region}) > 1
        for image in images
    ]
    if not crowded:
        return {}
    # Boxes of one KLARF were made with one pixel size.
    scales = [origins.um_per_pixel.get(image.image_id, math.nan) for image in crowded]
    um_per_pixel = next((size for size in scales if not math.isnan(size)), None)
    boxes = read_boxes(
        path,
        um_per_pixel=um_per_pixel,
        read_sizes=read_sizes,
        # One of exact copies: each defect has one box.
        locate=lambda _: {name: places[:1] for name, places in joined.images.items()},
    )
    edges = boxes[["xmin", "ymin", "xmax", "ymax"]].itertuples(index=False, name=None)
    crops = [crop_box(box, margin=BOX_MARGIN, min_side=BOX_MIN_SIDE) for box in edges]
    # A box a defect with a picture, in the file's order.
    keys = [
        (number, position)
        for number, wafer in enumerate(klarf.wafers)
        for position, images in enumerate(wafer.images)
        if images
    ]
    return dict(zip(keys, crops, strict=True))


def _choose(candidates: Sequence[_Image], region: Region | None) -> list[_Image]:
    """Take of the images of a page those of this very crop, where there are crops."""
    return [image for image in candidates if region in (None, image.region) or not image.region]


def _agree(images: Sequence[_Image]) -> tuple[str, str]:
    """Return the label of a defect by its pictures, or what is wrong with them."""
    labelled = list({image.image_id: image for image in images if image.label}.values())
    by_people = Counter(image.label for image in labelled if image.source == "human")
    if not by_people:
        return (labelled[0].label if labelled else ""), ""
    (first, most), *others = by_people.most_common()
    if others and others[0][1] == most:
        names = [
            f"{image.label!r} ({Path(image.path).name})"
            for image in labelled
            if image.source == "human"
        ]
        return "", " and ".join(names)
    return first, ""
