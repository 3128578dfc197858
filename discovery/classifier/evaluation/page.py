"""The evaluation as one HTML text: sections and a style, no script, and nothing from outside.

``render_evaluation(data)`` is pure; the command writes what it returns. What a test cannot tell
apart is called a tie here, whichever figure happens to be higher.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from discovery.classifier.evaluation.mistakes import render_mistakes, render_rejected
from discovery.classifier.evaluation.page_data import EvaluationData
from discovery.classifier.evaluation.plots import render_reliability, render_risk_coverage
from discovery.classifier.evaluation.tables import (
    list_facts,
    render_ablation,
    render_classes,
    render_left_out,
    render_levels,
    render_matrices,
    render_noise,
    render_wide_table,
)
from discovery.pages.html import Markup, join, node
from discovery.pages.shell import render_figures, render_page, render_title, render_warnings
from discovery.pages.words import write_count, write_figure, write_interval, write_p, write_share

_SECTIONS = (
    ("levels", "Levels"),
    ("sure", "Confidence"),
    ("confusion", "Confusions"),
    ("classes", "Classes"),
    ("parts", "Parts and limits"),
    ("mistakes", "Mistakes"),
    ("rejected", "Not named"),
)
_SIGNIFICANT = 0.05  # p-value below which a difference is called one
_NEGLIGIBLE = 0.01  # an error of confidence nobody acts upon


def render_evaluation(data: EvaluationData) -> str:
    """Render the evaluation as a self-contained page that opens from disk without a network.

    Its Content-Security-Policy allows the page's own style by its hash, pictures from inside the
    page, and no script at all: text from files could run nothing even if it were not escaped.

    Returns
    -------
    str
        HTML, to be written as UTF-8.

    Raises
    ------
    ValueError
        A thumbnail is no JPEG, PNG or WebP.
    """
    # Inside the page, so that it can be mailed; the policy allows it by its hash.
    style = files(__package__).joinpath("assets", "evaluation.css").read_text(encoding="utf-8")
    content = [_render_headline(data), node("main", _render_sections(data))]
    return render_page(data.title, content, style=style)


def _render_headline(data: EvaluationData) -> Markup:
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
    return render_title(data.title, origin, _SECTIONS)


def _render_figures(scores: Mapping[str, Any]) -> Markup:
    rejected = scores["rejected"]
    figures = [
        (scores["accuracy"], "accuracy of the cascade", "every image answered",
         _write_range(scores["accuracy_interval"])),
        (scores["flat_accuracy"], "accuracy of the flat classifier", "same images, same rule",
         _write_range(scores["flat_accuracy_interval"])),
        (scores["coverage"], "named",
         f"unknown {write_share(rejected['unknown'])}",
         f"undecided {write_share(rejected['undecided'])}"),
        (scores["accuracy_named"], "accuracy of the named", "at the depth vouched for",
         _write_range(scores["accuracy_named_interval"])),
        (scores["ece"], "calibration error",
         f"{write_share(scores['ece_by_chance'])} by chance alone",
         f"Brier score {write_figure(scores['brier'], 3)}"),
    ]  # fmt: skip
    # A measure that does not exist has no interval either, and is not shown as 0.
    return render_figures(
        (name, write_share(share), *(details if share is not None else ("not measured",)))
        for share, name, *details in figures
    )


def _write_range(interval: list[float] | None) -> str:
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


def compare_with_flat(scores: Mapping[str, Any]) -> tuple[str, str]:
    """Say in one word and one sentence who is better, the cascade or the flat classifier."""
    difference = scores["flat_difference"]
    if difference is None:
        return "unknown", "No flat classifier was scored beside the cascade."
    cascade, flat = difference["cascade_only_right"], difference["flat_only_right"]
    if not cascade + flat:  # no image tells them apart: nothing to test
        return "tie", (
            "The cascade is no better than the flat classifier here: both get the same images "
            "right. What it adds is how far down the tree it can vouch for an answer."
        )
    counted = (
        f"of the {write_count(cascade + flat, 'image')} that only one of them gets right, the "
        f"cascade has {write_count(cascade)} and the flat classifier {write_count(flat)}"
    )
    p = write_p(difference["p"])
    if difference["p"] >= _SIGNIFICANT:
        return "tie", (
            f"The cascade is no better than the flat classifier here, and no worse: {counted}, "
            f"which chance alone could do ({p}, exact McNemar test)."
        )
    word = "better" if cascade > flat else "worse"
    return word, (
        f"The cascade is {word} than the flat classifier here: {counted} ({p}, exact McNemar test)."
    )


def judge_calibration(scores: Mapping[str, Any]) -> str:
    """Say whether confidences can be taken at their word, and how much of the error is chance."""
    ece, chance = scores["ece"], scores["ece_by_chance"]
    gap = scores["mean_confidence"] - scores["accuracy"]
    # Two sigma: a gap that exact confidences would show once in twenty pages is none.
    stray = _expect_stray(scores["reliability"])
    says = (
        f"Confidences miss the accuracy by {100 * ece:.1f} points on average; so few images would "
        f"show about {100 * chance:.1f} even if every confidence were exact."
    )
    if abs(gap) > max(2 * stray, _NEGLIGIBLE):
        word = "high" if gap > 0 else "low"
        return f"{says} They are too {word}: {100 * abs(gap):.1f} points overall."
    # Over 15 bins the error strays by about a fifth of its expectation.
    if ece > max(1.5 * chance, _NEGLIGIBLE):
        return f"{says} They are too high in places and too low in others: see the diagram."
    return f"{says} They can be taken at their word."


def _expect_stray(bins: Sequence[Mapping[str, Any]]) -> float:
    """Expect how far the accuracy of all images strays from exact confidences (one sigma)."""
    variance = sum(row["n"] * row["confidence"] * (1 - row["confidence"]) for row in bins)
    # Confidences a rounding above 1 have a variance below 0.
    return float(max(variance, 0.0) ** 0.5 / sum(row["n"] for row in bins))


def _render_sections(data: EvaluationData) -> Markup:
    scores = data.scores
    return join(
        [
            _render_section("levels", "Level by level", render_levels(scores)),
            node(
                "div",
                _render_section("sure", "What is gained by not answering",
                                render_risk_coverage(data)),
                _render_section("reliability", "Whether confidences can be trusted",
                                render_reliability(scores)),
                class_="pair",
            ),
            _render_section("confusion", "What is taken for what", render_matrices(scores)),
            _render_section("classes", "Class by class", _render_all_classes(data)),
            node("div", *_render_parts(data), class_="pair", id="parts"),
            _render_section("mistakes", "Mistakes, the surest first", render_mistakes(data)),
            _render_section("rejected", "Not named: unknown or undecided", render_rejected(data)),
            _render_made(data),
        ]
    )  # fmt: skip


def _render_parts(data: EvaluationData) -> list[Markup]:
    scores = data.scores
    return [
        _render_section("ablation", "What each part is worth", render_ablation(data.ablation)),
        _render_section("left-out", "Types never seen before", render_left_out(data.left_out)),
        _render_section("noise", "Noise", render_noise(scores["noise"], scores["noise_gate"])),
    ]


def _render_all_classes(data: EvaluationData) -> Markup:
    scores = data.scores
    parts = [render_classes(scores["final"], "At the truth\u2019s own depth")]
    # Where every truth is that deep, the level's table would repeat the first.
    for name, level in scores["levels"].items():
        if level["classes"] != scores["final"]["classes"]:
            table = render_classes(level, f"Level {name}")
            parts.append(node("details", node("summary", f"Level {name}"), table))
    return join(parts)


def _render_made(data: EvaluationData) -> Markup:
    if not data.facts:
        return Markup("")
    table = render_wide_table("Model and truth", ("What", "How"), list_facts(data.facts))
    return _render_section("made", "How it was made", table)


def _render_section(name: str, title: str, content: Markup) -> Markup:
    return node("section", node("h2", title), content, class_="panel", id=name)
