"""The head of the page: what was found in one glance, what to do next, what to beware of."""

import shlex

from discovery.pages.html import Markup, join, node
from discovery.stages.report.data import ReportData
from discovery.stages.report.figures import Summary, summarise
from discovery.stages.report.words import write_count, write_share


def render_overview(data: ReportData) -> Markup:
    """Render title, headline figures, next steps and warnings."""
    summary = summarise(data)
    return node(
        "header",
        _render_title(data),
        _render_figures(summary, data),
        _render_warnings(data),
        _render_steps(data, summary),
        class_="overview",
    )


def _render_title(data: ReportData) -> Markup:
    facts = data.facts
    said = [
        facts.source and node("bdi", facts.source, class_="path"),
        facts.extractor and node("span", facts.extractor),
        facts.made_at and node("time", facts.made_at),
    ]
    links = [("#map", "Map"), ("#rare", "Rare"), ("#types", "Types"), ("#made", "How it was made")]
    return node(
        "div",
        node(
            "div",
            node("h1", data.title),
            node("p", join([part for part in said if isinstance(part, Markup)]), class_="origin"),
        ),
        node(
            "nav",
            join(node("a", name, href=target) for target, name in links),
            aria_label="Sections",
        ),
        class_="title",
    )


def _render_figures(summary: Summary, data: ReportData) -> Markup:
    copies = data.facts.copies
    duplicates = copies or (
        f"{write_count(summary.duplicates, 'exact duplicate')}" if summary.duplicates else ""
    )
    named = f"{write_count(summary.named)} named so far" if summary.named else "none named yet"
    figures = [
        (write_count(summary.images), "images", duplicates or "no exact duplicates"),
        (write_count(summary.types), "proposed types", named),
        _share_figure(summary, summary.clustered, "in a cluster"),
        _share_figure(summary, summary.noise, "rare, in no cluster"),
        *_matched_figure(data),
        (write_count(summary.quarantined), "quarantined", "could not be used"),
    ]
    return node("dl", join(_render_figure(*figure) for figure in figures), class_="figures")


def _matched_figure(data: ReportData) -> list[tuple[str, str, str]]:
    """Return the images that are not on the page since they match a known type."""
    matched = data.facts.matched
    if not matched:
        return []
    said = f"{write_count(len(matched), 'type')}; named in matched.csv"
    return [(write_count(sum(matched.values())), "of known types, set aside", said)]


def _share_figure(summary: Summary, count: int, name: str) -> tuple[str, str, str]:
    return write_share(summary.share(count)), name, write_count(count, "image")


def _render_figure(figure: str, name: str, detail: str) -> Markup:
    return node(
        "div",
        node("dt", name),
        node("dd", node("b", figure), node("span", detail)),
        class_="figure",
    )


def _render_warnings(data: ReportData) -> Markup | None:
    if not data.facts.warnings:
        return None
    items = join(node("li", warning) for warning in data.facts.warnings)
    return node(
        "div",
        node("h2", "Before you trust this page"),
        node("ul", items),
        class_="warnings",
        role="note",
    )


def _render_steps(data: ReportData, summary: Summary) -> Markup:
    run = data.facts.run.rstrip("/\\") or "/"
    table = f"{run}/handoff.csv"
    read = f"python -m discovery.handoff {shlex.quote(run)} --read {shlex.quote(table)}"
    left = summary.types - summary.named
    look = (
        node("span", f"Look through {write_count(left, 'type')} without a name, rank 1 first.")
        if left
        else node("span", "Look at the rare images below: every proposed type has its name.")
    )
    if not summary.types:
        look = node("span", "No group was dense enough to propose: look at the rare images below.")
    fill = node(
        "span",
        "Open ",
        node("code", table),
        ", filter on a ",
        node("code", "proposal_id"),
        " and fill its ",
        node("code", "label"),
        " column, for example ",
        node("code", "defect/large/particle"),
        ".",
    )
    back = node("span", "Take the names back into the run: ", _render_command(read))
    return node(
        "div",
        node("h2", "What to do next"),
        node("ol", node("li", look), node("li", fill), node("li", back)),
        class_="steps",
    )


def _render_command(command: str) -> Markup:
    return node(
        "span",
        node("code", command),
        node("button", "Copy", type="button", class_="copy", data_copy=command),
        class_="command",
    )
