"""Why there are so many types: how groups come and go over the resolutions, as a picture.

Above, how many groups there are at each resolution; below, one bar a proposed type over the
resolutions at which it is a group of its own: what is really there lasts.
"""

import numpy as np
from numpy.typing import NDArray

from discovery.pages.html import Markup, join, node
from discovery.pages.words import write_count
from discovery.records import Sweep
from discovery.stages.report.atlas import name_clusters
from discovery.stages.report.data import ReportData

_WIDTH, _CURVE, _BAR, _LEFT = 640, 120, 13, 64  # units of the drawing
_MOST_BARS = 60

Floats = NDArray[np.float64]


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
        _draw(data, sweep, marks),
        id="sweep",
        class_="panel sweep",
    )


def _draw(data: ReportData, sweep: Sweep, marks: list[tuple[int, int]]) -> Markup:
    names = name_clusters(data)
    shown = [i for i in np.argsort(-sweep.lasting, kind="stable") if sweep.clusters[i] >= 0]
    bars = [
        _draw_bar(sweep, i, _CURVE + 12 + _BAR * row, names[sweep.clusters[i]], marks)
        for row, i in enumerate(shown[:_MOST_BARS])
    ]
    height = _CURVE + 20 + _BAR * len(bars)
    least, most = int(sweep.counts.min()), int(sweep.counts.max())
    said = (
        f"From {write_count(most, 'group')} at resolution {sweep.resolutions[0]:.2g} to "
        f"{write_count(least, 'group')} at {sweep.resolutions[-1]:.2g}"
    )
    return node(
        "svg",
        node("title", said),
        node("path", d=_trace(sweep), class_="curve"),
        node("text", f"{most} groups", x=0, y=18),
        node("text", f"{least}", x=0, y=_CURVE),
        join(bars),
        class_="sweep",
        viewBox=f"0 0 {_LEFT + _WIDTH} {height}",
        role="img",
        aria_label=said,
    )


def _trace(sweep: Sweep) -> str:
    """Return the counts as a line of steps; their logarithm, since they fall by factors."""
    x = _place(sweep, sweep.resolutions)
    logs = np.log(sweep.counts)
    y = _CURVE - (_CURVE - 14) * logs / max(float(logs.max()), 1e-9)
    steps = "".join(f"H{a:.1f}V{b:.1f}" for a, b in zip(x[1:], y[1:], strict=True))
    return f"M{x[0]:.1f} {y[0]:.1f}{steps}"


def _draw_bar(sweep: Sweep, i: int, y: int, name: str, marks: list[tuple[int, int]]) -> Markup:
    start, stop = _place(sweep, np.array([sweep.born[i], sweep.died[i]]))
    said = (
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
    return node("g", node("title", said), node("text", name, x=0, y=y + _BAR - 5), bar)


def _place(sweep: Sweep, resolutions: Floats) -> Floats:
    """Return where resolutions lie from left (fine) to right."""
    high, low = np.log(sweep.resolutions[0]), np.log(sweep.resolutions[-1])
    share = (high - np.log(resolutions)) / (high - low)
    places: Floats = _LEFT + _WIDTH * np.clip(share, 0, 1)
    return places
