"""What was measured, as JSON lines: the first says on what, each other one is a measurement."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Key = tuple[str, int, str, int]  # part, size, case, round


@dataclass(slots=True)
class Records:
    """Measurements of one run, kept in a file with every one that is added.

    Attributes
    ----------
    head : dict
        The machine, the day, the plan.
    rows : list of dict
        part, size, case, round, and figures, or `failed` with the reason.
    """

    path: Path
    head: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, key: Key, figures: dict[str, Any]) -> None:
        """Keep one measurement, on disk too."""
        row = dict(zip(("part", "size", "case", "round"), key, strict=True)) | figures
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def find(self, key: Key) -> dict[str, Any] | None:
        """Return a measurement that is there."""
        part, size, case, number = key
        return next((row for row in self.of(part, size, case) if row["round"] == number), None)

    def of(self, part: str, size: int, case: str) -> list[dict[str, Any]]:
        """Return the measurements of a case at a size, by round."""
        wanted = (part, size, case)
        found = [row for row in self.rows if (row["part"], row["size"], row["case"]) == wanted]
        return sorted(found, key=lambda row: int(row["round"]))


def read_records(path: Path) -> Records | None:
    """Return what a file has; a line that was cut off by a kill is left out. None: no such file."""
    if not path.exists():
        return None
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return Records(path, lines[0], lines[1:]) if lines else None


def open_records(path: Path, head: dict[str, Any]) -> Records:
    """Go on with a run that was stopped, if it was of the same machine, versions and options."""
    found = read_records(path)
    same = found is not None and {**found.head, "day": ""} == {**head, "day": ""}
    rows = found.rows if found is not None and same else []
    head = found.head if found is not None and same else head
    save_records(path, head, rows)
    return Records(path, head, list(rows))


def save_records(path: Path, head: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write a file of measurements."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, *rows)), encoding="utf-8")
