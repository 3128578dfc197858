"""Honest sentences about the figures, and the list of confusions.

What a test cannot tell apart is called a tie here, whichever figure happens to be higher.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from discovery.pages.words import write_count, write_p

_SIGNIFICANT = 0.05
_NEGLIGIBLE = 0.01  # an error of confidence nobody acts upon


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
