"""`make bench`: every part runs at tiny sizes, what cannot run says why, and nothing is lost."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join((str(ROOT), str(ROOT / "benchmarks")))
ENVIRONMENT = {**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def run(folder, *words):
    places = ("--folder", folder / "work", "--results", folder, "--out", folder / "page.md")
    command = [sys.executable, "-m", "bench", *map(str, (*places, *words))]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )


def read_rows(folder):
    lines = (folder / "bench.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[1:]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "letters", [*(pytest.param(one, marks=pytest.mark.long) for one in ("a", "b", "c,g")), "d,e,f"]
)
def test_every_part_runs_and_a_peer_that_is_not_here_says_so(tmp_path, letters):
    from bench.parts import PARTS

    done = run(tmp_path, "--quick", "--parts", letters)
    assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path)
    cases = [(part, case) for part in letters.split(",") for case in PARTS[part].cases]
    asked = [(part, case.name) for part, case in cases if case.quick]
    assert asked == [(row["part"], row["case"]) for row in rows]
    packages = {"evoc": "evoc", "fast-hdbscan": "fast_hdbscan", "fast-plscan": "fast_plscan",
                "onnx": "onnx", "onnxruntime": "onnxruntime", "openvino": "openvino"}  # fmt: skip
    absent = {name for name, module in packages.items() if find_spec(module) is None}
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    for row in rows:
        case = next(one for one in PARTS[row["part"]].cases if one.name == row["case"])
        missing = [name for name in case.needs if name in absent]
        if missing:
            assert row["failed"] == f"{', '.join(missing)} not installed"
            assert row["failed"] in page
        else:
            assert {"seconds", "cpu", "peak_mb"} <= set(row), row
    for part in letters.split(","):
        assert f"### {part}. {PARTS[part].title}" in page
    assert str(ROOT) not in page


def make_part(run_one, **options):
    from bench.case import Case, Part

    cases = (Case(name="first", run=run_one, **options),)
    return Part(letter="z", title="Z", text="", unit="rows", prepare=lambda _: None, cases=cases,
                sizes={"bench": (10, 100)})  # fmt: skip


def test_what_a_failure_says_names_no_path(tmp_path):
    from bench.case import Task
    from bench.parts import PARTS
    from bench.runner import run_case

    # No rows were made, and there is no folder to make them in.
    blocked = tmp_path / "deep" / "file"
    blocked.parent.mkdir()
    blocked.write_text("")
    task = Task(size=10, folder=blocked, scratch=tmp_path / "scratch")
    found = run_case(PARTS["e"], 0, task, limit=60)
    assert found["failed"].startswith("FileExistsError")
    assert str(tmp_path) not in found["failed"]
    assert not (tmp_path / "scratch" / "0").exists()


def test_what_takes_too_long_is_stopped_and_says_so(tmp_path):
    from bench.case import Task
    from bench.parts import PARTS
    from bench.runner import run_case

    task = Task(size=300, folder=tmp_path, scratch=tmp_path / "scratch")
    found = run_case(PARTS["e"], 0, task, limit=0)
    assert found["failed"] == "stopped after 0 minutes"


def test_a_case_is_not_asked_for_more_than_it_can():
    from bench.runner import find_hindrance

    case = make_part(dict, most=20, why="too slow").cases[0]
    assert find_hindrance(case, 20) is None
    assert find_hindrance(case, 21) == "too slow"
    assert (
        find_hindrance(make_part(dict, needs=("no-such",)).cases[0], 1) == "no-such not installed"
    )


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    from bench.records import open_records

    path, head = tmp_path / "bench.jsonl", {"plan": "bench", "day": "2026-01-01", "cores": 2}
    open_records(path, head).add(("d", 10, "hdbscan", 0), {"seconds": 1.5})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"part": "d", "si')  # what a kill leaves
    again = open_records(path, {**head, "day": "2026-01-02"})
    assert again.find(("d", 10, "hdbscan", 0))["seconds"] == 1.5
    again.add(("d", 10, "hdbscan", 1), {"seconds": 2.5})
    kept = open_records(path, head).of("d", 10, "hdbscan")
    assert [row["seconds"] for row in kept] == [1.5, 2.5]
    assert open_records(path, {**head, "cores": 4}).rows == []


def test_ratios_are_taken_round_by_round_and_growth_between_sizes(tmp_path):
    from bench.case import Case
    from bench.page import describe_case, write_growth
    from bench.records import Records

    records = Records(tmp_path / "records.jsonl", {})
    for number, (ours, theirs) in enumerate([(1.0, 2.0), (10.0, 30.0), (2.0, 8.0)]):
        for size in (10, 100):
            scale = (size / 10) ** 2
            records.add(("z", size, "first", number), {"seconds": scale * ours, "peak_mb": 1024})
            records.add(("z", size, "other", number), {"seconds": scale * theirs, "peak_mb": 512})
    part = make_part(dict)
    found = {name: records.of("z", 10, name) for name in ("first", "other")}
    cells = describe_case(Case(name="other", run=dict), 10, found)
    assert cells[:3] == ["other", "3", "8.00"]  # runs, and the median
    assert cells[6] == "0.50"  # gigabytes
    assert cells[9] == "3.00"  # of 2, 3 and 4; that of the medians were 4
    assert next(write_growth(part, (10, 100), records)).endswith("first 2.00.")


def test_what_was_not_measured_stands_there_as_not_measured(tmp_path):
    from bench.page import write_page

    write_page(tmp_path / "page.md", tmp_path)
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "### g. A million stored vectors" in page
    assert "1,000,000 vectors: not measured yet (**ours**)." in page
    assert page.count("Not measured yet.") == 2


def test_a_stopped_run_has_a_page_of_what_it_measured_and_can_go_on(tmp_path):
    from bench.machine import describe_machine, today
    from bench.records import open_records

    head = {"plan": "bench", "day": today(), "weights": None, "images": None} | describe_machine()
    stopped = tmp_path / "work" / "bench.jsonl"
    figures = {"seconds": 12.5, "cpu": 20.0, "peak_mb": 2048, "ari": 0.75}
    open_records(stopped, head).add(("f", 50_000, "**ours**", 0), figures)
    done = run(tmp_path, "--write", "--remark", "Measured by lamplight.")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "Measured by lamplight." in page
    assert "| **ours** | 1 | 12.5 |" in page
    assert "| FAISS |" in page
    assert stopped.exists()


def test_an_unknown_part_is_refused(tmp_path):
    done = run(tmp_path, "--parts", "a,x")
    assert done.returncode == 2
    assert "--parts a,x: expected letters of a, b, c, d, e, f, g" in done.stderr
