"""Tables: one renderer for all pages, and the bar that stands beside a figure."""

from collections.abc import Iterable, Sequence

from discovery.pages.html import Markup, join, node

Cell = str | Markup


def render_table(
    rows: Iterable[Sequence[Cell]],
    *,
    columns: Sequence[str] = (),
    caption: Cell | None = None,
    foot: Sequence[Cell] = (),
    classes: Sequence[str] = (),
    named: bool = True,
) -> Markup:
    """Render a table; columns and rows are named for screen readers.

    Parameters
    ----------
    rows : iterable of sequence of str or Markup
        A cell each.
    columns : sequence of str
        Their names; without them the table has no head.
    foot : sequence of str or Markup
        A last row that sums the others up.
    classes : sequence of str
        CSS class of each column's cells, empty for none.
    named : bool
        The first cell of a row names it.
    """
    heads = (
        node("th", name, scope="col", class_=_take(classes, i)) for i, name in enumerate(columns)
    )
    return node(
        "table",
        node("caption", caption) if caption else None,
        node("thead", node("tr", join(heads))) if columns else None,
        node("tbody", join(_render_row(row, classes, named=named) for row in rows)),
        node("tfoot", _render_row(foot, classes, named=named)) if foot else None,
    )


def _render_row(cells: Sequence[Cell], classes: Sequence[str], *, named: bool) -> Markup:
    return node(
        "tr",
        *(
            node("th", cell, scope="row")
            # A row's name is a heading: screen readers read it before each of its cells.
            if named and not i
            else node("td", cell, class_=_take(classes, i))
            for i, cell in enumerate(cells)
        ),
    )


def _take(classes: Sequence[str], i: int) -> str | None:
    return (classes[i] or None) if i < len(classes) else None


def frame_wide(content: Markup, name: str) -> Markup:
    """Let wide content scroll sideways, by keyboard too."""
    return node("div", content, class_="wide", tabindex=0, role="region", aria_label=name)


def render_bar(filled: float, colour: str = "") -> Markup:
    """Draw a bar filled from the left, `filled` in [0, 1]; the figure stands beside it.

    Its size is an attribute and its colour a class: the pages' policy forbids inline styles.
    """
    fill = node("rect", width=f"{100 * filled:.2f}%", height="100%", class_=colour or "fill")
    return node("svg", fill, class_="bar", aria_hidden="true")
