"""Tables of the page: levels, confusions, classes, variants, types left out, noise.

Every table has a caption, its columns and rows are named for screen readers, and it scrolls
sideways by itself where the screen is narrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from discovery.pages.html import Markup, join, node
from discovery.pages.table import Cell, frame_wide, render_bar, render_table
from discovery.pages.words import (
    shorten_labels,
    write_count,
    write_figure,
    write_interval,
    write_share,
)

_STEPS = 10  # .right1 to .right10 and .wrong1 to .wrong10 in evaluation.css
MOST_CLASSES = 60  # beyond, a matrix is megabytes that nobody reads: the list of confusions stays
_OPEN = 8  # a matrix of so few classes is shown without a click
_MEASURES = ("precision", "recall", "f1")
_LEVELS_CAPTION = (
    "The forced answer, cut to each level; precision, recall and F1 are means, every class alike"
)


def render_wide_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> Markup:
    """Render a table whose first column names the row and whose others are figures."""
    table = render_table(rows, columns=columns, caption=node("span", caption))
    return frame_wide(table, caption)


def render_share(share: float | None, interval: Sequence[float] | None = None) -> Markup:
    """Write a share with its bar, and its interval where there is one."""
    figure = node("b", write_share(share))
    range_ = node("span", write_interval(interval), class_="range") if interval else None
    return node("div", figure, range_, render_bar(share or 0), class_="share")


def render_path(label: str, *, marked: int | None = None) -> Markup:
    """Write a label path that may break after a slash; from part `marked` on it stands out."""
    parts = label.split("/")
    kept = len(parts) if marked is None else marked
    written: list[Cell] = []
    for i, part in enumerate(parts):
        text = part if i == len(parts) - 1 else f"{part}/"
        # <wbr>: a long path may break after each slash and nowhere else.
        written += [node("b", text) if i >= kept else text, node("wbr")]
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
            *(write_figure(level[measure], 3) for measure in _MEASURES),
        )
        for name, level in levels.items()
    ]
    return render_wide_table(_LEVELS_CAPTION, columns, rows)


def render_matrices(scores: Mapping[str, Any]) -> Markup:
    """Render the final matrix, then one a level; big ones of levels stay folded."""
    levels = scores["levels"]
    final = scores["final"]["confusion"]
    parts = [
        node("div", render_matrix(final, _describe_size(scores["final"])), class_="final"),
        _render_frequent(final),
    ]
    for name, level in levels.items():
        confusion = level["confusion"]
        if confusion == final:  # twice the same matrix would look like two findings
            text = f"{name}: the same as above, every truth is that deep."
            parts.append(node("p", text, class_="quiet"))
            continue
        few = len(confusion["labels"]) <= _OPEN
        inside = render_matrix(confusion, _describe_size(level))
        # <details> folds without a script, which the page's policy would not run.
        summary = node("summary", f"Level {name}")
        parts.append(node("details", summary, inside, open=few))
    return node("div", join(parts), class_="matrices")


def render_matrix(confusion: Mapping[str, Any], caption: str) -> Markup:
    """Render one confusion matrix: rows are true classes, columns answers."""
    labels, matrix = confusion["labels"], confusion["matrix"]
    if len(labels) > MOST_CLASSES:
        text = f"{caption}: {len(labels)} classes are too many for a matrix; see metrics.json."
        return node("p", text, class_="quiet")
    # Columns are narrow: the last parts, with the whole path as their title.
    short = shorten_labels(labels)
    columns = join(
        node("th", node("span", node("bdi", name)), scope="col", title=label)
        for name, label in zip(short, labels, strict=True)
    )
    corner = node("td", node("span", "true \u2193  answered \u2192"), class_="corner")
    head = node("tr", corner, columns, node("th", node("span", "images"), scope="col"))
    rows = join(_render_row(i, label, matrix[i]) for i, label in enumerate(labels))
    table = node(
        "table",
        node("caption", node("span", caption)),
        node("thead", head),
        node("tbody", rows),
        class_="matrix",
    )
    return frame_wide(table, f"Confusion matrix: {caption}")


def render_classes(level: Mapping[str, Any], caption: str) -> Markup:
    """Render precision, recall and F1 of each class, the biggest class first."""
    # The biggest first: the order of the alphabet would hide what decides the accuracy.
    ordered = sorted(level["classes"].items(), key=lambda item: (-item[1]["n"], item[0]))
    named = [(render_path(label), row) for label, row in ordered]
    named.append((node("b", "Mean, every class alike"), level))
    rows = [
        (name, write_count(row["n"]), *(render_share(row[measure]) for measure in _MEASURES))
        for name, row in named
    ]
    return render_wide_table(caption, ("Class", "Images", "Precision", "Recall", "F1"), rows)


def render_ablation(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Render what each part of the classifier is worth, or say that nobody looked."""
    if not rows:
        return node("p", "Not measured: no variant was scored beside the whole.", class_="quiet")
    # In points to the best, as differences of a percent matter and shares look alike.
    best = max(row["accuracy"] for row in rows)
    depths = list(rows[0].get("levels", {}))
    cells = [
        (
            node("bdi", row["name"]),
            write_count(row["n"]),
            render_share(row["accuracy"], row.get("accuracy_interval")),
            *(write_figure(row["levels"][depth], 3) for depth in depths),
            write_figure(row.get("f1"), 3),
            "best" if row["accuracy"] == best else f"\u2212{100 * (best - row['accuracy']):.1f}",
        )
        for row in rows
    ]
    columns = ("Variant", "Images", "Accuracy, 95 % interval", *depths, "F1", "Points to best")
    return render_wide_table("The same images, by parts of the classifier alone", columns, cells)


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
    return render_wide_table("Types the classifier never saw, the hardest first", columns, rows)


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
        parts.append(render_wide_table("Accuracy by noise of the image", columns, rows))
    if gate:
        parts.append(render_wide_table("Noise gate", ("Figure", "Value"), list_facts(gate)))
    else:
        parts.append(node("p", "Nothing is known of the noise gate.", class_="quiet"))
    return node("div", join(parts), class_="halves")


