"""The methods of single images: their pictures, what is known of them, their look-alikes."""

from typing import Any

import numpy as np

from discovery.review.regroup import look_alikes
from discovery.review.server.answers import Answer
from discovery.review.server.arguments import choice, number, position, whole
from discovery.review.server.context import ApiContext
from discovery.review.server.drawing import Drawn
from discovery.review.server.method import Method
from discovery.review.server.pictures import THUMBNAIL_SIDES
from discovery.review.state import SOURCE_CLUSTER, SOURCE_HUMAN
from embeddings.errors import ImageError, OptionError
from embeddings.images import Region
from embeddings.records import DEFECT_BOX

_SOURCES = {SOURCE_CLUSTER: "cluster", SOURCE_HUMAN: "human"}
_MOST_LOOK_ALIKES = 600
_MOST_PAGES = 100_000
_MOST_PIXELS = 10_000_000  # of a side
_STEP = 32  # pixels: thumbnails of a few sizes, so that those that are kept serve every page


def send_image(context: ApiContext, **wanted: Any) -> Answer:
    """Send a picture as bytes, for a transport that has no addresses."""
    drawn = draw_image(context, **wanted)
    return Answer(
        json={"media_type": drawn.media_type, "shrunk": drawn.shrunk},
        columns={"image": np.frombuffer(drawn.data, np.uint8)},
    )


def draw_image(
    context: ApiContext,
    *,
    index: int,
    kind: str,
    size: int,
    page: int | None,
    **levels_and_region: float | None,
) -> Drawn:
    """Draw a picture of an image.

    Parameters
    ----------
    index : int
    kind : {"thumb", "full", "heat", "reference"}
    size : int
        Of a thumbnail's longest side.
    page : int or None
        Another page of the image's file; full resolution only.
    **levels_and_region : float or None
        `low` and `high`, the grey levels shown as black and white; `x0`, `y0`, `width`, `height`,
        the part of the image that is wanted, full resolution only.
    """
    pictures = context.pictures
    window = _find_window(levels_and_region["low"], levels_and_region["high"])
    if kind == "thumb":
        return pictures.draw_thumbnail(index, -(-size // _STEP) * _STEP)
    if kind == "heat":
        return pictures.draw_heat(index)
    if kind == "reference":
        return pictures.draw_reference(index, window=window)
    region = _find_region([levels_and_region[name] for name in _REGION])
    return pictures.draw_full(index, window=window, region=region, page=page)


def tell_image(context: ApiContext, *, image: int) -> Answer:
    """Tell all that is known of an image."""
    state, files = context.state, context.files
    row, metadata = files.describe(image), files.read_metadata(image)
    box = metadata.pop(DEFECT_BOX, None)
    told: dict[str, Any] = {
        "id": str(row["image_id"]),
        "path": files.name_path(image),
        "page": int(row["page"]),
        "pages": 1,
        "width": int(row["width"]),
        "height": int(row["height"]),
        "bits": int(row["bit_depth"]),
        "low": None,
        "high": None,
        "um_per_pixel": float(row["um_per_pixel"]),
        "metadata": metadata,
        "box": None if box is None else _place_box(box, row),
        "label": _name(state.labels, int(state.label_codes[image])),
        "source": _SOURCES.get(int(state.sources[image]), ""),
        "proposal": _name(
            [one.proposal_id for one in state.proposals], int(state.proposal_codes[image])
        ),
        "history": list(context.review.history(image)),
        "copies": _list_copies(context, image),
        "fault": None,
    }
    try:
        told |= context.pictures.describe(image)
    except ImageError as error:
        # What is known is told all the same: the file may be on a drive that is away.
        told["fault"] = str(error)
    return Answer(json=told)


def find_look_alikes(context: ApiContext, *, image: int, k: int) -> Answer:
    """Find the images most like one, nearest first."""
    found, distances = look_alikes(context.rows, image, k)
    return Answer(json={"images": found.tolist(), "distances": distances.tolist()})


def _find_window(low: float | None, high: float | None) -> tuple[float, float] | None:
    if low is None and high is None:
        return None
    if low is None or high is None:
        raise OptionError("a window has both a low and a high level")
    return low, high


def _find_region(sides: list[Any]) -> Region | None:
    if all(side is None for side in sides):
        return None
    if any(side is None for side in sides):
        raise OptionError(f"a part of an image has all of {', '.join(_REGION)}")
    x0, y0, width, height = map(int, sides)
    return Region(x0=x0, y0=y0, width=width, height=height)


def _name(names: Any, code: int) -> str | None:
    return None if code < 0 else str(names[code])


def _place_box(box: list[float], row: dict[str, Any]) -> dict[str, float]:
    """Turn a defect's box, noted in pixels of the file's page, into pixels of the image."""
    xmin, ymin, xmax, ymax = box
    return {
        "x": xmin - int(row["x0"]),
        "y": ymin - int(row["y0"]),
        "width": xmax - xmin,
        "height": ymax - ymin,
    }


def _list_copies(context: ApiContext, image: int) -> list[int]:
    copies = context.data.copies
    if copies[image] < 0:
        return []
    return [one for one in np.flatnonzero(copies == copies[image]).tolist() if one != image]


_REGION = ("x0", "y0", "width", "height")
METHODS = {
    "image": Method(
        run=send_image,
        arguments={
            "index": position(),
            "kind": choice("thumb", "full", "heat", "reference"),
            "size": whole(*THUMBNAIL_SIDES, default=128),
            "low": number(default=None),
            "high": number(default=None),
            "page": whole(0, _MOST_PAGES, default=None),
            "x0": whole(0, _MOST_PIXELS, default=None),
            "y0": whole(0, _MOST_PIXELS, default=None),
            "width": whole(1, _MOST_PIXELS, default=None),
            "height": whole(1, _MOST_PIXELS, default=None),
        },
        pool="pictures",
    ),
    "image_info": Method(run=tell_image, arguments={"image": position()}, pool="pictures"),
    "look_alikes": Method(
        run=find_look_alikes,
        arguments={"image": position(), "k": whole(1, _MOST_LOOK_ALIKES, default=60)},
        pool="slow",
    ),
}
