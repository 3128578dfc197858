"""The two plots of the page, risk against coverage and reliability, each with its figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from discovery.classifier.evaluation.answers import judge_answers
from discovery.classifier.evaluation.axes import Frame, draw_dot, draw_line, render_plot
from discovery.classifier.evaluation.data import EvaluationData
from discovery.classifier.evaluation.tables import render_table
from discovery.pages.html import Markup, join, node
from discovery.pages.words import write_count, write_figure, write_interval, write_share

_TOPS = (
    0.01,
    0.02,
    0.03,
    0.05,
    0.08,
    0.1,
    0.15,
    0.2,
    0.3,
    0.5,
    0.8,
    1.0,
)  # where the axis of the risk may end
_SETTLED = 0.05  # below this coverage one image moves the curve; it may leave the frame


def render_risk_coverage(data: EvaluationData) -> Markup:
    """Draw the share of wrong answers against the share of images answered."""
    scores = data.scores
    points = [(point["coverage"], point["risk"]) for point in scores["risk_coverage"]]
    overall = 1 - scores["accuracy"]
    frame = Frame(x=(0.0, 1.0), y=(0.0, _choose_top(points, overall)))
    marks = _list_marks(data)
    content = [
        draw_line(frame, [(0, overall), (1, overall)], "reference"),
        draw_line(frame, [(points[0][0], points[0][1]), *points], "curve"),
        *(draw_dot(frame, point, class_) for class_, _, point in marks),
    ]
    said = "; ".join(text for _, text, _ in marks)
    alternative = f"Risk-coverage curve. All images answered: {write_share(overall)} wrong. {said}."
    names = ("images answered, surest first", "wrong among them")
    keys = [
        ("curve", f"the cascade, AURC {write_figure(scores['aurc'], 4)}, "
                  f"{write_figure(scores['eaurc'], 4)} above the best order"),
        ("reference", "answers in random order"),
        *((class_, text) for class_, text, _ in marks),
    ]  # fmt: skip
    return node(
        "figure",
        render_plot(frame, content, names=names, alternative=alternative),
        _render_keys(keys),
        _fold(_tabulate_risk(scores["risk_coverage"])),
    )


def render_reliability(scores: Mapping[str, Any]) -> Markup:
    """Draw the accuracy of answers against their confidence, in bins of equal mass."""
    bins = scores["reliability"]
    low = min(min(row["confidence"], row["accuracy"]) for row in bins)
    start = min(int(low * 10) / 10, 0.9)
    frame = Frame(x=(start, 1.0), y=(start, 1.0))
    whiskers = [
        draw_line(frame, [(row["confidence"], end) for end in row["accuracy_interval"]], "whisker")
        for row in bins
    ]
    dots = [draw_dot(frame, (row["confidence"], row["accuracy"]), "dot") for row in bins]
    content = [draw_line(frame, [(start, start), (1, 1)], "reference"), *whiskers, *dots]
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
    return node(
        "figure",
        render_plot(frame, content, names=names, alternative=alternative),
        _render_keys(keys),
        _fold(render_table("Accuracy by confidence", columns, rows)),
    )


def _choose_top(points: Sequence[tuple[float, float]], overall: float) -> float:
    highest = max([risk for coverage, risk in points if coverage >= _SETTLED] + [overall])
    return next(top for top in _TOPS if top >= highest)


def _list_marks(data: EvaluationData) -> list[tuple[str, str, tuple[float, float]]]:
    """List the points to mark, as (class, what they say, coverage and risk)."""
    scores = data.scores
    marks = []
    if data.threshold is not None:
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
    return render_table("Risk by coverage", columns, rows)


def _render_keys(keys: Sequence[tuple[str, str]]) -> Markup:
    items = join(node("li", _draw_key(class_), node("span", text)) for class_, text in keys)
    return node("figcaption", node("ul", items, class_="keys"))


def _draw_key(class_: str) -> Markup:
    """Draw what the legend explains: a line or a dot."""
    if class_ in ("curve", "reference"):
        drawn = node("path", d="M1 6H23", class_=class_)
    else:
        drawn = node("circle", cx=12, cy=6, r=4.5, class_=class_)
    return node("svg", drawn, class_="key plot", viewBox="0 0 24 12", aria_hidden="true")


def _fold(table: Markup) -> Markup:
    return node("details", node("summary", "The figures"), table)
