"""The head of the page: what was found at one glance, what to do next, and what changed."""

import shlex
from collections.abc import Mapping

from discovery.pages.html import Markup, join, node
from discovery.pages.shell import render_figures, render_title, render_warnings
from discovery.pages.words import write_count, write_share
from discovery.records import LineageEntry, LineageEvent
from discovery.stages.report.data import ReportData
from discovery.stages.report.figures import Summary, summarise

_EVENT_WORDS = {
    "merged": "merged",
    "split": "split",
    "vanished": "has gone",
    "born": "is new",
    "revived": "is back",
    "kept": "has other images than before",
}
_MOST_EVENTS = 40  # events; all are in lineage.jsonl


def render_overview(data: ReportData) -> Markup:
    """Render title, headline figures, next steps and warnings."""
    summary = summarise(data)
    return node(
        "header",
        _render_title(data),
        _render_figures(summary, data),
        render_warnings(data.facts.warnings),
        _render_steps(data, summary),
        class_="overview",
    )


def _render_title(data: ReportData) -> Markup:
    facts = data.facts
    origin = [
        node("bdi", facts.source, class_="path") if facts.source else None,
        node("span", facts.extractor) if facts.extractor else None,
        node("time", facts.made_at) if facts.made_at else None,
    ]
    links = [("map", "Map"), ("rare", "Rare"), ("types", "Types"), ("made", "How it was made")]
    if data.images or data.judged:
        links.insert(0, ("decided", "Decided"))
    return render_title(data.title, origin, links)


def _render_figures(summary: Summary, data: ReportData) -> Markup:
    copies = data.facts.copies
    duplicates = copies or (
        f"{write_count(summary.duplicates, 'exact duplicate')}" if summary.duplicates else ""
    )
    named = f"{write_count(summary.named)} named so far" if summary.named else "none named yet"
    if summary.judged:
        named += f", {write_count(summary.judged)} judged otherwise"
    figures = [
        ("images", write_count(summary.images), duplicates or "no exact duplicates"),
        ("proposed types", write_count(summary.types), named),
        _share_figure(summary, summary.labelled, "named"),
        _share_figure(summary, summary.clustered, "in a cluster"),
        _share_figure(summary, summary.noise, "rare, in no cluster"),
        *_matched_figure(data),
        ("quarantined", write_count(summary.quarantined), "could not be used"),
    ]
    return render_figures(figures)


def _matched_figure(data: ReportData) -> list[tuple[str, str, str]]:
    """Return the images that are not on the page since they match a known type."""
    matched = data.facts.matched
    if not matched:
        return []
    detail = f"{write_count(len(matched), 'type')}; named in matched.csv"
    return [("of known types, set aside", write_count(sum(matched.values())), detail)]


def _share_figure(summary: Summary, count: int, name: str) -> tuple[str, str, str]:
    return name, write_share(summary.share(count)), write_count(count, "image")


def _render_steps(data: ReportData, summary: Summary) -> Markup:
    # The root folder keeps its slash.
    run = data.facts.run.rstrip("/\\") or "/"
    # To be pasted into a shell: blanks and quotes in names must survive.
    review = f"python -m discovery.review {shlex.quote(run)}"
    read = f"python -m discovery.handoff {shlex.quote(run)}"
    return node(
        "div",
        node("h2", _title_steps(summary)),
        node("p", _say_left(summary)),
        node("p", _render_command(review)),
        node(
            "p",
            "Or in a spreadsheet: fill in ",
            node("code", f"{run}/types.xlsx"),
            ", one row a type, and read it back: ",
            _render_command(read),
            class_="quiet",
        ),
        class_="steps panel",
    )


def _title_steps(summary: Summary) -> str:
    return "Review these proposals" if summary.types else "Review these images"


def _say_left(summary: Summary) -> str:
    """Say what is left to do: a report is drawn again after each decision."""
    if not summary.types:
        return "No group was dense enough to propose: look at the rare images below."
    left = summary.types - summary.named - summary.judged
    if left:
        return f"Name {write_count(left, 'type')} without a decision, rank 1 first. In a shell:"
    return "Every proposed type has its decision: go through what is left. In a shell:"


def _render_command(command: str) -> Markup:
    return node(
        "span",
        node("code", command),
        node("button", "Copy", type="button", class_="copy", data_copy=command),
        class_="command",
    )


def render_history(entry: LineageEntry | None, ranks: Mapping[str, int]) -> Markup | None:
    """Render the last entry of the lineage; None where there is no round before, or no change.

    Parameters
    ----------
    entry : LineageEntry or None
    ranks : mapping of proposal id to its rank on this page
    """
    if entry is None or not entry.events:
        return None
    lines = join(_render_event(event, ranks) for event in entry.events[:_MOST_EVENTS])
    left = len(entry.events) - _MOST_EVENTS
    more = f"{write_count(left)} more are in lineage.jsonl." if left > 0 else None
    return node(
        "section",
        node("h2", "Since the round before"),
        node("ul", lines),
        node("p", more, class_="quiet") if more else None,
        id="history",
        class_="panel history",
    )


def _render_event(event: LineageEvent, ranks: Mapping[str, int]) -> Markup:
    olds = _name_all(event.before, event.before_sizes, {})
    news = _name_all(event.after, event.after_sizes, ranks)
    word = node("b", _EVENT_WORDS[event.kind])
    if event.kind == "vanished":
        return node("li", olds, " ", word)
    if event.kind in ("born", "revived", "kept"):
        return node("li", news, " ", word, _render_common(event))
    return node("li", olds, " ", word, " into ", news, _render_common(event))


def _render_common(event: LineageEvent) -> Markup | None:
    if not event.shared:
        return node("span", ", matched by likeness", class_="quiet") if event.by else None
    return node("span", f", {write_count(event.shared, 'image')} in common", class_="quiet")


def _name_all(names: tuple[str, ...], sizes: tuple[int, ...], ranks: Mapping[str, int]) -> Markup:
    parts = []
    for place, (name, size) in enumerate(zip(names, sizes, strict=True)):
        link = node("code", name)
        if name in ranks:
            link = node("a", f"Type {ranks[name]}", href=f"#type-{ranks[name]}", title=name)
        parts.append(node("span", ", " if place else None, link, f" ({write_count(size)})"))
    return join(parts, "")
