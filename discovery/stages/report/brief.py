"""The page on paper: a summary of the round that a person can send, on a page or two.

What was found, what was decided, what is left. On the screen it is not shown.
"""

from collections.abc import Sequence

import numpy as np

from discovery.pages.html import Markup, join, node
from discovery.pages.table import Cell, render_table
from discovery.pages.words import DASH, write_count, write_seconds, write_share
from discovery.records import Proposal
from discovery.stages.report.data import ReportData
from discovery.stages.report.decided import VERDICTS, describe_left
from discovery.stages.report.figures import (
    count_paths,
    describe_evidence,
    summarise,
)
from discovery.stages.report.marks import render_mark

_MOST_ROWS = 36  # types: two pages of paper
_SHOWN = 3  # pictures a type
_MOST_IN_COMMON = 2
_MOST_TYPES = 24  # labels in the line below the table
_COLUMNS = ("Type", "", "Named", "Images", "Evidence", "In common")


def render_brief(data: ReportData, marks: Sequence[tuple[int, int]]) -> Markup:
    """Render the summary."""
    ranked = sorted(data.proposals, key=lambda one: one.rank)
    where = {image_id: i for i, image_id in enumerate(data.clustering.ids.tolist())}
    images = max(summarise(data).images, 1)
    rows: list[tuple[Cell, ...]] = [
        _list_cells(data, one, marks, where=where, images=images) for one in ranked[:_MOST_ROWS]
    ]
    columns: tuple[str, ...] = _COLUMNS
    if not any(one.associations.get("found") for one in ranked):
        rows, columns = [row[:-1] for row in rows], _COLUMNS[:-1]  # no metadata, or none told apart
    left = len(ranked) - len(rows)
    more = f"{write_count(left, 'more type')} in the page and in proposals.csv." if left else None
    return node(
        "section",
        node("h2", "What was found and decided"),
        render_table(rows, columns=columns, classes=("", "shots", "", "number")),
        node("p", more) if more else None,
        _describe_types(data),
        node("h2", "What is left"),
        node("p", describe_left(data), " ", _describe_unplaced(data)),
        node("p", _describe_making(data), class_="quiet"),
        id="brief",
        class_="brief",
        aria_hidden="true",
    )


def _describe_types(data: ReportData) -> Markup | None:
    """List the types with their images: several proposals, and single images, may be in one."""
    labels, codes = data.types, data.codes
    if not labels:
        return None
    images = np.bincount(codes[codes >= 0], count_paths(data)[codes >= 0], minlength=len(labels))
    order = np.argsort(-images, kind="stable")[:_MOST_TYPES]
    told = [f"{labels[i]} ({write_count(int(images[i]))})" for i in order.tolist()]
    more = f" and {len(labels) - len(told)} more" if len(told) < len(labels) else ""
    return node(
        "p",
        node("b", f"{write_count(len(labels), 'type')} named: "),
        node("bdi", ", ".join(told)),
        more,
    )


def _list_cells(
    data: ReportData,
    proposal: Proposal,
    marks: Sequence[tuple[int, int]],
    *,
    where: dict[str, int],
    images: int,
) -> tuple[Cell, ...]:
    exemplars = proposal.exemplars
    ids = dict.fromkeys([proposal.medoid, *exemplars["diverse"][:_SHOWN], *exemplars["central"]])
    shown = [where[name] for name in list(ids)[:_SHOWN]]
    name = f"Type {proposal.rank}"
    pictures = [node("img", alt=f"{name}: {data.paths[i][0]}", data_i=i) for i in shown]
    label = data.labels.get(proposal.proposal_id)
    verdict = VERDICTS.get(data.judged.get(proposal.proposal_id, ""), "no decision yet")
    share = write_share(proposal.size / images)
    return (
        node("span", render_mark(*marks[proposal.cluster_id]), f" {proposal.rank}"),
        join(pictures, ""),
        node("bdi", label, class_="label") if label else node("span", verdict, class_="quiet"),
        join([node("b", write_count(proposal.size)), node("span", share, class_="quiet")], " "),
        _write_evidence(proposal, data.proposals),
        _write_in_common(proposal),
    )


def _write_evidence(proposal: Proposal, among: Sequence[Proposal]) -> str:
    words = {one.name: one.word for one in describe_evidence(proposal, among)}
    wanted = ("Stability", "Separation", "Novelty")
    return ", ".join(words[name] for name in wanted if words.get(name))


def _write_in_common(proposal: Proposal) -> Cell:
    found = [one for one in proposal.associations.get("found", ()) if not one.get("explained_by")]
    lines = [
        f"{one['column']} {one['value']}: {one['count']} of {one['size']}"
        for one in found[:_MOST_IN_COMMON]
    ]
    said = (proposal.associations.get(name) for name in ("note", "warning"))
    lines = [*(str(text) for text in said if text), *lines]
    signature = proposal.associations.get("signature") or {}
    if signature.get("measures"):
        lines.append(f"on the wafer: {signature['name']}")
    return node("bdi", "; ".join(lines)) if lines else DASH


def _describe_unplaced(data: ReportData) -> str:
    summary = summarise(data)
    parts = []
    if summary.noise:
        parts.append(f"{write_count(summary.noise, 'image')} in no group")
    if summary.quarantined:
        parts.append(f"{write_count(summary.quarantined, 'file')} could not be read")
    return f"{'; '.join(parts)}." if parts else ""


def _describe_making(data: ReportData) -> str:
    facts = data.facts
    seconds = sum(facts.seconds.values())
    parts = [
        f"Made by {facts.extractor}" if facts.extractor else "",
        f"grouped by {data.clustering.made_by}",
        f"{write_seconds(seconds)} in all" if seconds else "",
        f"run {facts.run}",
    ]
    return ", ".join(filter(None, parts)) + "."
