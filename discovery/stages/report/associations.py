"""What a proposal's images have in common: a small table, and their places on the wafer as SVG.

Drawn from `Proposal.associations` alone, as the enrichment writes it. What follows from a stronger
association is folded away, and what rests on one wafer says so.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from discovery.pages.html import Markup, join, node
from discovery.pages.table import Cell, render_table
from discovery.pages.words import DASH, GAP, write_count, write_share

RADIUS = 100  # of the wafer, in the drawing's units
_SMALL = 1e-4  # below, a p is not worth its digits
_UNSURE = 0.05  # a p over wafers above it: the images may agree since they share a wafer
_STRIP_HALF_WIDTH = 0.04  # in radii: as the scan has it


def render_associations(associations: Mapping[str, Any]) -> Markup | None:
    """Render the associations and the wafer map of one proposal; None where there is nothing."""
    found: Sequence[Mapping[str, Any]] = associations.get("found", ())
    signature, places = associations.get("signature"), associations.get("map")
    warning, note = associations.get("warning"), str(associations.get("note", ""))
    parts = [node("p", f"This type {warning}.", class_="doubt")] if warning else []
    if note:
        parts.insert(0, node("p", f"{note[:1].upper()}{note[1:]}.", class_="doubt"))
    if signature is not None and places is not None:
        parts.append(_render_wafer(signature, places))
    if found:
        parts.append(_render_found(found))
    if not parts:
        return None
    return node("section", join(parts), class_="associated", aria_label="In common")


def render_wafer_map(signature: Mapping[str, Any], places: Mapping[str, Any]) -> Markup:
    """Draw the members over all images of the round on the wafer, notch down, and the zone."""
    r = RADIUS
    outline = f"M-5 {r}A{r} {r} 0 1 1 5 {r}L0 {r - 7}Z"
    marks = [
        node("path", d=outline, class_="edge"),
        node("path", d=_dot(places["ground"]), class_="ground"),
        node("path", d=_dot(places["points"]), class_="points"),
    ]
    zone = outline_zone(signature["kind"], signature["measures"], radius=r)
    if zone:
        # Under the points, over the wafer.
        marks.insert(1, node("path", d=zone, class_="zone", fill_rule="evenodd"))
    title = f"Wafer map of {write_count(places['known'], 'image')}: {signature['name']}"
    return node(
        "svg",
        node("title", title),
        join(marks),
        class_="wafer",
        viewBox=f"{-r - 6} {-r - 6} {2 * r + 12} {2 * r + 14}",
        role="img",
        aria_label=title,
    )


def _render_wafer(signature: Mapping[str, Any], places: Mapping[str, Any]) -> Markup:
    # x and y in turn.
    drawn = len(places["points"]) // 2
    less = f"; {drawn} drawn" if drawn < places["known"] else ""
    note = f"{write_count(places['known'], 'place')} from {places['source']}{less}"
    name = str(signature["name"])
    return node(
        "figure",
        render_wafer_map(signature, places),
        node(
            "figcaption",
            node("b", name[0].upper() + name[1:]),
            node("span", _describe_signature(signature)),
            node("span", note, class_="quiet"),
        ),
    )


def _describe_signature(signature: Mapping[str, Any]) -> str:
    """Say what the name rests on."""
    size = signature["size"]
    if signature["p"] is None:
        return f"{write_count(size, 'place')} known: too few to name a pattern"
    p = f"p {_write_p(signature['p'])}".replace(" ", GAP)
    if not signature["measures"]:
        return f"no pattern that all images do not have, {p}"
    share_in = write_share(signature["count"] / size)
    share_out = write_share(signature["others"] / signature["rest"] if signature["rest"] else 0.0)
    place = _name_place(signature["kind"], signature["measures"])
    return f"{share_in} {place}, {share_out} of all others, {p}"


def _name_place(kind: str, measures: Sequence[float]) -> str:
    if kind == "in die":
        return "at one place in the die"
    if kind == "in shot":
        columns, rows, column, row = (int(measure) for measure in measures)
        return f"at die ({column}, {row}) of every {columns} \u00d7 {rows} dies"
    return "in the marked zone"


def _render_found(found: Sequence[Mapping[str, Any]]) -> Markup:
    # What follows from another is no second reason: it is there for whoever looks.
    firm = [one for one in found if not one.get("explained_by")]
    weak = [one for one in found if one.get("explained_by")]
    parts = [_render_table(firm, "In common")]
    if weak:
        summary = node("summary", f"{len(weak)} more, explained by these")
        parts.append(node("details", summary, _render_table(weak, None)))
    return node("div", join(parts), class_="found-in-common")


def _render_table(found: Sequence[Mapping[str, Any]], caption: str | None) -> Markup:
    return render_table(
        [_list_cells(one) for one in found],
        columns=("", "This type", "All others", "Behind it", "q"),
        caption=caption,
        classes=("", "", "", "", "number"),
    )


def _list_cells(one: Mapping[str, Any]) -> tuple[Cell, ...]:
    """Return the cells of one association: what, here, elsewhere, units behind it, and its q."""
    names = ", ".join([str(one["column"]), *(one.get("same_as") or ())])
    by, missing = one.get("explained_by"), one.get("missing")
    exact = f"p = {one['p']:.3g}, q = {one['q']:.3g}, {_name_effect(one)} {one['effect']:.3g}"
    what = (
        node("bdi", names),
        node("bdi", str(one["value"]), class_="value"),
        node("span", f"follows from {by}", class_="quiet") if by else None,
    )
    here = (
        node("b", write_share(one["count"] / one["size"])),
        node("span", f"{one['count']} of {one['size']}", class_="quiet"),
        node("span", f"{missing} not known", class_="quiet") if missing else None,
    )
    return (
        join(what, ""),
        join(here, ""),
        write_share(one["others"] / one["rest"] if one["rest"] else 0.0),
        _render_units(one),
        node("bdi", _write_p(one["q"]).removeprefix("= "), title=exact),
    )


def _name_effect(one: Mapping[str, Any]) -> str:
    return "rank-biserial r =" if one["kind"] == "number" else "odds ratio"


def _render_units(one: Mapping[str, Any]) -> Markup:
    """Say how many wafers and lots are behind, and warn where they are too few."""
    units = [
        write_count(one[name], noun)
        for name, noun in (("wafers", "wafer"), ("lots", "lot"))
        if one.get(name) is not None
    ]
    doubt = None
    if one.get("wafers") == 1 and "wafer" not in one["column"].lower():
        doubt = "all from one wafer"
    elif one.get("wafer_p") is not None and one["wafer_p"] > _UNSURE:
        doubt = "too few wafers to be sure"
    return join(
        [
            node("span", ", ".join(units) if units else DASH),
            node("span", doubt, class_="doubt") if doubt else None,
        ],
        "",
    )


def _write_p(p: float) -> str:
    """Write a p or q: two digits, and no more zeros than anyone reads."""
    if p < _SMALL:
        return f"< {_SMALL:.4f}"
    return f"= {p:.2g}" if math.isfinite(p) else "not known"


def _dot(places: Sequence[int]) -> str:
    """Return one path of dots (a stroke with round ends) at x, y, x, y, ... in thousandths."""
    scale = RADIUS / 1000
    pairs = zip(places[::2], places[1::2], strict=True)
    return "".join(f"M{x * scale:.1f} {-y * scale:.1f}h0" for x, y in pairs)


def outline_zone(kind: str, measures: Sequence[float], *, radius: float) -> str:
    """Return the outline of a zone; empty for a kind that has no place on the wafer.

    Parameters
    ----------
    kind : str
        ``disc``, ``ring``, ``sector`` or ``strip``, as the signature says.
    measures : sequence of float
        In wafer radii, y upwards, angles in degrees anticlockwise from three o'clock.
    radius : float
        Of the wafer, in the drawing's units.
    """
    if kind == "disc":
        x, y, r = measures
        return _draw_circle(x, y, r, radius)
    if kind == "ring":
        x, y, inner, outer = measures
        return _draw_circle(x, y, outer, radius) + _draw_circle(x, y, inner, radius)
    if kind == "sector":
        inner, middle, width = measures
        if width >= 360:
            return _draw_circle(0, 0, 1, radius) + _draw_circle(0, 0, inner, radius)
        return _draw_sector(inner, middle, width, radius=radius)
    if kind == "strip":
        return _draw_strip(measures, radius)
    return ""


def _draw_circle(x: float, y: float, r: float, radius: float) -> str:
    left, top, side = _round((x - r) * radius), _round(-y * radius), _round(r * radius)
    right = _round((x + r) * radius)
    arc = f"A{side} {side} 0 1 1"
    return f"M{left} {top}{arc} {right} {top}{arc} {left} {top}Z"


def _draw_sector(inner: float, middle: float, width: float, *, radius: float) -> str:
    start, stop = math.radians(middle - width / 2), math.radians(middle + width / 2)
    large = int(width > 180)
    outer, near = _round(radius), _round(inner * radius)
    corners = [
        _point(r * math.cos(angle), r * math.sin(angle), radius)
        for r, angle in ((1.0, start), (1.0, stop), (inner, stop), (inner, start))
    ]
    # On a screen, whose y runs downwards, anticlockwise is sweep 0.
    return (
        f"M{corners[0]}A{outer} {outer} 0 {large} 0 {corners[1]}"
        f"L{corners[2]}A{near} {near} 0 {large} 1 {corners[3]}Z"
    )


def _draw_strip(measures: Sequence[float], radius: float) -> str:
    angle, offset, middle, length = measures
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = []
    for along, across in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        u, v = middle + along * length / 2, offset + across * _STRIP_HALF_WIDTH
        corners.append(_point(u * cos - v * sin, u * sin + v * cos, radius))
    return "M" + "L".join(corners) + "Z"


def _point(x: float, y: float, radius: float) -> str:
    return f"{_round(x * radius)} {_round(-y * radius)}"


def _round(value: float) -> str:
    return f"{value:.1f}"
