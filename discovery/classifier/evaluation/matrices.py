"""Confusion matrices as tables: counts, shaded by the share of the true class they make up."""

from collections.abc import Mapping
from typing import Any

from discovery.classifier.evaluation.tables import render_path
from discovery.classifier.evaluation.words import list_confusions
from discovery.pages.html import Markup, join, node
from discovery.pages.table import frame_wide
from discovery.pages.words import shorten_labels, write_count, write_share

STEPS = 10  # .right1 to .right10 and .wrong1 to .wrong10 in evaluation.css
MOST_CLASSES = 60  # beyond, a matrix is megabytes that nobody reads: the list of confusions stays
_OPEN = 8  # a matrix of so few classes is shown without a click


def render_matrices(scores: Mapping[str, Any]) -> Markup:
    """Render the final matrix, then one a level; big ones of levels stay folded."""
    levels = scores["levels"]
    final = scores["final"]["confusion"]
    parts = [
        node("div", render_matrix(final, _say_size(scores["final"])), class_="final"),
        _render_frequent(final),
    ]
    for name, level in levels.items():
        confusion = level["confusion"]
        if confusion == final:
            text = f"{name}: the same as above, every truth is that deep."
            parts.append(node("p", text, class_="quiet"))
            continue
        few = len(confusion["labels"]) <= _OPEN
        inside = render_matrix(confusion, _say_size(level))
        summary = node("summary", f"Level {name}")
        parts.append(node("details", summary, inside, open=few))
    return node("div", join(parts), class_="matrices")


def render_matrix(confusion: Mapping[str, Any], caption: str) -> Markup:
    """Render one confusion matrix: rows are true classes, columns answers."""
    labels, matrix = confusion["labels"], confusion["matrix"]
    if len(labels) > MOST_CLASSES:
        text = f"{caption}: {len(labels)} classes are too many for a matrix; see metrics.json."
        return node("p", text, class_="quiet")
    short = shorten_labels(labels)
    columns = join(
        node("th", node("span", node("bdi", said)), scope="col", title=label)
        for said, label in zip(short, labels, strict=True)
    )
    corner = node("td", node("span", "true \u2193  answered \u2192"), class_="corner")
    head = node("tr", corner, columns, node("th", node("span", "images"), scope="col"))
    rows = join(_render_row(i, label, matrix[i]) for i, label in enumerate(labels))
    table = node(
        "table",
        node("caption", node("span", caption)),
        node("thead", head),
        node("tbody", rows),
        class_="matrix",
    )
    return frame_wide(table, f"Confusion matrix: {caption}")


def _say_size(level: Mapping[str, Any]) -> str:
    right = write_share(level["accuracy"])
    return f"{write_count(level['n'], 'image')}, {right} on the diagonal; shaded by row"


def _render_row(i: int, label: str, counts: list[int]) -> Markup:
    total = sum(counts)
    cells = join(
        node("td", write_count(count), class_=_shade(count, total, right=i == j))
        for j, count in enumerate(counts)
    )
    head = node("th", render_path(label), scope="row")
    return node("tr", head, cells, node("td", write_count(total), class_="total"))


def _shade(count: int, total: int, *, right: bool) -> str:
    """Name the class of a cell: any count at all has a visible shade."""
    if not count:
        return "zero"
    step = max(1, round(STEPS * count / total))
    return f"{'right' if right else 'wrong'}{step}"


def _render_frequent(confusion: Mapping[str, Any]) -> Markup:
    found = list_confusions(confusion)
    if not found:
        return node("p", "No image was answered wrongly.")
    items = join(
        node(
            "li",
            node("b", write_count(count)),
            node("span", render_path(truth), " answered as ", render_path(answer)),
        )
        for truth, answer, count in found
    )
    return node("div", node("h3", "Most frequent confusions"), node("ol", items), class_="frequent")
