"""The whole report as one HTML text: sections, styles, scripts and data, and nothing from outside.

``render_report(report)`` is pure; the round writes what it returns to ``report.html``.
"""

from importlib.resources import files
from typing import Any

import numpy as np

from discovery.pages.html import (
    Markup,
    encode_array,
    encode_json,
    encode_picture,
    join,
    node,
)
from discovery.pages.shell import render_page
from discovery.records import TileSheet
from discovery.stages.report.brief import render_brief
from discovery.stages.report.data import ReportData
from discovery.stages.report.decided import render_decided
from discovery.stages.report.figures import (
    find_labels,
    measure_clusters,
    name_clusters,
)
from discovery.stages.report.gallery import render_gallery
from discovery.stages.report.map_panel import render_map_panel, render_sweep
from discovery.stages.report.marks import (
    SHAPES,
    assign_marks,
    fit_map,
    locate_clusters,
    measure_spreads,
)
from discovery.stages.report.overview import render_history, render_overview
from discovery.stages.report.rare import render_rare
from discovery.stages.report.run_details import render_run_details

_STYLES = ("report.css", "associated.css", "decided.css", "print.css")
# In the order in which they use each other; together they are one script.
_SCRIPTS = (
    "data.js",
    "tiles.js",
    "pictures.js",
    "selection.js",
    "marks.js",
    "names.js",
    "painter.js",
    "view.js",
    "pointer.js",
    "map.js",
    "lightbox.js",
    "members.js",
    "gallery.js",
    "report.js",
)


def render_report(report: ReportData) -> str:
    """Render the report as a self-contained page that opens from disk and never asks the network.

    Returns
    -------
    str
        HTML, to be written as UTF-8.

    Raises
    ------
    ValueError
        A thumbnail is no JPEG, PNG or WebP.
    """
    places = fit_map(report.xy)  # (n, 2)
    centres = locate_clusters(report.clustering, places)  # (k, 2)
    marks = [(int(colour), int(shape)) for colour, shape in assign_marks(centres)]
    return render_page(
        report.title,
        [_render_sections(report, marks)],
        style="".join(_read_asset(name) for name in _STYLES),
        script=_join_scripts(),
        data=encode_json(_collect_data(report, (places, centres, marks))),
        images="data: file:",  # a large picture is shown from its file
    )


def _render_sections(report: ReportData, marks: list[tuple[int, int]]) -> Markup:
    ranks = {proposal.proposal_id: proposal.rank for proposal in report.proposals}
    found = node(
        "div",
        render_decided(report),
        render_history(report.history, ranks),
        render_rare(report),
        render_gallery(report, marks),
        class_="found",
    )
    unscripted = node(
        "noscript", node("p", "Pictures and map need JavaScript, which is off.", class_="warnings")
    )
    main = node("main", render_map_panel(report, marks), found)
    parts = (
        unscripted,
        render_overview(report),
        render_brief(report, marks),
        main,
        render_sweep(report, marks),
        render_run_details(report),
        _render_lightbox(),
    )
    return join(parts)


def _render_lightbox() -> Markup:
    buttons = (
        ("previous", "\u2039", "Previous"),
        ("next", "\u203a", "Next"),
        ("close", "\u00d7", "Close"),
    )
    return node(
        "dialog",
        node("div", node("img", alt="", id="large"), class_="stage"),
        node("div", id="large-said", class_="said"),
        join(
            node("button", sign, type="button", id=f"large-{name}", title=hint, aria_label=hint)
            for name, sign, hint in buttons
        ),
        id="lightbox",
        aria_label="Image",
    )


def _collect_data(
    report: ReportData, drawn: tuple[Any, Any, list[tuple[int, int]]]
) -> dict[str, Any]:
    """Gather what the scripts need, as JSON-ready values."""
    places, clustering = drawn[0], report.clustering
    where = {image_id: i for i, image_id in enumerate(clustering.ids.tolist())}
    root, paths = _shorten_paths(report)
    return {
        "xy": encode_array(places.astype("float32")),
        "labels": encode_array(clustering.labels.astype("int32")),
        "memberships": encode_array(clustering.memberships.astype("float32")),
        "outliers": encode_array(clustering.outlier_scores.astype("float32")),
        "root": root,
        "paths": paths,
        "clusters": _describe_clusters(report, drawn),
        "types": report.types,
        "decided": encode_array(report.codes),
        "shapes": SHAPES,
        "thumbnails": {
            str(where[image_id]): encode_picture(data)
            for image_id, data in report.thumbnails.items()
        },
        "larger": {
            str(where[image_id]): encode_picture(data) for image_id, data in report.larger.items()
        },
        "tiles": [_describe_tiles(sheet, where) for sheet in report.tiles],
    }


def _describe_clusters(
    report: ReportData, drawn: tuple[Any, Any, list[tuple[int, int]]]
) -> list[dict[str, Any]]:
    places, centres, marks = drawn
    columns = {
        "name": name_clusters(report),
        "label": find_labels(report),
        "size": measure_clusters(report).tolist(),
        "x": centres[:, 0].tolist(),
        "y": centres[:, 1].tolist(),
        "spread": measure_spreads(report.clustering, places, centres).tolist(),
        "colour": [colour for colour, _ in marks],
        "shape": [shape for _, shape in marks],
    }
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _describe_tiles(sheet: TileSheet, where: dict[str, int]) -> dict[str, Any]:
    # An image that has gone since keeps its field, and nothing asks for it.
    images = np.array([where.get(image_id, -1) for image_id in sheet.ids], np.int32)
    return {
        "images": encode_array(images),
        "columns": sheet.columns,
        "side": sheet.side,
        "data": encode_picture(sheet.data),
    }


def _shorten_paths(report: ReportData) -> tuple[str, list[str | list[str]]]:
    """Split off the folder that all paths share; an image with one path is a text, else a list."""
    every = [path for paths in report.paths for path in paths]
    # What the first and the last in order share, all share.
    low, high = min(every, default=""), max(every, default="")
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    root = low[: max(low.rfind("/", 0, same), low.rfind("\\", 0, same)) + 1]
    # The root once instead of once an image: paths are most of a large page's text.
    cut = len(root)
    shortened = [[path[cut:] for path in paths] for paths in report.paths]
    return root, [paths[0] if len(paths) == 1 else paths for paths in shortened]


def _join_scripts() -> str:
    parts = "\n".join(_read_asset(name) for name in _SCRIPTS)
    # One function around all: nothing leaks into the page's own names.
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


def _read_asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
