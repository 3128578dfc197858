"""The map panel: the canvas with its controls, and the legend that is the bar chart of sizes."""

from collections.abc import Sequence

from discovery.pages.html import Markup, join, node
from discovery.pages.table import render_bar
from discovery.pages.words import write_count, write_share
from discovery.records import NOISE
from discovery.stages.report.data import ReportData
from discovery.stages.report.figures import Summary, measure_clusters, summarise
from discovery.stages.report.marks import render_mark, render_noise_mark

_CONTROLS = (
    ("zoom-in", "+", "Zoom in"),
    ("zoom-out", "\u2212", "Zoom out"),
    ("zoom-reset", "Fit", "Show the whole map"),
)
_KEYS = (
    "Map of all images: arrow keys move, plus and minus zoom, 0 shows all, "
    "comma and full stop step through the types, Escape clears the choice"
)


def render_atlas(data: ReportData, marks: Sequence[tuple[int, int]]) -> Markup:
    """Render the map and, below it, one row a cluster and one for the noise."""
    buttons = join(
        node("button", sign, type="button", id=name, title=hint, aria_label=hint)
        for name, sign, hint in _CONTROLS
    )
    canvas = node("canvas", id="map-canvas", tabindex=0, role="application", aria_label=_KEYS)
    tip = node("div", id="tip", hidden=True)
    return node(
        "section",
        node("h2", "Map of all images", class_="unseen"),
        node(
            "div",
            canvas,
            node("div", buttons, class_="zoom", role="group", aria_label="Zoom"),
            tip,
            class_="canvas",
        ),
        node("p", "Near means alike. ", node("span", "", id="map-hint"), class_="quiet hint"),
        _render_legend(data, marks),
        id="map",
        class_="panel map",
    )


def name_clusters(data: ReportData) -> list[str]:
    """Name each cluster as the page does: by the rank of its proposal, where it has one."""
    ranks = {proposal.cluster_id: proposal.rank for proposal in data.proposals}
    return [
        f"Type {ranks[cluster]}" if cluster in ranks else f"Cluster {cluster}"
        for cluster in range(data.clustering.k)
    ]


def find_labels(data: ReportData) -> list[str]:
    """Look up the decided label of each cluster, or empty."""
    ids = {proposal.cluster_id: proposal.proposal_id for proposal in data.proposals}
    return [data.labels.get(ids.get(cluster, ""), "") for cluster in range(data.clustering.k)]


def _render_legend(data: ReportData, marks: Sequence[tuple[int, int]]) -> Markup:
    summary = summarise(data)
    sizes = measure_clusters(data).tolist()
    largest = max([*sizes, summary.noise, 1])
    named = zip(name_clusters(data), find_labels(data), sizes, marks, strict=True)
    rows = join(
        _render_row(
            cluster,
            (render_mark(*mark), node("span", name, _label(label), class_="name")),
            (size, render_bar(size / largest, f"c{mark[0]}"), summary),
        )
        for cluster, (name, label, size, mark) in enumerate(named)
    )
    noise = _render_row(
        NOISE,
        (render_noise_mark(), node("span", "Rare (noise)", class_="name")),
        (summary.noise, render_bar(summary.noise / largest, "noise"), summary),
    )
    return node(
        "div",
        node("h3", "Sizes", class_="unseen"),
        node("div", rows, class_="legend-rows") if sizes else None,
        noise,
        class_="legend",
    )


def _label(label: str) -> Markup | None:
    """Write the last step of a taxonomy path; the whole of it is on the card and on pointing."""
    return node("bdi", label.split("/")[-1], class_="label", title=label) if label else None


def _render_row(
    cluster: int, named: tuple[Markup, Markup], measured: tuple[int, Markup, Summary]
) -> Markup:
    size, bar, summary = measured
    return node(
        "button",
        *named,
        bar,
        node("span", write_count(size), class_="count"),
        node("span", write_share(summary.share(size)), class_="share"),
        type="button",
        class_="legend-row select",
        data_cluster=cluster,
        aria_pressed="false",
    )
