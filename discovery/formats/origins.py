"""Where the images of a run came from, as its store notes it: the defect's box, and the KLARF."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from discovery.runs import Run
from discovery.runs.stores import find_store
from embeddings.bounded import parse_json
from embeddings.console import get_logger
from embeddings.errors import StoreError
from embeddings.records import DEFECT_BOX, KLARF_FILE, NOTES
from embeddings.store import open_store

Box = tuple[float, float, float, float]  # xmin, ymin, xmax, ymax in pixels of the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where images came from, by image id; an image of which nothing is noted is in neither.

    Attributes
    ----------
    boxes : mapping of str to Box
        The defect's own box, which a crop has a margin round.
    klarfs : mapping of str to Path
        The KLARF that lists the image.
    um_per_pixel : mapping of str to float
        The pixel size of images that have a box, NaN where it is not known.
    known : mapping of str to mapping of str to str
        The metadata of images that have some, names in small letters.
    """

    boxes: Mapping[str, Box] = field(default_factory=dict)
    klarfs: Mapping[str, Path] = field(default_factory=dict)
    um_per_pixel: Mapping[str, float] = field(default_factory=dict)
    known: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


NO_ORIGINS = Origins()


def read_origins(run: Run) -> Origins:
    """Read the notes of the run's store on the run's images; none where the store is gone."""
    if "path" not in run.store:
        return Origins()
    try:
        rows = open_store(find_store(run)).rows()
    except StoreError as error:
        get_logger().warning("boxes and KLARFs of the images are not known: %s", error)
        return Origins()
    mine = rows[rows["image_id"].isin(list(set(run.load_images()["image_id"])))]
    boxes: dict[str, Box] = {}
    klarfs: dict[str, Path] = {}
    scales: dict[str, float] = {}
    known: dict[str, dict[str, str]] = {}
    columns = (mine[name].tolist() for name in ("image_id", "metadata", "um_per_pixel"))
    for image_id, text, um_per_pixel in zip(*columns, strict=True):
        notes = parse_json(text) if text else {}
        if DEFECT_BOX in notes:
            xmin, ymin, xmax, ymax = notes[DEFECT_BOX]
            boxes[image_id] = (xmin, ymin, xmax, ymax)
            scales[image_id] = um_per_pixel
        if KLARF_FILE in notes:
            klarfs[image_id] = Path(notes[KLARF_FILE])
        known[image_id] = {
            name.lower(): value
            for name, value in notes.items()
            if isinstance(value, str) and name not in NOTES
        }
    return Origins(boxes=boxes, klarfs=klarfs, um_per_pixel=scales, known=known)
