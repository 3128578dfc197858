"""What a proposal's images have in common: a small table, and their places on the wafer as SVG.

Drawn from `Proposal.associations` alone, as the enrichment writes it. What follows from a stronger
association is folded away, and what rests on one wafer says so.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from discovery.pages.html import Markup, join, node
from discovery.pages.words import write_count, write_share
from discovery.stages.report.zones import draw_zone

RADIUS = 100  # of the wafer, in the drawing's units
_SMALL = 1e-4  # below, a p is not worth its digits


def render_associations(associations: Mapping[str, Any]) -> Markup | None:
    """Render the associations and the wafer map of one proposal; None where there is nothing."""
    found: Sequence[Mapping[str, Any]] = associations.get("found", ())
    signature, places = associations.get("signature"), associations.get("map")
    parts = []
    if signature is not None and places is not None:
        parts.append(_render_wafer(signature, places))
    if found:
        parts.append(_render_found(found))
    if not parts:
        return None
    return node("section", join(parts), class_="associated", aria_label="In common")


def render_map(signature: Mapping[str, Any], places: Mapping[str, Any]) -> Markup:
    """Draw the members over all images of the round on the wafer, notch down, and the zone."""
    r = RADIUS
    outline = f"M-5 {r}A{r} {r} 0 1 1 5 {r}L0 {r - 7}Z"
    marks = [
        node("path", d=outline, class_="edge"),
        node("path", d=_dot(places["ground"]), class_="ground"),
        node("path", d=_dot(places["points"]), class_="points"),
    ]
    zone = draw_zone(signature["kind"], signature["measures"], radius=r)
    if zone:
        marks.insert(1, node("path", d=zone, class_="zone", fill_rule="evenodd"))
    said = f"Wafer map of {write_count(places['known'], 'image')}: {signature['name']}"
    return node(
        "svg",
        node("title", said),
        join(marks),
        class_="wafer",
        viewBox=f"{-r - 6} {-r - 6} {2 * r + 12} {2 * r + 14}",
        role="img",
        aria_label=said,
    )


def _render_wafer(signature: Mapping[str, Any], places: Mapping[str, Any]) -> Markup:
    drawn = len(places["points"]) // 2
    less = f"; {drawn} drawn" if drawn < places["known"] else ""
    note = f"{write_count(places['known'], 'place')} from {places['source']}{less}"
    name = str(signature["name"])
    return node(
        "figure",
        render_map(signature, places),
        node(
            "figcaption",
            node("b", name[0].upper() + name[1:]),
            node("span", _tell_signature(signature)),
            node("span", note, class_="quiet"),
        ),
    )


def _tell_signature(signature: Mapping[str, Any]) -> str:
    """Say what the name rests on."""
    size = signature["size"]
    if signature["p"] is None:
        return f"{write_count(size, 'place')} known: too few to name a pattern"
    chance = f"p {write_chance(signature['p'])}".replace(" ", "\u00a0")  # kept on one line
    if not signature["measures"]:
        return f"no pattern that all images do not have, {chance}"
    share_in = write_share(signature["count"] / size)
    share_out = write_share(signature["others"] / signature["rest"] if signature["rest"] else 0.0)
    place = _tell_place(signature["kind"], signature["measures"])
    return f"{share_in} {place}, {share_out} of all others, {chance}"


def _tell_place(kind: str, measures: Sequence[float]) -> str:
    if kind == "in die":
        return "at one place in the die"
    if kind == "in shot":
        columns, rows, column, row = (int(measure) for measure in measures)
        return f"at die ({column}, {row}) of every {columns} \u00d7 {rows} dies"
    return "in the marked zone"


def _render_found(found: Sequence[Mapping[str, Any]]) -> Markup:
    firm = [one for one in found if not one.get("explained_by")]
    weak = [one for one in found if one.get("explained_by")]
    parts = [_render_table(firm, "In common")]
    if weak:
        said = f"{len(weak)} more, explained by these"
        parts.append(node("details", node("summary", said), _render_table(weak, None)))
    return node("div", join(parts), class_="found-in-common")


def _render_table(found: Sequence[Mapping[str, Any]], caption: str | None) -> Markup:
    heads = (("", ""), ("This type", ""), ("All others", ""), ("Behind it", ""), ("q", "number"))
    return node(
        "table",
        node("caption", caption) if caption else None,
        node(
            "thead",
            node(
                "tr",
                join(node("th", head, scope="col", class_=kind or None) for head, kind in heads),
            ),
        ),
        node("tbody", join(_render_row(one) for one in found)),
    )


def _render_row(one: Mapping[str, Any]) -> Markup:
    names = ", ".join([str(one["column"]), *(one.get("same_as") or ())])
    share = one["others"] / one["rest"] if one["rest"] else 0.0
    exact = f"p = {one['p']:.3g}, q = {one['q']:.3g}, {_name_effect(one)} {one['effect']:.3g}"
    by = one.get("explained_by")
    return node(
        "tr",
        node(
            "th",
            node("bdi", names),
            node("bdi", str(one["value"]), class_="value"),
            node("span", f"follows from {by}", class_="quiet") if by else None,
            scope="row",
        ),
        node(
            "td",
            node("b", write_share(one["count"] / one["size"])),
            node("span", f"{one['count']} of {one['size']}", class_="quiet"),
            node("span", f"{one['missing']} not known", class_="quiet")
            if one.get("missing")
            else None,
        ),
        node("td", write_share(share)),
        node("td", *_tell_behind(one)),
        node("td", write_chance(one["q"]).removeprefix("= "), title=exact, class_="number"),
    )


def _name_effect(one: Mapping[str, Any]) -> str:
    return "rank-biserial r =" if one["kind"] == "number" else "odds ratio"


def _tell_behind(one: Mapping[str, Any]) -> tuple[Markup, ...]:
    """Say how many wafers and lots are behind, and a warning where they are too few."""
    units = [
        write_count(one[name], noun)
        for name, noun in (("wafers", "wafer"), ("lots", "lot"))
        if one.get(name) is not None
    ]
    said = [node("span", ", ".join(units) if units else "\u2013")]
    if one.get("wafers") == 1 and "wafer" not in one["column"].lower():
        said.append(node("span", "all from one wafer", class_="doubt"))
    elif one.get("wafer_p") is not None and one["wafer_p"] > 0.05:
        said.append(node("span", "too few wafers to be sure", class_="doubt"))
    return tuple(said)


def write_chance(p: float) -> str:
    """Write a p or q: two digits, and no more zeros than anyone reads."""
    if p < _SMALL:
        return f"< {_SMALL:.4f}"
    return f"= {p:.2g}" if math.isfinite(p) else "not known"


def _dot(places: Sequence[int]) -> str:
    """Return one path of dots (a stroke with round ends) at x, y, x, y, ... in thousandths."""
    scale = RADIUS / 1000
    pairs = zip(places[::2], places[1::2], strict=True)
    return "".join(f"M{x * scale:.1f} {-y * scale:.1f}h0" for x, y in pairs)
