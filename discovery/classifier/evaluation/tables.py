"""Tables of the page: one builder for all, and the rows of levels, classes, variants and types.

Every table has a caption, its columns and rows are named for screen readers, and it scrolls
sideways by itself where the screen is narrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from discovery.pages.html import Markup, join, node
from discovery.pages.table import Cell, frame_wide, render_bar
from discovery.pages.table import render_table as build_table
from discovery.pages.words import write_count, write_figure, write_interval, write_share

_LEVELS_CAPTION = (
    "The forced answer, cut to each level; precision, recall and F1 are means, every class alike"
)


def render_table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Markup:
    """Render a table whose first column names the row and whose others are figures."""
    table = build_table(rows, columns=columns, caption=node("span", caption))
    return frame_wide(table, caption)


def render_share(share: float | None, interval: Sequence[float] | None = None) -> Markup:
    """Write a share with its bar, and its interval where there is one."""
    said = node("b", write_share(share))
    range_ = node("span", write_interval(interval), class_="range") if interval else None
    return node("div", said, range_, render_bar(share or 0), class_="share")


def render_path(label: str, *, marked: int | None = None) -> Markup:
    """Write a label path that may break after a slash; from part `marked` on it stands out."""
    parts = label.split("/")
    kept = len(parts) if marked is None else marked
    written: list[Cell] = []
    for i, part in enumerate(parts):
        shown = part if i == len(parts) - 1 else f"{part}/"
        written += [node("b", shown) if i >= kept else shown, node("wbr")]
    return node("bdi", *written, class_="path")


def render_levels(scores: Mapping[str, Any]) -> Markup:
    """Render one row a level, and the answer at the truth's own depth as the last."""
    levels = {**scores["levels"], "Own depth of each truth": scores["final"]}
    columns = ("Level", "Images", "Classes", "Accuracy, 95 % interval", "Given the level above",
               "Precision", "Recall", "F1")  # fmt: skip
    rows = [
        (
            name,
            write_count(level["n"]),
            write_count(sum(row["n"] > 0 for row in level["classes"].values())),
            render_share(level["accuracy"], level["accuracy_interval"]),
            write_share(level.get("accuracy_given_parent")),
            *(write_figure(level[measure], 3) for measure in ("precision", "recall", "f1")),
        )
        for name, level in levels.items()
    ]
    return render_table(_LEVELS_CAPTION, columns, rows)


def render_classes(level: Mapping[str, Any], caption: str) -> Markup:
    """Render precision, recall and F1 of each class, the biggest class first."""
    ordered = sorted(level["classes"].items(), key=lambda item: (-item[1]["n"], item[0]))
    rows: list[Sequence[Cell]] = [
        (
            render_path(label),
            write_count(row["n"]),
            render_share(row["precision"]),
            render_share(row["recall"]),
            render_share(row["f1"]),
        )
        for label, row in ordered
    ]
    means = [render_share(level[measure]) for measure in ("precision", "recall", "f1")]
    rows.append((node("b", "Mean, every class alike"), write_count(level["n"]), *means))
    return render_table(caption, ("Class", "Images", "Precision", "Recall", "F1"), rows)


def render_ablation(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Render what each part of the classifier is worth, or say that nobody looked."""
    if not rows:
        return node("p", "Not measured: no variant was scored beside the whole.", class_="quiet")
    best = max(row["accuracy"] for row in rows)
    cells = [
        (
            node("bdi", row["name"]),
            write_count(row["n"]),
            render_share(row["accuracy"], row.get("accuracy_interval")),
            write_figure(row.get("f1"), 3),
            "best" if row["accuracy"] == best else f"\u2212{100 * (best - row['accuracy']):.1f}",
        )
        for row in rows
    ]
    columns = ("Variant", "Images", "Accuracy, 95 % interval", "F1", "Points to best")
    return render_table("The same images, parts of the classifier left out", columns, cells)


def render_left_out(summary: Mapping[str, Any] | None) -> Markup:
    """Render how well each type is found to be unknown when it was not trained on."""
    if summary is None or not summary["types"]:
        text = "Not measured: no type was left out of training to see whether it is noticed."
        return node("p", text, class_="quiet")
    rows: list[Sequence[Cell]] = [
        (
            render_path(row["label"]),
            write_count(row["n_unknown"]),
            write_figure(row["auroc"], 3),
            render_share(row["recall_at_5_false_alarms"]),
        )
        for row in summary["types"]
    ]
    mean = summary["mean"]
    rows.append(
        (
            node("b", "Mean, every type alike"),
            write_count(sum(row["n_unknown"] for row in summary["types"])),
            write_figure(mean["auroc"], 3),
            render_share(mean["recall_at_5_false_alarms"]),
        )
    )
    columns = ("Type left out", "Images", "AUROC", "Found at 5 % false alarms")
    return render_table("Types the classifier never saw, the hardest first", columns, rows)


def render_noise(noise: Mapping[str, Any] | None, gate: Mapping[str, Any] | None) -> Markup:
    """Render accuracy by noise, and what is known of the noise gate."""
    parts = []
    if noise is None:
        parts.append(node("p", "Noise was not measured on these images.", class_="quiet"))
    else:
        rows = [
            (
                f"{name}: {100 * band['low']:.2g} to {100 * band['high']:.2g} %",
                write_count(band["n"]),
                render_share(band["accuracy"]),
                render_share(band["coverage"]),
            )
            for name, band in zip(("Quiet", "Middle", "Noisy"), noise["bands"], strict=False)
        ]
        columns = ("Noise, share of grey range", "Images", "Accuracy", "Named")
        parts.append(render_table("Accuracy by noise of the image", columns, rows))
    if gate:
        parts.append(render_table("Noise gate", ("Figure", "Value"), list_facts(gate)))
    else:
        parts.append(node("p", "Nothing is known of the noise gate.", class_="quiet"))
    return node("div", join(parts), class_="halves")


def list_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List JSON-ready facts as rows; nested ones are named `outer, inner`."""
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        said = str(name).replace("_", " ")
        if isinstance(value, Mapping):
            rows += [(f"{said}, {inner}", text) for inner, text in list_facts(value)]
        elif isinstance(value, list | tuple):
            rows.append((said, ", ".join(_write_value(one) for one in value)))
        else:
            rows.append((said, _write_value(value)))
    return rows


def _write_value(value: Any) -> str:
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
