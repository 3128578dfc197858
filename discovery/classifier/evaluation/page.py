"""The evaluation as one HTML text: sections and a style, no script, and nothing from outside.

``render_evaluation(data)`` is pure; the front door writes what it returns.
"""

from importlib.resources import files

from discovery.classifier.evaluation.curves import render_reliability, render_risk_coverage
from discovery.classifier.evaluation.data import EvaluationData
from discovery.classifier.evaluation.headline import render_headline
from discovery.classifier.evaluation.matrices import render_matrices
from discovery.classifier.evaluation.pictures import render_mistakes, render_rejected
from discovery.classifier.evaluation.tables import (
    list_facts,
    render_ablation,
    render_classes,
    render_left_out,
    render_levels,
    render_noise,
    render_table,
)
from discovery.pages.html import Markup, join, node
from discovery.pages.shell import render_page


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
    style = files(__package__).joinpath("assets", "evaluation.css").read_text(encoding="utf-8")
    content = [render_headline(data), node("main", _render_sections(data))]
    return render_page(data.title, content, style=style)


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
    for name, level in scores["levels"].items():
        if level["classes"] != scores["final"]["classes"]:
            table = render_classes(level, f"Level {name}")
            parts.append(node("details", node("summary", f"Level {name}"), table))
    return join(parts)


def _render_made(data: EvaluationData) -> Markup:
    if not data.facts:
        return Markup("")
    table = render_table("Model and truth", ("What", "How"), list_facts(data.facts))
    return _render_section("made", "How it was made", table)


def _render_section(name: str, title: str, content: Markup) -> Markup:
    return node("section", node("h2", title), content, class_="panel", id=name)
