"""The marks of the clusters and other small drawings as SVG, and pictures as buttons.

Sizes are attributes, never inline styles, which the page's Content-Security-Policy forbids.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from discovery.pages.html import Markup, join, node
from discovery.pages.words import write_count
from discovery.records import Clustering
from discovery.stages.report.data import ReportData

COLOURS = 24  # .c0 to .c23 in report.css
_SURE = 8  # of them, the first, can be told apart whatever a person's colour vision
# Outlines of the marks, about the origin, radius 5; the scripts draw the very same.
SHAPES = (
    "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z",
    "M-4.4-4.4H4.4V4.4H-4.4Z",
    "M0-5.6L5.4 4.2H-5.4Z",
    "M0-6L6 0L0 6L-6 0Z",
)


def fit_map(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move an (n, 2) map into the unit square, shape kept, y turned downwards as on a screen."""
    if not len(xy):
        return xy.astype(np.float32)
    low, high = xy.min(axis=0), xy.max(axis=0)
    # One span for both axes: distances on the map are likenesses and must not be stretched.
    span = float((high - low).max()) or 1.0
    centred = (xy - (low + high) / 2) / span
    return np.ascontiguousarray(centred * (1, -1) + 0.5, dtype=np.float32)


def locate_clusters(clustering: Clustering, xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Find the median position of each cluster, (k, 2): where its name stands on the map."""
    order = np.argsort(clustering.labels, kind="stable")
    starts = np.searchsorted(clustering.labels[order], np.arange(clustering.k))
    groups = np.split(order, starts)[1:]  # the first part is the noise
    centres = [np.median(xy[group], axis=0) for group in groups]
    return np.array(centres, np.float32).reshape(-1, 2)


def measure_spreads(
    clustering: Clustering, xy: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Measure how far each cluster spreads about its centre on the map, (k,): half lie within."""
    spreads = [
        np.median(np.linalg.norm(xy[clustering.members(cluster)] - centre, axis=1))
        for cluster, centre in enumerate(centres)
    ]
    return np.array(spreads, np.float32)


def assign_marks(centres: NDArray[np.float32]) -> NDArray[np.int32]:
    """Give each of k clusters a colour and a shape, as (k, 2): neighbours never look alike.

    Two dozen colours cannot tell three hundred clusters apart, so a colour is used again as far
    away on the map as it can be, and with the next shape. Of three colours that some people see
    alike, each has a shape of its own.
    """
    marks = np.zeros((len(centres), 2), np.int32)
    nearest = np.full((COLOURS, len(centres)), np.inf)  # distance to the next use of a colour
    uses = np.zeros(COLOURS, np.int32)
    for cluster, centre in enumerate(centres):
        colour = int(np.argmax(nearest[:, cluster]))
        marks[cluster] = colour, (colour // _SURE + uses[colour]) % len(SHAPES)
        uses[colour] += 1
        distances = np.linalg.norm(centres - centre, axis=1)
        np.minimum(nearest[colour], distances, out=nearest[colour])
    return marks


def render_mark(colour: int, shape: int) -> Markup:
    """Draw a cluster's mark as it stands on the map."""
    outline = node("path", d=SHAPES[shape])
    return node("svg", outline, class_=f"mark c{colour}", viewBox="-6 -6 12 12", aria_hidden="true")


def render_noise_mark() -> Markup:
    """Draw the hollow mark of an image in no cluster."""
    outline = node("path", d=SHAPES[0])
    return node("svg", outline, class_="mark noise", viewBox="-6 -6 12 12", aria_hidden="true")


def render_columns(counts: Iterable[int]) -> Markup:
    """Draw a histogram; the highest column fills the height, and a single image is visible."""
    heights = list(counts)
    top = max([*heights, 1])
    step = 100 / max(len(heights), 1)
    columns = join(
        node(
            "rect",
            x=f"{column * step + 0.6:.2f}",
            width=f"{step - 1.2:.2f}",
            y=f"{20 - max(20 * height / top, 1.5):.2f}",
            height=f"{max(20 * height / top, 1.5):.2f}",
        )
        for column, height in enumerate(heights)
        if height
    )
    return node(
        "svg",
        columns,
        class_="columns",
        viewBox="0 0 100 20",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def render_members(cluster: int, count: int, name: str, *, where: str = "") -> Markup | None:
    """Render the fold of all images of a cluster; the scripts fill it when it is opened.

    Parameters
    ----------
    where : str
        What follows the count of images, where nothing around the fold says which they are.
    """
    if not count:
        return None
    return node(
        "details",
        node("summary", f"All {write_count(count, 'image')}{where}"),
        node("div", class_="row members", role="group", aria_label=f"{name}, all images"),
        class_="all",
        data_cluster=cluster,
    )


def render_shot(
    data: ReportData, i: int, what: str, *, caption: str | None = None, class_: str = ""
) -> Markup:
    """Render image `i`; `what` says what it is an example of, the caption stands in its corner."""
    path = data.paths[i][0]
    return node(
        "button",
        node("img", alt=f"{what}: {path}", data_i=i, decoding="async"),
        node("span", caption, class_="caption") if caption else None,
        type="button",
        class_=f"shot {class_}".strip(),
        data_i=i,
        title=path,
    )
