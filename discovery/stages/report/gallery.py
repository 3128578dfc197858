"""The gallery: one card a proposal with its pictures and its evidence.

Pictures carry the image's position only (`data-i`); the scripts fill them in when they come into
view, so that a page of three hundred cards opens at once.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from discovery.pages.html import Markup, encode_picture, join, node
from discovery.pages.table import render_bar
from discovery.pages.words import write_count, write_share
from discovery.records import Proposal
from discovery.stages.report.associations import render_associations
from discovery.stages.report.data import ReportData
from discovery.stages.report.decided import VERDICTS
from discovery.stages.report.figures import (
    count_memberships,
    count_paths,
    describe_evidence,
    explain_rank,
    write_sizes,
)
from discovery.stages.report.marks import (
    render_columns,
    render_mark,
    render_members,
    render_shot,
)

_KINDS = {
    "central": "most typical",
    "edge": "least typical",
    "diverse": "unlike each other",
}


# As `rank_proposals` orders them.
_ORDER = (
    "The rank says where a person's time is best spent, and not how good a group is: stability, "
    "separation, size and, beside known types, novelty are multiplied. A large group that comes "
    "back in part may stand before a small one that always does."
)


class _Context:
    """What every card needs, worked out once: fifty thousand paths are counted one time only."""

    def __init__(self, data: ReportData, marks: Sequence[tuple[int, int]]) -> None:
        self.data = data
        self.marks = marks
        self.ranked = sorted(data.proposals, key=lambda proposal: proposal.rank)
        self.counts = count_paths(data)  # (n,)
        self._where = {image_id: i for i, image_id in enumerate(data.clustering.ids.tolist())}

    def count(self, cluster: int) -> int:
        return int((self.data.clustering.labels == cluster).sum())

    def positions(self, ids: Iterable[str]) -> list[int]:
        return [self._where[image_id] for image_id in ids]


def render_gallery(data: ReportData, marks: Sequence[tuple[int, int]]) -> Markup:
    """Render the cards in rank order, below the tools that sort and filter them."""
    context = _Context(data, marks)
    cards = join(_render_card(context, proposal) for proposal in context.ranked)
    empty = node(
        "p", "No proposal matches this filter.", class_="quiet", id="no-match", hidden=True
    )
    if not context.ranked:
        empty = node(
            "p", "No type is proposed: no group of images was dense enough.", class_="quiet"
        )
    return node(
        "section",
        node("div", node("h2", "Proposed types"), _render_tools(), class_="bar-of-tools"),
        node("p", _ORDER, class_="quiet order") if context.ranked else None,
        node("div", cards, id="cards"),
        empty,
        id="types",
    )


def _render_tools() -> Markup:
    orders = (("rank", "rank"), ("size", "size"), ("stability", "stability"))
    options = join(node("option", name, value=value) for value, name in orders)
    return node(
        "div",
        node("output", id="shown", aria_live="polite", class_="quiet"),
        node("label", "Sort by ", node("select", options, id="sort")),
        node(
            "label",
            node("span", "Filter", class_="unseen"),
            node("input", id="filter", type="search", placeholder="Filter by name, id or path"),
        ),
        class_="tools",
    )


def _render_card(context: _Context, proposal: Proposal) -> Markup:
    name = f"Type {proposal.rank}"
    # Positions, not ids: the scripts look pictures up in one array.
    medoid = context.positions([proposal.medoid])[0]
    rows = join(
        _render_exemplars(context, name, kind, context.positions(proposal.exemplars[kind]))
        for kind in _KINDS
        if proposal.exemplars[kind]
    )
    return node(
        "article",
        _render_head(context, proposal),
        node(
            "div",
            node(
                "div",
                render_shot(context.data, medoid, f"{name}, medoid", class_="medoid"),
                _render_heat(context.data.heats.get(proposal.medoid)),
            ),
            node(
                "div",
                _render_evidence(context, proposal),
                node("p", explain_rank(proposal, context.ranked), class_="quiet place"),
                class_="facts",
            ),
            class_="body",
        ),
        node("div", rows, class_="exemplars"),
        render_members(proposal.cluster_id, context.count(proposal.cluster_id), name),
        render_associations(proposal.associations),
        id=f"type-{proposal.rank}",
        class_="panel card",
        data_cluster=proposal.cluster_id,
        data_rank=proposal.rank,
        data_size=proposal.size,
        # For sorting in the browser; what was not measured goes last.
        data_stability=f"{np.nan_to_num(proposal.stability, nan=-1.0):.6f}",
        aria_labelledby=f"name-{proposal.rank}",
    )


def _render_head(context: _Context, proposal: Proposal) -> Markup:
    label = context.data.labels.get(proposal.proposal_id)
    share = write_share(proposal.size / max(int(context.counts.sum()), 1))
    noun = "image" if proposal.size == 1 else "images"
    verdict = VERDICTS.get(context.data.judged.get(proposal.proposal_id, ""))
    return node(
        "header",
        render_mark(*context.marks[proposal.cluster_id]),
        node(
            "h3",
            node("span", f"Type {proposal.rank}"),
            node("bdi", label, class_="label") if label else None,
            node("span", verdict, class_="verdict") if verdict else None,
            id=f"name-{proposal.rank}",
        ),
        node("code", proposal.proposal_id, class_="quiet", title="proposal_id in handoff.csv"),
        node("span", node("b", write_count(proposal.size)), f" {noun}, {share}", class_="size"),
        node(
            "button",
            "On the map",
            type="button",
            class_="select",
            data_cluster=proposal.cluster_id,
            aria_pressed="false",
        ),
    )


def _render_evidence(context: _Context, proposal: Proposal) -> Markup:
    rows = [
        _render_row(
            node("dt", measure.name, title=measure.hint),
            node("span", class_="bar") if measure.filled is None else render_bar(measure.filled),
            node("b", measure.figure),
            measure.word,
        )
        for measure in describe_evidence(proposal, context.ranked)
    ]
    rows.append(_render_memberships(context, proposal))
    # Shown only where it says more than the size does.
    if proposal.distinct is not None and proposal.distinct < proposal.size:
        note = "copies counted once" if proposal.distinct > 1 else "all are copies of one picture"
        rows.append(_render_fact("Distinct", write_count(proposal.distinct), note))
    if sizes := write_sizes(proposal.size_um):
        rows.append(_render_fact("Size", sizes, "longest side, 5th to 95th percentile"))
    return node("dl", join(rows), class_="evidence")


def _render_row(
    term: Markup, drawing: Markup | None, figure: Markup, note: str, **attributes: str
) -> Markup:
    """Render one line of the evidence: what, how much as a drawing and a figure, in words."""
    return node("div", term, node("dd", drawing, figure, node("span", note)), **attributes)


def _render_memberships(context: _Context, proposal: Proposal) -> Markup:
    members = context.data.clustering.members(proposal.cluster_id)
    # By path, as all counts of the page.
    memberships = np.repeat(context.data.clustering.memberships[members], context.counts[members])
    low, median, high = np.quantile(memberships, (0.0, 0.5, 1.0))
    return _render_row(
        node("dt", "Membership", title="how firmly each image belongs, from 0 to 1"),
        render_columns(count_memberships(memberships)),
        node("b", f"{median:.2f}"),
        f"median, {low:.2f} to {high:.2f}",
    )


def _render_fact(name: str, value: str, note: str) -> Markup:
    term, figure = node("dt", node("bdi", name)), node("bdi", value, class_="value")
    return _render_row(term, None, figure, note, class_="plain")


def _render_heat(heat: bytes | None) -> Markup | None:
    if heat is None:
        return None
    caption = "where it is unlike the rest"
    return node(
        "figure",
        node("img", alt=f"Medoid, red {caption}", src=encode_picture(heat)),
        node("figcaption", caption, class_="quiet"),
        class_="heat",
    )


def _render_exemplars(context: _Context, name: str, kind: str, positions: list[int]) -> Markup:
    shots = join(render_shot(context.data, i, f"{name}, {_KINDS[kind]}") for i in positions)
    return node(
        "div",
        node("p", node("b", kind), node("span", _KINDS[kind])),
        node("div", shots, class_="row"),
        class_="exemplar-row",
    )
