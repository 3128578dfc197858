"""Figures in plain words, the same on every page: counts, shares, durations, short labels."""

import json
from collections.abc import Sequence
from typing import Any

DASH = "\u2013"
THIN = "\u202f"  # between thousands
GAP = "\u00a0"  # before a unit, where no line may break


def write_count(count: int, noun: str = "") -> str:
    """Write a count with thin spaces, and its noun in the right number."""
    figure = f"{count:,}".replace(",", THIN)
    return f"{figure} {noun}{'' if count == 1 else 's'}" if noun else figure


def write_share(share: float | None) -> str:
    """Write a share of [0, 1] in percent; what is not quite all or nothing never looks so."""
    if share is None:
        return DASH
    percent = 100 * share
    # 49,999 of 50,000 images are not all: 100.0 % would say that nothing is left to look at.
    if 0 < percent < 0.1:
        return f"<{GAP}0.1{GAP}%"
    if 99.9 < percent < 100:
        return f">{GAP}99.9{GAP}%"
    return f"{percent:.{0 if percent in (0, 100) else 1}f}{GAP}%"


def write_interval(interval: Sequence[float] | None) -> str:
    """Write a 95 % interval of a share."""
    if interval is None:
        return DASH
    low, high = (f"{100 * end:.1f}" for end in interval)
    return f"{low}{DASH}{high}{GAP}%"


def write_figure(value: float | None, digits: int = 2) -> str:
    """Write a plain figure with a real minus sign."""
    return DASH if value is None else f"{value:.{digits}f}".replace("-", "\u2212")


def write_p(p: float) -> str:
    """Write a p-value with two significant digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def write_seconds(seconds: float) -> str:
    """Write a duration the way a person would say it."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def write_value(value: Any, width: int = 160) -> str:
    """Write any JSON-ready value on one line of at most `width` characters."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, float):
        text = f"{value:.4g}"
    return text if len(text) <= width else f"{text[: width - 1]}\u2026"


def shorten_labels(labels: Sequence[str]) -> list[str]:
    """Shorten label paths to their last parts, as many as it takes to tell them apart."""
    parts = [label.split("/") for label in labels]
    longest = max(map(len, parts), default=1)
    short = list(labels)
    for kept in range(longest, 0, -1):
        tails = ["/".join(path[-kept:]) for path in parts]
        short = [
            tail if tails.count(tail) == 1 else longer
            for tail, longer in zip(tails, short, strict=True)
        ]
    return short
