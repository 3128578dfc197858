"""Run one case in a process of its own, and say what it took, or why it failed."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess  # nosec B404 # this package's own child, without a shell
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from bench.case import Case, Part, Task
from bench.machine import find_version

ROOT = Path(__file__).resolve().parents[2]
_PATH = re.compile(r"(?:/[\w.+-]+){2,}/?")  # of this machine: no page names one


def run_case(part: Part, number: int, task: Task, *, limit: float) -> dict[str, Any]:
    """Return the figures of a case, or {"failed": why}; others' use of the cores beside them."""
    case = part.cases[number]
    if (why := find_hindrance(case, task.size)) is not None:
        return {"failed": why}
    return _run_child(part.letter, str(number), task, limit=limit)


def prepare_part(part: Part, task: Task, *, limit: float) -> str | None:
    """Make what the cases work on; return why that failed, if it did."""
    failed = _run_child(part.letter, "prepare", task, limit=limit).get("failed")
    return None if failed is None else f"its data were not made: {failed}"


def find_hindrance(case: Case, size: int) -> str | None:
    """Say why a case cannot be run here at this size; None where it can."""
    missing = [name for name in case.needs if find_version(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    return case.why if case.most is not None and size > case.most else None


def _run_child(letter: str, which: str, task: Task, *, limit: float) -> dict[str, Any]:
    shutil.rmtree(task.scratch, ignore_errors=True)
    task = replace(task, scratch=task.scratch / which)
    task.scratch.mkdir(parents=True)
    told, out = task.scratch / "task.json", task.scratch / "figures.json"
    told.write_text(json.dumps(task.to_json()), encoding="utf-8")
    command = [sys.executable, "-m", "bench.child", letter, which, str(told), str(out)]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "benchmarks")))
    env = os.environ | {"PYTHONPATH": paths, "PYTHONWARNINGS": "ignore", "TQDM_DISABLE": "1"}
    busy, started = _count_busy(), time.perf_counter()
    with (task.scratch / "said").open("w", encoding="utf-8") as said:
        process = subprocess.Popen(  # nosec B603 # this Python, words of this package
            command, stdout=said, stderr=said, cwd=ROOT, env=env, start_new_session=True
        )
        status, used = _wait(process, started + limit)
    seconds = time.perf_counter() - started
    if status is None:
        figures: dict[str, Any] = {"failed": f"stopped after {limit / 60:.0f} minutes"}
    elif status or not out.exists():
        figures = {"failed": _find_reason(task.scratch / "said", status)}
    else:
        figures = json.loads(out.read_text(encoding="utf-8"))
    others = (_count_busy() - busy - used) / (seconds * (os.cpu_count() or 1))
    shutil.rmtree(task.scratch, ignore_errors=True)
    return figures | {"others": round(max(0.0, others), 3)}


def _wait(process: "subprocess.Popen[bytes]", until: float) -> tuple[int | None, float]:
    """Return the exit status, None where it was stopped, and the processor seconds used."""
    stopped = False
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            spent = used.ru_utime + used.ru_stime
            return (None if stopped else process.returncode), spent
        if time.perf_counter() > until and not stopped:
            stopped = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its own session: no one else's process
        time.sleep(0.05)


def _count_busy() -> float:
    """Return the seconds that all cores together have worked since the machine started."""
    found = psutil.cpu_times()
    return float(found.user + found.system + found.nice)


def _find_reason(said: Path, status: int) -> str:
    """Return the last line that a process said, without paths."""
    lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if status < 0:
        return f"ended by signal {-status}" + (" (out of memory?)" if status == -9 else "")
    reason = _PATH.sub("(path)", lines[-1] if lines else f"exit code {status}")
    return reason.removeprefix("bench.meter.CommandError: ").replace("|", "/")[:200]
