"""The tables and the picture of `review.py`."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from review_engineer import Point

Curves = Mapping[str, Sequence[Sequence[Point]]]  # by way, one curve a seed

OURS = "all of it"
PEERS = ("UMAP + HDBSCAN", "margin sampling")
STYLES = {
    OURS: ("#0b6e99", "-"),
    "validate and grow": ("#7a9e3d", "-"),
    "validate": ("#b08a2e", "--"),
    "naming proposals": ("#8d6cab", "--"),
    "margin sampling": ("#c2412d", "-"),
    "UMAP + HDBSCAN": ("#6b6b6b", "-."),
}


def tabulate(name: str, curves: Curves, *, target: float) -> str:
    """Return a set's table: what each way took to the target, and how the curves compare."""
    margin = np.mean([_reach(one, target, "interactions") for one in curves["margin sampling"]])
    lines = [
        f"### {name}, until {target:.2f} of all labels are right",
        "",
        "| way | interactions | of margin sampling's | images shown | accuracy at its end |",
        "|---|---|---|---|---|",
    ]
    for way, of in curves.items():
        ends = [one[-1].accuracy for one in of]
        taken = [_reach(one, target, "interactions") for one in of]
        shown = [_reach(one, target, "shown") for one in of]
        if np.isnan(taken).any():
            took = "not reached, " + _range([one[-1].interactions for one in of]) + " used"
            share, seen = "-", _range([one[-1].shown for one in of])
        else:
            took, seen = _range(taken), _range(shown)
            share = f"{np.mean(taken) / margin:.2f}"
        lines.append(f"| {way} | {took} | {share} | {seen} | {np.mean(ends):.3f} |")
    return "\n".join([*lines, "", *_compare(curves), *_tell_stops(curves), ""])


def _compare(curves: Curves) -> list[str]:
    """Say where the curve lies lowest below each peer's."""
    lines = []
    for peer in PEERS:
        start = max(_find_two_types(one) for way in (OURS, peer) for one in curves[way])
        stop = max(one[-1].interactions for way in (OURS, peer) for one in curves[way])
        every = np.arange(start, stop + 1)
        gaps = _average(curves[OURS], every) - _average(curves[peer], every)
        worst = int(gaps.argmin())
        lines.append(
            f"{OURS} against {peer}, from {start} interactions on: at worst {gaps[worst]:+.3f}, "
            f"at {every[worst]}; {(gaps < -0.02).mean():.0%} of the way more than .02 below."
        )
    return lines


def _tell_stops(curves: Curves) -> list[str]:
    """Say where the review itself would have told the person to stop, and what was right there."""
    told = []
    for one in curves[OURS]:
        sure = [p for p in one if p.done]
        if sure:
            told.append(f"{sure[0].interactions} (right {sure[0].accuracy:.3f})")
    return [f"The review itself says stop at: {', '.join(told) or 'not before the end'}."]


def read_curve(curve: Sequence[Point], at: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return the accuracy that was had after each number of interactions.

    With the rest labelled by the classifier, or with the labels as they stand: whichever is better.
    """
    plain = [one for one in curve if isnan(one.expected)]
    finished = [one for one in curve if not isnan(one.expected)]
    both = [_hold(points, at) for points in (plain, finished)]
    return np.maximum(*both)


def _hold(points: Sequence[Point], at: NDArray[np.int_]) -> NDArray[np.float64]:
    if not points:
        return np.zeros(len(at))
    taken = np.array([one.interactions for one in points])
    values = np.array([0.0, *(one.accuracy for one in points)])
    return np.asarray(values[np.searchsorted(taken, at, side="right")])


def _average(curves: Sequence[Sequence[Point]], at: NDArray[np.int_]) -> NDArray[np.float64]:
    return np.asarray(np.mean([read_curve(one, at) for one in curves], axis=0))


def _find_two_types(curve: Sequence[Point]) -> int:
    return next((one.interactions for one in curve if one.types >= 2), curve[-1].interactions)


def _reach(curve: Sequence[Point], target: float, what: str) -> float:
    found = [getattr(one, what) for one in curve if one.accuracy >= target]
    return float(found[0]) if found else float("nan")


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    mean = f"{np.mean(values):.0f}"
    return mean if low == high else f"{mean} ({low:.0f} to {high:.0f})"


def draw_curves(found: Mapping[str, Curves], targets: Mapping[str, float], path: Path) -> None:
    """Draw accuracy against interactions, and beside it against images shown."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "review"  # the same picture from the same figures
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        len(found), 2, figsize=(10, 3.1 * len(found)), squeeze=False, sharey="row"
    )
    for (name, curves), row in zip(found.items(), axes, strict=True):
        stop = 1.1 * max(one[-1].interactions for one in curves["margin sampling"])
        for way, (color, line) in STYLES.items():
            at = np.arange(1, int(stop) + 1)
            style = {"color": color, "linestyle": line, "lw": 2 if way == OURS else 1.2}
            row[0].plot(at, _average(curves[way], at), label=way, **style)
            for one in curves[way]:
                best = np.maximum.accumulate([p.accuracy for p in one])
                row[1].plot([p.shown for p in one], best, **style, alpha=0.7)
        row[0].axhline(targets[name], color="#bbbbbb", lw=0.8)
        row[1].axhline(targets[name], color="#bbbbbb", lw=0.8)
        row[0].set(title=name, xlim=(0, stop), ylim=(0, 1), ylabel="labels right, of all images")
        row[1].set(xlabel="images shown", ylim=(0, 1), title="each seed")
        row[0].set_xlabel("interactions")
    axes[0, 0].legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
    plt.close(figure)
