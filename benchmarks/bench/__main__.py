"""Measure the parts that are asked for, in turns, and write the page.

Every case of a part is measured once before any is measured again, case after case: what slows the
machine down meanwhile slows all of them. A run that was stopped goes on where it was.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from bench.case import Part, Plan, Task
from bench.machine import describe_machine, today
from bench.page import write_page
from bench.parts import PARTS
from bench.records import Key, Records, open_records, save_records
from bench.runner import ROOT, prepare_part, run_case

RESULTS = ROOT / "benchmarks" / "results"
LIMITS: dict[Plan, float] = {"quick": 120.0, "bench": 900.0, "large": 4 * 3600.0}


def main() -> int:
    """Measure and write."""
    options = read_options()
    plan: Plan = options.plan
    parts = [PARTS[letter] for letter in options.parts.split(",")]
    head = {"plan": plan, "day": today(), "weights": name_of(options.weights),
            "images": name_of(options.images)} | describe_machine()  # fmt: skip
    folder: Path = options.folder.resolve()
    records = open_records(folder / f"{plan}.jsonl", head)
    if not options.write:
        compile_ours()
    until = time.monotonic() + 60 * options.minutes
    task = Task(
        size=0, folder=folder, scratch=folder / "scratch", quick=plan == "quick",
        weights=options.weights and str(Path(options.weights).resolve()),
        images=options.images and options.images.resolve(),
        labels=options.labels and options.labels.resolve(),
    )  # fmt: skip
    if not options.write:
        for turn in list_turns(parts, plan):
            measure_turn(records, task, turn, until=until, limit=LIMITS[plan])
    kept = options.results / f"{'bench' if plan == 'quick' else plan}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    remark = {"remark": options.remark} if options.remark else {}
    save_records(kept, records.head | remark, records.rows)
    write_page(options.out, options.results)
    if not options.write:
        records.path.unlink()  # the next run starts anew
    print(f"measured: {kept.name}; the page: {options.out.name}")
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--plan", choices=get_args(Plan), default="bench")
    parser.add_argument("--quick", action="store_const", const="quick", dest="plan",
                        help="that all parts run, and no more")  # fmt: skip
    parser.add_argument("--parts", default=",".join(PARTS), help="letters, such as a,b")
    parser.add_argument(
        "--minutes", type=float, default=38.0, help="nothing is repeated after them"
    )
    parser.add_argument("--write", action="store_true",
                        help="measure nothing: the page of what a stopped run has")  # fmt: skip
    parser.add_argument("--remark", help="a sentence for the page on this run")
    parser.add_argument("--weights", help="a file of ResNet-50's weights; else random ones")
    parser.add_argument("--images", type=Path, help="for part b: a folder of your own")
    parser.add_argument("--labels", type=Path, help="with --images: a CSV with path and label")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench",
                        help="for what is made, and what has been measured so far")  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS, help="for the measurements")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.md")
    options = parser.parse_args()
    unknown = [letter for letter in options.parts.split(",") if letter not in PARTS]
    if unknown:
        parser.error(f"--parts {options.parts}: expected letters of {', '.join(PARTS)}")
    if (options.images is None) != (options.labels is None):
        parser.error("--images and --labels are given together, or not at all")
    return options


def name_of(path: object) -> str | None:
    """Return the last name of a path, which tells nothing of the machine."""
    return None if path is None else Path(str(path)).name


def compile_ours() -> None:
    """Compile the toolkit's loops as an installation does, in a process of its own."""
    import subprocess  # nosec B404 # this Python, one line of this file

    words = "from discovery.graph.compiled import compile_all; compile_all()"
    subprocess.run([sys.executable, "-c", words], check=True, cwd=ROOT)  # nosec B603 # as above


def list_turns(parts: list[Part], plan: Plan) -> Iterator[tuple[Part, int, int]]:
    """Yield (part, size, round): all parts at their largest size, then the others, then again."""
    rounds = {part.letter: part.rounds if plan == "bench" else 1 for part in parts}
    for number in range(max(rounds.values())):
        for place in range(max(len(part.sizes[plan]) for part in parts)):
            for part in parts:
                sizes = part.sizes[plan][::-1]
                if number < rounds[part.letter] and place < len(sizes):
                    yield part, sizes[place], number


def measure_turn(
    records: Records, task: Task, turn: tuple[Part, int, int], *, until: float, limit: float
) -> None:
    """Measure each case of a part at a size once, those that are there already aside."""
    from dataclasses import replace

    part, size, number = turn
    keys: dict[int, Key] = {
        place: (part.letter, size, case.name, number) for place, case in enumerate(part.cases)
    }
    keys = {
        place: key
        for place, key in keys.items()
        if is_due(records, key, until) and (part.cases[place].quick or not task.quick)
    }
    if not keys:
        return
    task = replace(task, size=size, warm=number == 0 and not task.quick)
    why = prepare_part(part, task, limit=limit)
    for place, key in keys.items():
        if number and time.monotonic() > until:
            return
        figures = {"failed": why} if why else run_case(part, place, task, limit=limit)
        records.add(key, figures)
        said = figures.get("failed") or f"{figures['seconds']:.1f} s"
        print(f"{part.letter} {size} {key[2]} ({number + 1}): {said}", flush=True)


def is_due(records: Records, key: Key, until: float) -> bool:
    """Whether a measurement is wanted: it is not there, it can be had, and there is time."""
    part, size, case, number = key
    first = records.find((part, size, case, 0))
    if records.find(key) is not None:
        return False
    if number == 0:
        return True
    return first is not None and "failed" not in first and time.monotonic() < until


if __name__ == "__main__":
    sys.exit(main())
