"""The head of the page: the figures that matter, who is better, what to beware of."""

from collections.abc import Mapping
from typing import Any

from discovery.classifier.evaluation.data import EvaluationData
from discovery.classifier.evaluation.words import (
    compare_with_flat,
    judge_calibration,
    write_count,
    write_figure,
    write_interval,
    write_share,
)
from discovery.pages.html import Markup, join, node

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
        _render_warnings(data),
        class_="overview",
    )


def _render_title(data: EvaluationData) -> Markup:
    said = [
        node("bdi", data.source, class_="path") if data.source else None,
        node("span", write_count(data.scores["n"], "image")),
        node("time", data.made_at) if data.made_at else None,
    ]
    links = join(node("a", name, href=f"#{target}") for target, name in SECTIONS)
    return node(
        "div",
        node(
            "div",
            node("h1", data.title),
            node("p", join(part for part in said if part is not None), class_="origin"),
        ),
        node("nav", links, aria_label="Sections"),
        class_="title",
    )


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
    return node("dl", join(_render_figure(*figure) for figure in figures), class_="figures")


def _render_figure(share: float | None, name: str, *details: str) -> Markup:
    said = details if share is not None else ("not measured",)
    lines = [node("span", line) for line in said if line]
    return node(
        "div", node("dt", name), node("dd", node("b", write_share(share)), *lines), class_="figure"
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


def _render_warnings(data: EvaluationData) -> Markup | None:
    if not data.warnings:
        return None
    items = join(node("li", warning) for warning in data.warnings)
    return node(
        "div",
        node("h2", "Before you trust this page"),
        node("ul", items),
        class_="warnings",
        role="note",
    )
