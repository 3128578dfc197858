"""The map panel: the canvas with its controls, and the legend that is the bar chart of sizes.

Also why there are so many types: how groups come and go over the resolutions. A curve counts the
groups at each resolution; below it, one bar a proposed type spans the resolutions at which it is a
group of its own: what is really there lasts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.pages.html import Markup, join, node
from discovery.pages.table import render_bar
from discovery.pages.words import write_count, write_share
from discovery.records import NOISE, Sweep
from discovery.stages.report.data import ReportData
from discovery.stages.report.figures import (
    Summary,
    find_labels,
    measure_clusters,
    name_clusters,
    summarise,
)
from discovery.stages.report.marks import render_mark, render_noise_mark

_CONTROLS = (
    ("zoom-in", "+", "Zoom in"),
    ("zoom-out", "\u2212", "Zoom out"),
    ("zoom-reset", "Fit", "Show the whole map"),
)
_KEYS = (
    "Map of all images: arrow keys move, plus and minus zoom, 0 shows all, "
    "comma and full stop step through the types, Escape clears the choice"
)


# Of the drawing of the sweep, in its units.
_WIDTH, _CURVE, _BAR, _LEFT = 640, 120, 13, 64
_MOST_BARS = 60


def render_map_panel(data: ReportData, marks: Sequence[tuple[int, int]]) -> Markup:
    """Render the map and, below it, one row a cluster and one for the noise."""
    buttons = join(
        node("button", sign, type="button", id=name, title=hint, aria_label=hint)
        for name, sign, hint in _CONTROLS
    )
    canvas = node("canvas", id="map-canvas", tabindex=0, role="application", aria_label=_KEYS)
    tip = node("div", id="tip", hidden=True)
    return node(
        "section",
        node("h2", "Map of all images", class_="unseen"),
        node(
            "div",
            canvas,
            node("div", buttons, class_="zoom", role="group", aria_label="Zoom"),
            tip,
            class_="canvas",
        ),
        node("p", "Near means alike. ", node("span", "", id="map-hint"), class_="quiet hint"),
        _render_legend(data, marks),
        id="map",
        class_="panel map",
    )


def _render_legend(data: ReportData, marks: Sequence[tuple[int, int]]) -> Markup:
    summary = summarise(data)
    sizes = measure_clusters(data).tolist()
    # The noise is a bar among the others: often it is the longest.
    largest = max([*sizes, summary.noise, 1])
    named = zip(name_clusters(data), find_labels(data), sizes, marks, strict=True)
    rows = join(
        _render_row(
            cluster,
            (render_mark(*mark), node("span", name, _label(label), class_="name")),
            (size, render_bar(size / largest, f"c{mark[0]}"), summary),
        )
        for cluster, (name, label, size, mark) in enumerate(named)
    )
    noise = _render_row(
        NOISE,
        (render_noise_mark(), node("span", "Rare (noise)", class_="name")),
        (summary.noise, render_bar(summary.noise / largest, "noise"), summary),
    )
    return node(
        "div",
        node("h3", "Sizes", class_="unseen"),
        node("div", rows, class_="legend-rows") if sizes else None,
        noise,
        class_="legend",
    )


def _label(label: str) -> Markup | None:
    """Write the last step of a taxonomy path; the whole of it is on the card and on pointing."""
    return node("bdi", label.split("/")[-1], class_="label", title=label) if label else None


def _render_row(
    cluster: int, named: tuple[Markup, Markup], measured: tuple[int, Markup, Summary]
) -> Markup:
    size, bar, summary = measured
    return node(
        "button",
        *named,
        bar,
        node("span", write_count(size), class_="count"),
        node("span", write_share(summary.share(size)), class_="share"),
        type="button",
        class_="legend-row select",
        data_cluster=cluster,
        aria_pressed="false",
    )


def render_sweep(data: ReportData, marks: list[tuple[int, int]]) -> Markup | None:
    """Render the panel; None where nothing was swept."""
    sweep = data.sweep
    if sweep is None or not len(sweep.born):
        return None
    counts = ", ".join(f"{name} {count}" for name, count in sweep.choices.items())
    return node(
        "section",
        node("h2", "Why so many types"),
        node(
            "p",
            "Groups of the neighbour graph from the finest resolution (left) to the coarsest. A "
            "type is proposed where a group lasts longer than its parts do in all. Groups each "
            f"granularity takes: {counts}.",
            class_="quiet",
        ),
        _draw_sweep(data, sweep, marks),
        id="sweep",
        class_="panel sweep",
    )


def _draw_sweep(data: ReportData, sweep: Sweep, marks: list[tuple[int, int]]) -> Markup:
    names = name_clusters(data)
    drawn = [i for i in np.argsort(-sweep.lasting, kind="stable") if sweep.clusters[i] >= 0]
    # The longest-lasting first: what is surely there is read first.
    bars = [
        _draw_bar(sweep, i, _CURVE + 12 + _BAR * row, names[sweep.clusters[i]], marks)
        for row, i in enumerate(drawn[:_MOST_BARS])
    ]
    height = _CURVE + 20 + _BAR * len(bars)
    least, most = int(sweep.counts.min()), int(sweep.counts.max())
    title = (
        f"From {write_count(most, 'group')} at resolution {sweep.resolutions[0]:.2g} to "
        f"{write_count(least, 'group')} at {sweep.resolutions[-1]:.2g}"
    )
    return node(
        "svg",
        node("title", title),
        node("path", d=_draw_curve(sweep), class_="curve"),
        node("text", write_count(most, "group"), x=0, y=18),
        node("text", f"{least}", x=0, y=_CURVE),
        join(bars),
        class_="sweep",
        viewBox=f"0 0 {_LEFT + _WIDTH} {height}",
        role="img",
        aria_label=title,
    )


def _draw_curve(sweep: Sweep) -> str:
    """Return the counts as a line of steps; their logarithm, since they fall by factors."""
    x = _place(sweep, sweep.resolutions)
    # From hundreds of groups to a handful: a linear axis would show the first step alone.
    logs = np.log(sweep.counts)
    y = _CURVE - (_CURVE - 14) * logs / max(float(logs.max()), 1e-9)
    steps = "".join(f"H{a:.1f}V{b:.1f}" for a, b in zip(x[1:], y[1:], strict=True))
    return f"M{x[0]:.1f} {y[0]:.1f}{steps}"


def _draw_bar(sweep: Sweep, i: int, y: int, name: str, marks: list[tuple[int, int]]) -> Markup:
    start, stop = _place(sweep, np.array([sweep.born[i], sweep.died[i]]))
    title = (
        f"{name}, {write_count(int(sweep.sizes[i]), 'image')}: from resolution "
        f"{sweep.born[i]:.2g} to {sweep.died[i]:.2g}"
    )
    bar = node(
        "rect",
        x=f"{start:.1f}",
        y=y,
        width=f"{max(stop - start, 1.5):.1f}",
        height=_BAR - 4,
        class_=f"c{marks[sweep.clusters[i]][0]}",
    )
    return node("g", node("title", title), node("text", name, x=0, y=y + _BAR - 5), bar)


def _place(sweep: Sweep, resolutions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where resolutions lie from left (fine) to right."""
    high, low = np.log(sweep.resolutions[0]), np.log(sweep.resolutions[-1])
    share = (high - np.log(resolutions)) / (high - low)
    places: NDArray[np.float64] = _LEFT + _WIDTH * np.clip(share, 0, 1)
    return places
