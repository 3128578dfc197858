"""The process of one measurement: `python -m bench.child PART CASE TASK.json OUT.json`.

CASE is the position of a case, or `prepare`. This module imports next to nothing, so that the
memory of a case is its own.
"""

import json
import sys
from pathlib import Path

from bench.case import Task
from bench.parts import PARTS


def main(letter: str, which: str, told: str, out: str) -> None:
    """Run one case, and write its figures."""
    part, task = PARTS[letter], Task.from_json(json.loads(Path(told).read_text(encoding="utf-8")))
    figures = {}
    if which == "prepare":
        part.prepare(task)
    else:
        figures = part.cases[int(which)].run(task)
    Path(out).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
