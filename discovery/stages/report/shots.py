"""One picture of the report as a button that opens it large.

It carries the image's position only (`data-i`); the scripts fill the picture in when it comes
into view.
"""

from discovery.pages.html import Markup, node
from discovery.stages.report.data import ReportData


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
