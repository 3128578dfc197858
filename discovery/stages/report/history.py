"""What became of the proposals of the round before: merged, split, born, vanished."""

from collections.abc import Mapping

from discovery.pages.html import Markup, join, node
from discovery.pages.words import write_count
from discovery.records import LineageEntry, LineageEvent

_WORDS = {
    "merged": "merged",
    "split": "split",
    "vanished": "has gone",
    "born": "is new",
    "revived": "is back",
    "kept": "has other images than before",
}
_SHOWN = 40  # events; all are in lineage.jsonl


def render_history(entry: LineageEntry | None, ranks: Mapping[str, int]) -> Markup | None:
    """Render the last entry of the lineage; None where there is no round before, or no change.

    Parameters
    ----------
    entry : LineageEntry or None
    ranks : mapping of proposal id to its rank on this page
    """
    if entry is None or not entry.events:
        return None
    lines = join(_render_event(event, ranks) for event in entry.events[:_SHOWN])
    left = len(entry.events) - _SHOWN
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
    word = node("b", _WORDS[event.kind])
    if event.kind in ("vanished",):
        return node("li", olds, " ", word)
    if event.kind in ("born", "revived", "kept"):
        return node("li", news, " ", word, _tell_common(event))
    return node("li", olds, " ", word, " into ", news, _tell_common(event))


def _tell_common(event: LineageEvent) -> Markup | None:
    if not event.shared:
        return node("span", ", matched by likeness", class_="quiet") if event.by else None
    return node("span", f", {write_count(event.shared, 'image')} in common", class_="quiet")


def _name_all(names: tuple[str, ...], sizes: tuple[int, ...], ranks: Mapping[str, int]) -> Markup:
    parts = []
    for place, (name, size) in enumerate(zip(names, sizes, strict=True)):
        code = node("code", name)
        shown = node("a", code, href=f"#type-{ranks[name]}") if name in ranks else code
        comma = ", " if place else None
        parts.append(node("span", comma, shown, f" ({write_count(size)})"))
    return Markup("".join(parts))
