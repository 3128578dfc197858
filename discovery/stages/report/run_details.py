"""How the run was made: extractor, clusterer, parameters, versions, seconds, quarantine."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from discovery.pages.html import Markup, node
from discovery.pages.table import render_bar, render_table
from discovery.pages.words import write_count, write_seconds, write_value
from discovery.stages.report.data import ReportData, ReportFacts

# The evidence for a view, by a column that it alone has.
_EVIDENCE = {
    "score": (
        "Views compared",
        "Score: persistence times stability, weighted by the kind of view.",
    ),
    "something stands out": (
        "What stands out of the pictures",
        "Where one small region stands out of most pictures, it is looked at alone beside the "
        "whole picture.",
    ),
    "nearer to another than when turned": (
        "Directions of the pictures",
        "Where directions say nothing, a picture turned by a quarter is as often nearer to another "
        "image as the picture itself is: where fewer than three quarters are nearer as they lie, "
        "each is looked at in four quarter turns.",
    ),
}


def render_run_details(data: ReportData) -> Markup:
    """Render the tables at the foot of the page; a part of which nothing is known is left out."""
    facts = data.facts
    return node(
        "section",
        node("h2", "How it was made"),
        node(
            "div",
            _render_facts("Settings", _list_settings(data)),
            _render_seconds(facts.seconds),
            _render_facts("Set aside: known types", facts.matched),
            _render_facts("Versions", facts.versions),
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
        "pictures in this page": _count_pictures(data),
    }
    if facts.ignored:
        settings["ignored"] = f"{write_count(facts.ignored, 'file')} without an image's extension"
    # A row without a value would only raise questions.
    return {name: value for name, value in settings.items() if value not in ("", None)}


def _count_pictures(data: ReportData) -> str:
    """Say how many images the page holds, and how many it shows from their files."""
    tiles = {name for sheet in data.tiles for name in sheet.ids}.difference(data.thumbnails)
    own = tiles.intersection(data.clustering.ids.tolist())
    left = len(data.clustering) - len(data.thumbnails) - len(own)
    parts = [write_count(len(data.thumbnails), "thumbnail")]
    parts.append(f"{write_count(len(own), 'tile')}" if own else "")
    parts.append(f"{write_count(left, 'image')} shown from the file" if left else "")
    return ", ".join(filter(None, parts))


def _render_facts(title: str, facts: Mapping[str, Any]) -> Markup | None:
    if not facts:
        return None
    rows = [(name, node("bdi", write_value(value))) for name, value in facts.items()]
    return render_table(rows, caption=title)


def _render_seconds(seconds: Mapping[str, float]) -> Markup | None:
    if not seconds:
        return None
    # 1e-9: it may be that no step took any time.
    longest = max(*seconds.values(), 1e-9)
    return render_table(
        [(step, write_seconds(t), render_bar(t / longest)) for step, t in seconds.items()],
        caption="Time",
        foot=("in all", write_seconds(sum(seconds.values())), ""),
        classes=("", "number"),
    )


def _render_views(facts: ReportFacts) -> Markup | None:
    if not facts.views:
        return None
    # Views that were compared have columns in common; what was found in samples has its own.
    parts = [
        part
        for columns, rows in groupby(facts.views, key=tuple)
        for part in _render_evidence(columns, [tuple(row.values()) for row in rows])
    ]
    return node(
        "div",
        *parts,
        node("p", "No label is used; --views takes another one.", class_="quiet"),
        class_="views",
    )


def _render_evidence(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> tuple[Markup, ...]:
    caption, note = next(words for column, words in _EVIDENCE.items() if column in columns)
    table = render_table(rows, columns=columns, caption=caption, named=False)
    return table, node("p", note, class_="quiet")


def _render_quarantine(facts: ReportFacts) -> Markup | None:
    total, shown = facts.quarantine_size, len(facts.quarantined)
    if not total:
        return None
    # Text from files: isolated, so that one written from right to left turns nothing around it.
    rows = [
        (node("bdi", path, class_="path"), node("bdi", reason))
        for path, reason in facts.quarantined
    ]
    cut = f", the first {write_count(shown)} of them here" if shown < total else ""
    return node(
        "details",
        node("summary", f"{write_count(total, 'image')} in quarantine{cut}"),
        node("div", render_table(rows, columns=("path", "reason"), named=False), class_="scroll"),
        node("p", "All of them are in the store's quarantine.csv.", class_="quiet"),
    )
