"""Write docs/benchmarks.md from the measurements that are kept."""

import math
import statistics
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.case import Case, Part, Plan
from bench.parts import PARTS
from bench.records import Records, read_records

Row = dict[str, Any]
COLUMNS = (
    "who", "runs", "s, cold", "s, warm", "CPU s", "a second", "peak GB", "ARI", "clusters",
    "times ours, cold", "warm", "CPU", "remarks",
)  # fmt: skip
HEAD = """\
# Benchmarks

`make bench` and `make bench-large` measure what stands here, and write this page: each row is a
process of its own, and the rows of a table took turns. Both make an environment for the peers,
`.venv-bench`.

- **s, cold** is the median over the runs of the whole work in a new process, imports and what numba
  compiles in it included; in parts d, e and f reading the rows is left out. **s, warm** is the same
  work a second time in the process, where that was measured (once). This toolkit's own loops were
  compiled before, as an installation does it.
- **times ours** is the seconds of a row divided by those of the first row of its table, round by
  round: above 1 the first row is faster. Warm is the row's warm seconds by the first row's, its
  cold ones where it has no warm ones. CPU is the ratio of processor seconds, which hardly depends
  on what else the machine does, but does not see who uses all cores.
- **peak GB** is the memory of the largest process, Python, imports and data included; **CPU s** is
  processor time of all processes of the work.
- **ARI** is the agreement with the truth, noise as one cluster; **clusters** are those beside
  noise.
- **Growth** is the exponent p of time ~ n^p between two sizes (cold; warm where both have it); of a
  few seconds, which are mostly imports, it says little.
"""


def write_page(out: Path, results: Path) -> None:
    """Write the page of both plans."""
    lines = [HEAD]
    for plan, title in (("bench", "To 50,000 vectors and 900 images"), ("large", "Large")):
        command = "make bench" if plan == "bench" else "make bench-large"
        lines += [f"## {title}: `{command}`", ""]
        records = read_records(results / f"{plan}.jsonl")
        shown: Any = records.head["plan"] if records else plan
        if records is None:
            records = Records(results / f"{plan}.jsonl", {})
            lines += ["Not measured yet.", ""]
        else:
            lines += [*describe_run(records), ""]
        for part in PARTS.values():
            lines += write_part(part, records, shown)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def describe_run(records: Records) -> Iterator[str]:
    """Yield the machine, the versions and the load of a run."""
    head = records.head
    yield textwrap.fill(
        f"{head['day']}, {head['processor']}, {head['cores']} cores, {head['memory_gb']} GB, "
        f"{head['system']}, Python {head['python']}; "
        + ", ".join(f"{name} {version}" for name, version in head["versions"].items())
        + ".",
        100,
    )
    weights = head["weights"] or "random: ARI of ResNet-50 says nothing"
    yield from ("", f"Weights of ResNet-50: {weights}; lite has its own.", "")
    others = [row["others"] for row in records.rows if "others" in row]
    if others:
        yield textwrap.fill(
            f"Other processes used {100 * statistics.median(others):.0f} % of the cores meanwhile "
            f"(median; at most {100 * max(others):.0f} % during one measurement): where that is "
            "more than a few, seconds are too long, and ratios are what counts.",
            100,
        )
    if "remark" in head:
        yield from ("", textwrap.fill(head["remark"], 100))


def write_part(part: Part, records: Records, plan: Plan) -> Iterator[str]:
    """Yield a part's text, a table a size, and how its times grow."""
    sizes = part.sizes[plan]
    if not sizes:
        return
    # The second section does the same at other sizes: it says so once.
    text = part.text if plan != "large" or not part.sizes["bench"] else "As above."
    yield from (f"### {part.letter}. {part.title}", "", textwrap.fill(text, 100), "")
    for size in sizes:
        if any(records.of(part.letter, size, case.name) for case in part.cases):
            yield from (f"{size:,} {part.unit}:", "", *write_table(part, size, records), "")
        else:
            names = "; ".join(case.name for case in part.cases)
            yield from (f"{size:,} {part.unit}: not measured yet ({names}).", "")
    yield from write_growth(part, sizes, records)


