"""The head of the page: the figures that matter, who is better, what to beware of."""

from collections.abc import Mapping
from typing import Any

from discovery.classifier.evaluation.data import EvaluationData
from discovery.classifier.evaluation.words import compare_with_flat, judge_calibration
from discovery.pages.html import Markup, node
from discovery.pages.shell import render_figures, render_title, render_warnings
from discovery.pages.words import write_count, write_figure, write_interval, write_share

SECTIONS = (
    ("levels", "Levels"),
    ("sure", "Confidence"),
    ("confusion", "Confusions"),
    ("classes", "Classes"),
    ("parts", "Parts and limits"),
    ("mistakes", "Mistakes"),
    ("rejected", "Not named"),
)


def render_headline(data: EvaluationData) -> Markup:
    """Render title, headline figures, the comparison with the flat classifier and warnings."""
    return node(
        "header",
        _render_title(data),
        _render_figures(data.scores),
        _render_verdict(data.scores),
        render_warnings(data.warnings),
        class_="overview",
    )


def _render_title(data: EvaluationData) -> Markup:
    origin = [
        node("bdi", data.source, class_="path") if data.source else None,
        node("span", write_count(data.scores["n"], "image")),
        node("time", data.made_at) if data.made_at else None,
    ]
    return render_title(data.title, origin, SECTIONS)


def _render_figures(scores: Mapping[str, Any]) -> Markup:
    rejected = scores["rejected"]
    figures = [
        (scores["accuracy"], "accuracy of the cascade", "every image answered",
         _say_range(scores["accuracy_interval"])),
        (scores["flat_accuracy"], "accuracy of the flat classifier", "same images, same rule",
         _say_range(scores["flat_accuracy_interval"])),
        (scores["coverage"], "named",
         f"unknown {write_share(rejected['unknown'])}",
         f"undecided {write_share(rejected['undecided'])}"),
        (scores["accuracy_named"], "accuracy of the named", "at the depth vouched for",
         _say_range(scores["accuracy_named_interval"])),
        (scores["ece"], "calibration error",
         f"{write_share(scores['ece_by_chance'])} by chance alone",
         f"Brier score {write_figure(scores['brier'], 3)}"),
    ]  # fmt: skip
    return render_figures(
        (name, write_share(share), *(details if share is not None else ("not measured",)))
        for share, name, *details in figures
    )


def _say_range(interval: list[float] | None) -> str:
    return f"95\u00a0%: {write_interval(interval)}" if interval else ""


def _render_verdict(scores: Mapping[str, Any]) -> Markup:
    word, sentence = compare_with_flat(scores)
    whole = (
        f"{write_share(scores['coverage'])} of the images are named, "
        f"{write_share(scores['named_whole'])} down to the last level."
    )
    return node(
        "div",
        node("p", node("strong", sentence)),
        node("p", whole, " ", judge_calibration(scores)),
        class_=f"verdict-line {word}",
    )