def list_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List JSON-ready facts as rows; nested ones are named `outer, inner`."""
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        text = str(name).replace("_", " ")
        if isinstance(value, Mapping):
            rows += [(f"{text}, {inner}", written) for inner, written in list_facts(value)]
        elif isinstance(value, list | tuple):
            rows.append((text, ", ".join(_write_value(one) for one in value)))
        else:
            rows.append((text, _write_value(value)))
    return rows


def list_confusions(confusion: Mapping[str, Any], *, limit: int = 10) -> list[tuple[str, str, int]]:
    """List the most frequent confusions as (truth, answer, count), most frequent first."""
    labels = confusion["labels"]
    wrong = [
        (labels[i], labels[j], count)
        for i, row in enumerate(confusion["matrix"])
        for j, count in enumerate(row)
        if i != j and count
    ]
    # Equal counts by name: the page is the same twice.
    return sorted(wrong, key=lambda found: (-found[2], found[0], found[1]))[:limit]


def _describe_size(level: Mapping[str, Any]) -> str:
    right = write_share(level["accuracy"])
    return f"{write_count(level['n'], 'image')}, {right} on the diagonal; shaded by row"


def _render_row(i: int, label: str, counts: list[int]) -> Markup:
    total = sum(counts)  # images of the true class: cells are shaded by their share of it
    cells = join(
        node("td", write_count(count), class_=_shade(count, total, right=i == j))
        for j, count in enumerate(counts)
    )
    head = node("th", render_path(label), scope="row")
    return node("tr", head, cells, node("td", write_count(total), class_="total"))


def _shade(count: int, total: int, *, right: bool) -> str:
    """Name the class of a cell: any count at all has a visible shade."""
    if not count:
        return "zero"
    # A single image of thousands is a confusion too, and must not look like none.
    step = max(1, round(_STEPS * count / total))
    return f"{'right' if right else 'wrong'}{step}"


def _render_frequent(confusion: Mapping[str, Any]) -> Markup:
    found = list_confusions(confusion)
    if not found:
        return node("p", "No image was answered wrongly.")
    items = join(
        node(
            "li",
            node("b", write_count(count)),
            node("span", render_path(truth), " answered as ", render_path(answer)),
        )
        for truth, answer, count in found
    )
    return node("div", node("h3", "Most frequent confusions"), node("ol", items), class_="frequent")


def _write_value(value: Any) -> str:
    if value is None:
        return "\u2013"
    if isinstance(value, bool):  # before numbers: True is an int
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