def write_table(part: Part, size: int, records: Records) -> Iterator[str]:
    """Yield the table of a size."""
    found = {case.name: records.of(part.letter, size, case.name) for case in part.cases}
    rows = [describe_case(case, size, found) for case in part.cases]
    used = [place for place in range(len(COLUMNS)) if any(row[place] for row in rows)]
    used = sorted({0, len(COLUMNS) - 1, *used})
    yield "| " + " | ".join(COLUMNS[place] for place in used) + " |"
    yield "|---" * len(used) + "|"
    for row in rows:
        yield "| " + " | ".join(row[place] for place in used) + " |"


def describe_case(case: Case, size: int, found: dict[str, list[Row]]) -> list[str]:
    """Return the cells of a case."""
    done = [row for row in found[case.name] if "failed" not in row]
    blank = [""] * len(COLUMNS)
    if not done:
        failed = [row["failed"] for row in found[case.name]]
        return [case.name, *blank[1:-1], failed[0] if failed else "not measured yet"]
    first = [row for row in next(iter(found.values())) if "failed" not in row]
    cold = find_median(done, "seconds")
    rate = f"{size / cold:,.{0 if size / cold > 100 else 1}f}" if cold else ""
    groups = "/".join(
        str(one) for one in dict.fromkeys(row["groups"] for row in done if "groups" in row)
    )
    failed = [f"{len(found[case.name]) - len(done)} failed"] * (len(done) < len(found[case.name]))
    return [
        case.name,
        str(len(done)),
        show(cold),
        show(find_median(done, "warm")),
        show(find_median(done, "cpu")),
        rate,
        f"{find_median(done, 'peak_mb') / 1024:.2f}",
        show_range([row["ari"] for row in done if "ari" in row]),
        groups,
        *([""] * 3 if done == first else compare(done, first)),
        "; ".join([*failed, *{row["note"]: 0 for row in done[:1] if "note" in row}]),
    ]


def compare(done: Sequence[Row], first: Sequence[Row]) -> tuple[str, str, str]:
    """Return how many times the first case's seconds a case took: cold, warm, of processors."""
    of = {row["round"]: row["seconds"] for row in first}
    ratios = [row["seconds"] / of[row["round"]] for row in done if row["round"] in of]
    warm, base = (
        find_median(done, "warm"),
        find_median(first, "warm") or find_median(first, "seconds"),
    )
    used, least = find_median(done, "cpu"), find_median(first, "cpu")
    return (
        f"{statistics.median(ratios):.2f}" if ratios else "",
        f"{warm / base:.2f}" if warm and base else "",
        f"{used / least:.2f}" if used and least else "",
    )


def write_growth(part: Part, sizes: Sequence[int], records: Records) -> Iterator[str]:
    """Yield the exponents of all cases that were measured at two sizes."""
    said = []
    for case in part.cases:
        rows = [records.of(part.letter, size, case.name) for size in (sizes[0], sizes[-1])]
        done = [[row for row in one if "failed" not in row] for one in rows]
        if len(sizes) < 2 or not all(done):
            continue
        step = math.log(sizes[-1] / sizes[0])
        powers = []
        for kind in ("seconds", "warm"):
            before, after = (find_median(one, kind) for one in done)
            powers.append(f"{math.log(after / before) / step:.2f}" if before and after else "")
        cold, warm = powers
        said.append(f"{case.name} {cold}" + (f" (warm {warm})" if warm else ""))
    if said:
        yield from (f"Growth from {sizes[0]:,} to {sizes[-1]:,}: {'; '.join(said)}.", "")


def find_median(rows: Sequence[Row], name: str) -> float:
    """Return the median of a figure, 0 where none has it."""
    found = [row[name] for row in rows if row.get(name) is not None]
    return float(statistics.median(found)) if found else 0.0


def show(seconds: float) -> str:
    """Return seconds in three digits, nothing of none."""
    shown: Callable[[float], str] = lambda s: f"{s:.2f}" if s < 10 else f"{s:.1f}"  # noqa: E731
    return "" if not seconds else shown(seconds) if seconds < 100 else f"{seconds:.0f}"


def show_range(values: Sequence[float]) -> str:
    """Return the least and the largest of scores, one where they are alike."""
    if not values:
        return ""
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low} to {high}"
