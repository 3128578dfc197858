"""What was decided so far, type by type, and what is left: read-only, as the review shows it."""

from collections import Counter

import numpy as np

from discovery.pages.html import Markup, join, node
from discovery.pages.table import Cell, render_table
from discovery.pages.words import DASH, write_count, write_share
from discovery.records import ImageLabel, Proposal
from discovery.stages.report.data import ReportData
from discovery.stages.report.figures import count_paths, find_codes, list_labels, summarise

VERDICTS = {"split": "several types in one", "reject": "no type", "defer": "put off"}
_COLUMNS = ("Type", "Images", "By a person", "With their proposal", "From proposals", "Definition")


def render_decided(data: ReportData) -> Markup | None:
    """Render the types with their images, and what was judged otherwise; None before a decision."""
    if not data.images and not data.judged:
        return None
    table = render_table(
        list_types(data), columns=_COLUMNS, classes=("", "number", "number", "number", "", "")
    )
    return node(
        "section",
        node("h2", "Decided so far"),
        node("p", describe_left(data), class_="quiet"),
        node("div", table, class_="wide", tabindex=0, role="region", aria_label="Types"),
        _render_judged(data),
        id="decided",
        class_="panel decided",
    )


def list_types(data: ReportData) -> list[tuple[Cell, ...]]:
    """List the cells of each type: label, images, who said so, its proposals, its definition."""
    codes, paths = find_codes(data), count_paths(data)
    none = ImageLabel()
    ids = data.clustering.ids.tolist()
    by_person = np.array([data.images.get(i, none).source == "human" for i in ids], bool)
    rows: list[tuple[Cell, ...]] = []
    for code, label in enumerate(list_labels(data)):
        mine = codes == code
        images, person = int(paths[mine].sum()), int(paths[mine & by_person].sum())
        rows.append(
            (
                node("bdi", label, class_="label"),
                write_count(images),
                write_count(person),
                write_count(images - person),
                _link_all([p for p in data.proposals if data.labels.get(p.proposal_id) == label]),
                node("bdi", data.definitions.get(label, "")),
            )
        )
    return rows


def describe_left(data: ReportData) -> str:
    """Say in one sentence how far the round is named."""
    summary = summarise(data)
    left = summary.types - summary.named - summary.judged
    share = write_share(summary.share(summary.labelled))
    parts = [f"{share} of the images have a label"]
    parts.append(f"{write_count(left, 'proposed type')} without a decision" if left else "")
    without = summary.images - summary.labelled
    parts.append(f"{write_count(without, 'image')} without a label" if without else "")
    return "; ".join(filter(None, parts)) + "."


def _render_judged(data: ReportData) -> Markup | None:
    counts = Counter(data.judged.get(one.proposal_id, "") for one in data.proposals)
    lines = [
        node(
            "li",
            node("b", f"{word[0].upper()}{word[1:]}: "),
            _link_all([p for p in data.proposals if data.judged.get(p.proposal_id) == verdict]),
        )
        for verdict, word in VERDICTS.items()
        if counts[verdict]
    ]
    return node("ul", join(lines)) if lines else None


def _link_all(proposals: list[Proposal]) -> Markup:
    ranked = sorted(proposals, key=lambda one: one.rank)
    links = [node("a", f"Type {one.rank}", href=f"#type-{one.rank}") for one in ranked]
    return join(links, ", ") if links else node("span", DASH)
