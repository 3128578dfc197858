"""How the run was made: extractor, clusterer, parameters, versions, seconds, quarantine."""

from collections.abc import Mapping
from typing import Any

from discovery.pages.html import Markup, join, node
from discovery.pages.table import render_bar
from discovery.pages.words import write_count, write_seconds, write_value
from discovery.stages.report.data import ReportData, ReportFacts


def render_making(data: ReportData) -> Markup:
    """Render the tables at the foot of the page; a part of which nothing is known is left out."""
    facts = data.facts
    return node(
        "section",
        node("h2", "How it was made"),
        node(
            "div",
            _render_table("Settings", _list_settings(data)),
            _render_seconds(facts.seconds),
            _render_table("Set aside: known types", facts.matched),
            _render_table("Versions", facts.versions),
            class_="tables",
        ),
        _render_views(facts),
        _render_quarantine(facts),
        id="made",
        class_="panel made",
    )


def _list_settings(data: ReportData) -> dict[str, Any]:
    facts, clustering = data.facts, data.clustering
    settings: dict[str, Any] = {
        "source": facts.source,
        "extractor": facts.extractor,
        "precision": facts.precision,
        "clusterer": clustering.made_by,
        **clustering.spec,
        **facts.parameters,
        "seed": facts.seed,
    }
    if facts.ignored:
        settings["ignored"] = f"{write_count(facts.ignored, 'file')} without an image's extension"
    return {name: value for name, value in settings.items() if value not in ("", None)}


def _render_table(title: str, rows: Mapping[str, Any]) -> Markup | None:
    if not rows:
        return None
    lines = join(
        node("tr", node("th", str(name), scope="row"), node("td", node("bdi", write_value(value))))
        for name, value in rows.items()
    )
    return node("table", node("caption", title), node("tbody", lines))


def _render_seconds(seconds: Mapping[str, float]) -> Markup | None:
    if not seconds:
        return None
    longest = max(*seconds.values(), 1e-9)
    lines = join(
        node(
            "tr",
            node("th", stage, scope="row"),
            node("td", write_seconds(spent), class_="number"),
            node("td", render_bar(spent / longest)),
        )
        for stage, spent in seconds.items()
    )
    total = node("td", write_seconds(sum(seconds.values())), class_="number")
    foot = node("tfoot", node("tr", node("th", "in all", scope="row"), total, node("td")))
    return node("table", node("caption", "Time"), node("tbody", lines), foot)


def _render_views(facts: ReportFacts) -> Markup | None:
    if not facts.views:
        return None
    head = join(node("th", name, scope="col") for name in facts.views[0])
    lines = join(
        node("tr", join(node("td", value) for value in row.values())) for row in facts.views
    )
    said = (
        "Score: persistence times stability, weighted by the kind of view. No label is used; "
        "--views takes another one."
    )
    return node(
        "div",
        node(
            "table",
            node("caption", "Views compared"),
            node("thead", node("tr", head)),
            node("tbody", lines),
        ),
        node("p", said, class_="quiet"),
        class_="views",
    )


def _render_quarantine(facts: ReportFacts) -> Markup | None:
    total, shown = facts.quarantine_size, len(facts.quarantined)
    if not total:
        return None
    lines = join(
        node("tr", node("td", node("bdi", path, class_="path")), node("td", node("bdi", reason)))
        for path, reason in facts.quarantined
    )
    head = node("thead", node("tr", node("th", "path"), node("th", "reason")))
    cut = f", the first {write_count(shown)} of them here" if shown < total else ""
    return node(
        "details",
        node("summary", f"{write_count(total, 'image')} in quarantine{cut}"),
        node("div", node("table", head, node("tbody", lines)), class_="scroll"),
        node("p", "All of them are in the store's quarantine.csv.", class_="quiet"),
    )
