"""The frame of a small plot as SVG: axes, ticks and grid lines, data to pixels.

Sizes are attributes and colours classes, because the page's Content-Security-Policy forbids
inline styles.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from discovery.pages.html import Markup, join, node

WIDTH, HEIGHT = 460, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 12, 46


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Ranges of both axes, in data units; what lies outside is drawn at the edge."""

    x: tuple[float, float]
    y: tuple[float, float]

    def __post_init__(self) -> None:
        if not (self.x[0] < self.x[1] and self.y[0] < self.y[1]):
            raise ValueError(f"ranges {self.x} and {self.y} are empty")

    def place_x(self, value: float) -> float:
        """Move a value along x to its pixel."""
        return _LEFT + _scale(value, self.x) * (WIDTH - _LEFT - _RIGHT)

    def place_y(self, value: float) -> float:
        """Move a value along y to its pixel; up is more."""
        return HEIGHT - _BOTTOM - _scale(value, self.y) * (HEIGHT - _TOP - _BOTTOM)


def render_plot(
    frame: Frame, content: Iterable[Markup], *, names: tuple[str, str], alternative: str
) -> Markup:
    """Render a plot of shares with its axes named, and a text that says what it shows."""
    parts = [_render_ticks_x(frame), _render_ticks_y(frame), *content, _render_names(names)]
    return node(
        "svg",
        join(parts),
        class_="plot",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=alternative,
    )


def draw_line(frame: Frame, points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Draw a line through points in data units."""
    places = [f"{frame.place_x(x):.1f} {frame.place_y(y):.1f}" for x, y in points]
    return node("path", d="M" + "L".join(places), class_=class_)


def draw_dot(frame: Frame, point: tuple[float, float], class_: str) -> Markup:
    """Draw a round mark at a point in data units."""
    x, y = frame.place_x(point[0]), frame.place_y(point[1])
    return node("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5, class_=class_)


def list_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """List round values inside a range: steps of 1, 2 or 5 times a power of ten."""
    steps = (base * 10.0**power for power in range(-5, 1) for base in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def _scale(value: float, limits: Sequence[float]) -> float:
    return min(max((value - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)


def _render_ticks_x(frame: Frame) -> Markup:
    base = HEIGHT - _BOTTOM
    return join(
        node(
            "g",
            node("path", d=f"M{frame.place_x(tick):.1f} {_TOP}V{base}", class_="grid"),
            node(
                "text",
                _write_tick(tick),
                x=f"{frame.place_x(tick):.1f}",
                y=base + 17,
                text_anchor="middle",
            ),
        )
        for tick in list_ticks(*frame.x)
    )


def _render_ticks_y(frame: Frame) -> Markup:
    return join(
        node(
            "g",
            node("path", d=f"M{_LEFT} {frame.place_y(tick):.1f}H{WIDTH - _RIGHT}", class_="grid"),
            node(
                "text",
                _write_tick(tick),
                x=_LEFT - 7,
                y=f"{frame.place_y(tick) + 4:.1f}",
                text_anchor="end",
            ),
        )
        for tick in list_ticks(*frame.y)
    )


def _render_names(names: tuple[str, str]) -> Markup:
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    return join(
        [
            node("text", names[0], x=(_LEFT + WIDTH - _RIGHT) / 2, y=HEIGHT - 8,
                 text_anchor="middle", class_="name"),
            node("text", names[1], x=-middle, y=14, transform="rotate(-90)",
                 text_anchor="middle", class_="name"),
        ]
    )  # fmt: skip


def _write_tick(value: float) -> str:
    return f"{100 * value:.3g}\u00a0%"
