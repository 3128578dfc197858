"""The outline of a zone on the wafer as the data of an SVG path: y downwards, centre at 0."""

import math
from collections.abc import Sequence

_HALF_WIDTH = 0.04  # of a strip, in radii: as the scan has it


def draw_zone(kind: str, measures: Sequence[float], *, radius: float) -> str:
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
    left, top, side = _write((x - r) * radius), _write(-y * radius), _write(r * radius)
    right = _write((x + r) * radius)
    arc = f"A{side} {side} 0 1 1"
    return f"M{left} {top}{arc} {right} {top}{arc} {left} {top}Z"


def _draw_sector(inner: float, middle: float, width: float, *, radius: float) -> str:
    start, stop = math.radians(middle - width / 2), math.radians(middle + width / 2)
    large = int(width > 180)
    outer, near = _write(radius), _write(inner * radius)
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
        u, v = middle + along * length / 2, offset + across * _HALF_WIDTH
        corners.append(_point(u * cos - v * sin, u * sin + v * cos, radius))
    return "M" + "L".join(corners) + "Z"


def _point(x: float, y: float, radius: float) -> str:
    return f"{_write(x * radius)} {_write(-y * radius)}"


def _write(value: float) -> str:
    return f"{value:.1f}"
