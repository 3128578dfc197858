"""The Markdown of `quality.py`: what was run, what must be reached, and a table a set.

Scores are one row a set, route and seed, as `discovery.stages.score` gives them, with a column
`measured` (the date). All functions return lines of text.
"""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from quality_routes import DEFAULT, Recipe, Route
from quality_sets import GIVEN_NORMALS

LEAST_GAP = 0.02  # how far below the best peer's ARI the default may stay
PACKAGES = (
    "torch", "numpy", "scikit-learn", "faiss-gpu", "numba", "umap-learn", "hdbscan", "evoc",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the mean over the seeds of the default must reach on one set."""

    set: str
    figure: str
    bound: float
    is_most: bool = False

    def is_met_by(self, value: float) -> bool:
        """Whether the value is on the right side of the bound."""
        return value <= self.bound if self.is_most else value >= self.bound

    def __str__(self) -> str:
        name = self.figure.replace("_", " ").replace("ari", "ARI").replace("nmi", "NMI")
        if self.figure == "types_found":
            return "all types found"
        return f"{name} {'<=' if self.is_most else '>='} {self.bound:g}"


def _require(name: str, most_decisions: int, **least: float) -> tuple[Target, ...]:
    targets = [Target(set=name, figure=figure, bound=bound) for figure, bound in least.items()]
    most = Target(set=name, figure="decisions", bound=most_decisions, is_most=True)
    return (*targets, most)


TARGETS = (
    *_require("neu_det", 10, ari=0.95, label_accuracy=0.99, coverage=0.98),
    *_require("magnetic_tile", 25, label_accuracy=0.70, coverage=0.85, types_found=1.0),
    *_require(GIVEN_NORMALS, 25, nmi=0.48, label_accuracy=0.80, coverage=0.85),
    *_require("wm811k", 25, ari=0.45, label_accuracy=0.80, coverage=0.92, types_found=1.0),
)


def write_head(command: str, scores: pd.DataFrame, weights: Path) -> list[str]:
    """Say what was run, with what, where and when."""
    days = sorted(set(scores["measured"]))
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    seeds = ", ".join(str(seed) for seed in sorted(set(scores["seed"])))
    return [
        f"`{command}`, {when}. Mean and half the range over the seeds {seeds}.",
        "",
        f"Machine: {_name_machine()}. Python {platform.python_version()}, "
        + ", ".join(_name_version(package) for package in PACKAGES)
        + ".",
        "",
        f"Weights: {weights.name}.",
    ]


def write_targets(scores: pd.DataFrame) -> list[str]:
    """Hold the default against what it must reach, one row a figure."""
    mine = scores[scores["route"] == DEFAULT]
    lines = ["| set | must reach | default | |", "|---|---|---|---|"]
    for target in TARGETS:
        of_set = mine[mine["set"] == target.set]
        if of_set.empty:
            continue
        value = of_set[target.figure].mean()
        shown = f"{value:.1f}" if target.figure == "decisions" else f"{value:.4f}"
        if target.figure == "types_found":
            shown = _show_types(of_set)
        lines.append(f"| {target.set} | {target} | {shown} | {_judge(target.is_met_by(value))} |")
    return lines


def write_gaps(scores: pd.DataFrame, routes: Sequence[Route]) -> list[str]:
    """Hold the default's ARI against the best peer's, on the peers' own vectors."""
    peers = {r.name: r for r in routes if isinstance(r, Recipe) and not r.on_own}
    ari = scores.groupby(["set", "route"], sort=False)["ari"].mean()
    lines = [
        f"| set | default | best peer | its ARI | best peer - default | at most {LEAST_GAP} |"
        " best that is not told k |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in scores["set"].unique():
        of_set = ari[name]
        there = of_set[of_set.index.isin(peers)]
        if DEFAULT not in of_set or there.empty:
            continue
        best = str(there.idxmax())
        gap = there[best] - of_set[DEFAULT]
        free = there[[peer for peer in there.index if not peers[peer].knows_k]]
        untold = f"{free.idxmax()} {free.max():.3f}" if len(free) else "not run"
        lines.append(
            f"| {name} | {of_set[DEFAULT]:.3f} | {best}{_tell_k(peers[best])} | {there[best]:.3f} "
            f"| {gap:+.3f} | {_judge(gap <= LEAST_GAP)} | {untold} |"
        )
    return lines


def write_set(scores: pd.DataFrame, routes: Sequence[Route], name: str) -> list[str]:
    """Show every route on one set; a route that is not there is named all the same."""
    mine = scores[scores["set"] == name]
    n, k = int(mine["n"].max()), int(mine["k_true"].max())
    lines = [
        f"### {name}: {n} images, {k} types",
        "",
        "| route | k known? | NMI | ARI | acc | decisions | coverage | label accuracy | types |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for route in routes:
        of_route = mine[mine["route"] == route.name].sort_values("seed")
        told = "yes" if route.knows_k else "no"
        if of_route.empty:
            why = f"{route.missing} is not installed" if route.missing else "not run"
            lines.append(f"| {route.name} | {told} | {why} |" + " |" * 6)
            continue
        cells = [
            *(_show_spread(of_route[figure]) for figure in ("nmi", "ari", "acc")),
            "/".join(str(int(count)) for count in of_route["decisions"]),
            *(_show_spread(of_route[figure]) for figure in ("coverage", "label_accuracy")),
            _show_types(of_route),
        ]
        shown = f"**{route.name}**" if route.name == DEFAULT else route.name
        lines.append(f"| {shown} | {told} | " + " | ".join(cells) + " |")
    return lines


def _show_spread(values: pd.Series) -> str:
    return f"{values.mean():.3f} ± {np.ptp(values) / 2:.3f}"


def _show_types(rows: pd.DataFrame) -> str:
    counts = (rows["types_found"] * rows["k_true"]).round().astype(int)
    return "/".join(map(str, counts)) + f" of {int(rows['k_true'].max())}"


def _judge(is_met: bool) -> str:
    return "met" if is_met else "**falls short**"


def _tell_k(route: Route) -> str:
    return " (told k)" if route.knows_k else ""


def _name_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def _name_machine() -> str:
    """Name the processor as Linux knows it, the cores, and the GPU if there is one."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{name}, {os.cpu_count()} cores, {device}"
