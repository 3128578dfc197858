"""Small drawings as SVG: the mark of a cluster, a histogram.

Sizes are attributes, never inline styles, which the page's Content-Security-Policy forbids.
"""

from collections.abc import Iterable

from discovery.pages.html import Markup, join, node
from discovery.stages.report.figures import SHAPES


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
