"""What was decided so far, type by type, and what is left: read-only, as the review shows it."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from discovery.pages.html import Markup, join, node
from discovery.pages.table import Cell, render_table
from discovery.pages.words import DASH, write_count, write_share
from discovery.records import ImageLabel
from discovery.stages.report.data import ReportData
from discovery.stages.report.figures import count_paths, summarise

VERDICTS = {"split": "several types in one", "reject": "no type", "defer": "put off"}
_REGROUPED = re.compile(r"R\d+")  # as a review names what it groups anew
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
    codes, paths = data.codes, count_paths(data)
    none = ImageLabel()
    ids = data.clustering.ids.tolist()
    by_person = np.array([data.images.get(i, none).source == "human" for i in ids], bool)
    rows: list[tuple[Cell, ...]] = []
    for code, label in enumerate(data.types):
        mine = codes == code
        images, person = int(paths[mine].sum()), int(paths[mine & by_person].sum())
        rows.append(
            (
                node("bdi", label, class_="label"),
                write_count(images),
                write_count(person),
                write_count(images - person),
                _link_all(data, [name for name, own in data.labels.items() if own == label]),
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
    ranks = {one.proposal_id: one.rank for one in data.proposals}
    lines = []
    for verdict, word in VERDICTS.items():
        names = [name for name, own in data.judged.items() if own == verdict]
        if number_proposals(names, ranks):
            title = node("b", f"{word[0].upper()}{word[1:]}: ")
            lines.append(node("li", title, _link_all(data, names)))
    return node("ul", join(lines)) if lines else None


def number_proposals(names: Iterable[str], ranks: Mapping[str, int]) -> dict[str, int]:
    """Give proposals the numbers of the review, and say on whose card each is found.

    A proposal bears its rank, and a part of one the part's number behind that: 3.1. One that a
    review made of what was left keeps its name, R1, and has no card. Those of earlier rounds have
    no number any more and are left out.

    Returns
    -------
    dict of str to int
        The rank of the proposal by number, in order; 0 for one without a card.
    """
    found = {}
    for name in names:
        whole, *parts = name.split(".")
        if whole in ranks:
            found[".".join([str(ranks[whole]), *parts])] = ranks[whole]
        elif _REGROUPED.fullmatch(whole):
            found[name] = 0
    return dict(sorted(found.items(), key=lambda item: (not item[1], item[1], item[0])))


def _link_all(data: ReportData, names: Iterable[str]) -> Markup:
    ranks = {one.proposal_id: one.rank for one in data.proposals}
    links = [
        node("a", f"Type {number}", href=f"#type-{rank}") if rank else node("span", number)
        for number, rank in number_proposals(names, ranks).items()
    ]
    return join(links, ", ") if links else node("span", DASH)
