"""Figures in plain words: shares and intervals, short names of classes, and honest sentences.

What a test cannot tell apart is called a tie here, whichever figure happens to be higher.
"""

from collections.abc import Mapping, Sequence
from typing import Any

DASH = "\u2013"
THIN = "\u202f"
GAP = "\u00a0"  # before a unit, where no line may break
_SIGNIFICANT = 0.05
_NEGLIGIBLE = 0.01  # an error of confidence nobody acts upon


def write_count(count: int, noun: str = "") -> str:
    """Write a count with thin spaces, and its noun in the right number."""
    figure = f"{count:,}".replace(",", THIN)
    return f"{figure} {noun}{'' if count == 1 else 's'}" if noun else figure


def write_share(share: float | None) -> str:
    """Write a share of [0, 1] in percent; what is not quite all or nothing never looks so."""
    if share is None:
        return DASH
    percent = 100 * share
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


def shorten_labels(labels: Sequence[str]) -> list[str]:
    """Shorten label paths to their last parts, as many as it takes to tell them apart."""
    parts = [label.split("/") for label in labels]
    longest = max(map(len, parts), default=1)
    short = list(labels)
    for kept in range(longest, 0, -1):
        tails = ["/".join(path[-kept:]) for path in parts]
        short = [
            tail if tails.count(tail) == 1 else said
            for tail, said in zip(tails, short, strict=True)
        ]
    return short


def compare_with_flat(scores: Mapping[str, Any]) -> tuple[str, str]:
    """Say in one word and one sentence who is better, the cascade or the flat classifier."""
    difference = scores["flat_difference"]
    if difference is None:
        return "unknown", "No flat classifier was scored beside the cascade."
    cascade, flat = difference["cascade_only_right"], difference["flat_only_right"]
    if not cascade + flat:
        return "tie", (
            "The cascade is no better than the flat classifier here: both get the same images "
            "right. What it adds is how far down the tree it can vouch for an answer."
        )
    counted = (
        f"of the {write_count(cascade + flat, 'image')} that only one of them gets right, the "
        f"cascade has {write_count(cascade)} and the flat classifier {write_count(flat)}"
    )
    p = write_p(difference["p"])
    if difference["p"] >= _SIGNIFICANT:
        return "tie", (
            f"The cascade is no better than the flat classifier here, and no worse: {counted}, "
            f"which chance alone could do ({p}, exact McNemar test)."
        )
    word = "better" if cascade > flat else "worse"
    return word, (
        f"The cascade is {word} than the flat classifier here: {counted} ({p}, exact McNemar test)."
    )


def judge_calibration(scores: Mapping[str, Any]) -> str:
    """Say whether confidences can be taken at their word, and how much of the error is chance."""
    ece, chance = scores["ece"], scores["ece_by_chance"]
    gap = scores["mean_confidence"] - scores["accuracy"]
    stray = _expect_stray(scores["reliability"])
    says = (
        f"Confidences miss the accuracy by {100 * ece:.1f} points on average; so few images would "
        f"show about {100 * chance:.1f} even if every confidence were exact."
    )
    if abs(gap) > max(2 * stray, _NEGLIGIBLE):
        word = "high" if gap > 0 else "low"
        return f"{says} They are too {word}: {100 * abs(gap):.1f} points overall."
    # Over 15 bins the error strays by about a fifth of its expectation.
    if ece > max(1.5 * chance, _NEGLIGIBLE):
        return f"{says} They are too high in places and too low in others: see the diagram."
    return f"{says} They can be taken at their word."


def list_confusions(confusion: Mapping[str, Any], *, limit: int = 10) -> list[tuple[str, str, int]]:
    """List the most frequent confusions as (truth, answer, count), most frequent first."""
    labels = confusion["labels"]
    wrong = [
        (labels[i], labels[j], count)
        for i, row in enumerate(confusion["matrix"])
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(wrong, key=lambda found: (-found[2], found[0], found[1]))[:limit]


def _expect_stray(bins: Sequence[Mapping[str, Any]]) -> float:
    """Expect how far the accuracy of all images strays from exact confidences (one sigma)."""
    variance = sum(row["n"] * row["confidence"] * (1 - row["confidence"]) for row in bins)
    return float(max(variance, 0.0) ** 0.5 / sum(row["n"] for row in bins))
