"""The two plots of the page as SVG: risk against coverage, and reliability.

Below each stand its figures as a table. Sizes are attributes and colours classes, because the
page's Content-Security-Policy forbids inline styles.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from discovery.classifier.evaluation.correctness import judge_answers
from discovery.classifier.evaluation.page_data import EvaluationData
from discovery.classifier.evaluation.tables import render_wide_table
from discovery.pages.html import Markup, join, node
from discovery.pages.words import write_count, write_figure, write_interval, write_share

# Where the axis of the risk may end: on an axis to 1 a good classifier's curve would be flat.
_TOPS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.0)
_SETTLED = 0.05  # below this coverage one image moves the curve; it may leave the frame
_WIDTH, _HEIGHT = 460, 330  # of the viewBox; the page scales it to its column
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 12, 46  # margins: numbers and names of the axes


def render_risk_coverage(data: EvaluationData) -> Markup:
    """Draw the share of wrong answers against the share of images answered."""
    scores = data.scores
    points = [(point["coverage"], point["risk"]) for point in scores["risk_coverage"]]
    overall = 1 - scores["accuracy"]
    axes = PlotAxes(x=(0.0, 1.0), y=(0.0, _choose_top(points, overall)))
    marks = _list_marks(data)
    content = [
        _draw_line(axes, [(0, overall), (1, overall)], "reference"),
        _draw_line(axes, [(points[0][0], points[0][1]), *points], "curve"),
        *(_draw_dot(axes, point, class_) for class_, _, point in marks),
    ]
    texts = "; ".join(text for _, text, _ in marks)
    alternative = (
        f"Risk-coverage curve. All images answered: {write_share(overall)} wrong. {texts}."
    )
    names = ("images answered, surest first", "wrong among them")
    keys = [
        ("curve", f"the cascade, AURC {write_figure(scores['aurc'], 4)}, "
                  f"{write_figure(scores['eaurc'], 4)} above the best order"),
        ("reference", "answers in random order"),
        *((class_, text) for class_, text, _ in marks),
    ]  # fmt: skip
    plot = _render_plot(axes, content, names=names, alternative=alternative)
    return _render_figure(plot, keys, _tabulate_risk(scores["risk_coverage"]))


def render_reliability(scores: Mapping[str, Any]) -> Markup:
    """Draw the accuracy of answers against their confidence, in bins of equal mass."""
    bins = scores["reliability"]
    low = min(min(row["confidence"], row["accuracy"]) for row in bins)
    # From the tenth below the lowest bin: good classifiers crowd in the upper corner.
    start = min(int(low * 10) / 10, 0.9)
    axes = PlotAxes(x=(start, 1.0), y=(start, 1.0))
    # Intervals as wide as bins are small: without them ten images would look like a finding.
    whiskers = [
        _draw_line(axes, [(row["confidence"], end) for end in row["accuracy_interval"]], "whisker")
        for row in bins
    ]
    dots = [_draw_dot(axes, (row["confidence"], row["accuracy"]), "dot") for row in bins]
    content = [_draw_line(axes, [(start, start), (1, 1)], "reference"), *whiskers, *dots]
    alternative = (
        f"Reliability diagram of {len(bins)} bins. Mean confidence "
        f"{write_share(scores['mean_confidence'])}, accuracy {write_share(scores['accuracy'])}, "
        f"expected calibration error {write_share(scores['ece'])}."
    )
    keys = [
        ("dot", f"{write_count(len(bins), 'bin')} of about as many images each, with the 95 % "
                "interval of the accuracy"),
        ("reference", "exact confidences; a dot below the line is too sure"),
    ]  # fmt: skip
    names = ("confidence", "right answers")
    rows = [
        (
            write_share(row["confidence"]),
            write_count(row["n"]),
            write_share(row["accuracy"]),
            write_interval(row["accuracy_interval"]),
        )
        for row in bins
    ]
    columns = ("Mean confidence", "Images", "Accuracy", "95 % interval")
    plot = _render_plot(axes, content, names=names, alternative=alternative)
    return _render_figure(plot, keys, render_wide_table("Accuracy by confidence", columns, rows))


def _choose_top(points: Sequence[tuple[float, float]], overall: float) -> float:
    highest = max([risk for coverage, risk in points if coverage >= _SETTLED] + [overall])
    # A risk of 1 is on the last one: there always is one.
    return next(top for top in _TOPS if top >= highest)


def _list_marks(data: EvaluationData) -> list[tuple[str, str, tuple[float, float]]]:
    """List the points to mark, as (class, what they say, coverage and risk)."""
    scores = data.scores
    marks = []
    if data.threshold is not None:
        # In float32, as the confidences are: 0.9 in float64 lies above 0.9 in float32.
        answered = data.predictions.confidences >= np.float32(data.threshold)
        right = judge_answers(data.predictions.forced, data.truth)[answered]
        if len(right):
            point = float(answered.mean()), 1 - float(right.mean())
            text = (
                f"confidence of {data.threshold:.3g} or more: {write_share(point[0])} answered, "
                f"{write_share(point[1])} wrong"
            )
            marks.append(("marker", text, point))
    if scores["accuracy_named"] is not None:
        point = scores["coverage"], 1 - scores["accuracy_named"]
        text = (
            f"named, at the depth vouched for: {write_share(point[0])} of the images, "
            f"{write_share(point[1])} wrong"
        )
        marks.append(("operating", text, point))
    return marks


def _tabulate_risk(points: Sequence[Mapping[str, float]]) -> Markup:
    """Give the curve at every tenth of the images, or at the first point beyond."""
    # Figures for those who cannot see the curve, and to copy.
    coverages = np.array([point["coverage"] for point in points])
    wanted = np.searchsorted(coverages, np.arange(1, 11) / 10 - 1e-9)
    kept = np.unique(np.minimum(wanted, len(points) - 1)).tolist()
    rows = [
        (
            write_share(points[i]["coverage"]),
            write_share(points[i]["risk"]),
            write_figure(points[i]["threshold"], 4),
        )
        for i in kept
    ]
    columns = ("Answered", "Wrong among them", "Lowest confidence")
    return render_wide_table("Risk by coverage", columns, rows)


def _render_figure(plot: Markup, keys: Sequence[tuple[str, str]], table: Markup) -> Markup:
    """Render a plot, its legend as (class, text), and its figures, folded."""
    items = join(node("li", _draw_key(class_), node("span", text)) for class_, text in keys)
    return node(
        "figure",
        plot,
        node("figcaption", node("ul", items, class_="keys")),
        node("details", node("summary", "The figures"), table),
    )


def _draw_key(class_: str) -> Markup:
    """Draw what the legend explains: a line or a dot."""
    if class_ in ("curve", "reference"):  # lines; all else is a dot
        drawn = node("path", d="M1 6H23", class_=class_)
    else:
        drawn = node("circle", cx=12, cy=6, r=4.5, class_=class_)
    return node("svg", drawn, class_="key plot", viewBox="0 0 24 12", aria_hidden="true")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotAxes:
    """Ranges of both axes, in data units; what lies outside is drawn at the edge."""

    x: tuple[float, float]
    y: tuple[float, float]

    def __post_init__(self) -> None:
        if not (self.x[0] < self.x[1] and self.y[0] < self.y[1]):
            raise ValueError(f"ranges {self.x} and {self.y} are empty")

    def place_x(self, value: float) -> float:
        """Move a value along x to its pixel."""
        return _LEFT + _scale(value, self.x) * (_WIDTH - _LEFT - _RIGHT)

    def place_y(self, value: float) -> float:
        """Move a value along y to its pixel; up is more."""
        return _HEIGHT - _BOTTOM - _scale(value, self.y) * (_HEIGHT - _TOP - _BOTTOM)


def _render_plot(
    axes: PlotAxes, content: Iterable[Markup], *, names: tuple[str, str], alternative: str
) -> Markup:
    """Render a plot of shares with its axes named, and a text that says what it shows."""
    base, end = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts: list[Markup] = []
    for tick in list_ticks(*axes.x):
        x = f"{axes.place_x(tick):.1f}"
        parts.append(_render_tick(tick, f"M{x} {_TOP}V{base}", x=x, y=base + 17, anchor="middle"))
    for tick in list_ticks(*axes.y):
        y = axes.place_y(tick)
        grid = f"M{_LEFT} {y:.1f}H{end}"
        # 4 lower: the text stands on its line, which is to be at its middle.
        parts.append(_render_tick(tick, grid, x=_LEFT - 7, y=f"{y + 4:.1f}", anchor="end"))
    name = {"text_anchor": "middle", "class_": "name"}
    turned = "rotate(-90)"  # about the origin: x runs upwards from there
    return node(
        "svg",
        join(parts),
        join(content),
        node("text", names[0], x=(_LEFT + end) / 2, y=_HEIGHT - 8, **name),
        node("text", names[1], x=-(_TOP + base) / 2, y=14, transform=turned, **name),
        class_="plot",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=alternative,
    )


def _render_tick(tick: float, grid: str, *, x: str | float, y: str | float, anchor: str) -> Markup:
    """Render a grid line and its share in percent."""
    text = node("text", f"{100 * tick:.3g}\u00a0%", x=x, y=y, text_anchor=anchor)
    return node("g", node("path", d=grid, class_="grid"), text)


def _draw_line(axes: PlotAxes, points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Draw a line through points in data units."""
    places = [f"{axes.place_x(x):.1f} {axes.place_y(y):.1f}" for x, y in points]
    return node("path", d="M" + "L".join(places), class_=class_)


def _draw_dot(axes: PlotAxes, point: tuple[float, float], class_: str) -> Markup:
    """Draw a round mark at a point in data units."""
    x, y = axes.place_x(point[0]), axes.place_y(point[1])
    return node("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5, class_=class_)


def list_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """List round values inside a range: steps of 1, 2 or 5 times a power of ten."""
    # From 0.00001: a range of shares below that would be drawn as a line anyway.
    steps = (base * 10.0**power for power in range(-5, 1) for base in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= most)
    # 0.3 / 0.1 is 2.999...: an end of the range that is a tick must not be lost.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def _scale(value: float, limits: Sequence[float]) -> float:
    # Outside of the frame is at its edge: a point must not be drawn over the axis' numbers.
    return min(max((value - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)
