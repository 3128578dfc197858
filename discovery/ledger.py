"""The ledger decisions.jsonl: appended to, never rewritten, and replayed to know what holds now.

    append_decisions(run.path / LEDGER, [decision])
    decided = replay_decisions(read_decisions(run.path / LEDGER))

What holds: a decision on single images wins over one on a proposal, whichever came first; among
decisions of the same scope the later one wins. A label stays with the image ids it was given to.
"""

import errno
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from io import FileIO
from pathlib import Path
from typing import Any

from discovery.records import Decided, Decision, ImageLabel
from embeddings.console import get_logger
from embeddings.errors import RunError
from embeddings.locks import locked

_FIELDS = frozenset(field.name for field in fields(Decision))


def append_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """Append decisions in one write and put them on the disk.

    A last line torn by a crash is taken away first: its writer was never told it was kept.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    if not decisions:
        return
    lines = "".join(_format_decision(decision) + "\n" for decision in decisions)
    try:
        # Unbuffered: what a full disk refused must not be tried again when the file is closed.
        with path.open("ab", buffering=0) as file, locked(path):
            end, missing = _find_end(path.read_bytes())
            try:
                file.truncate(end)
                _write_all(file, missing + lines.encode())
            except OSError:
                # Half of what a full disk refused must not stand before what comes next.
                os.truncate(path, end)
                raise
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; nothing was recorded") from error


def read_decisions(path: Path) -> list[Decision]:
    """Read the ledger; one that does not exist is empty. A torn last line is left out and logged.

    Raises
    ------
    RunError
        Any other line cannot be read; names it.
    """
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    decisions = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue  # after the last line break
        try:
            decisions.append(_parse_decision(line))
        except (ValueError, TypeError) as error:
            if number == len(lines):
                get_logger().warning("%s: the last line was torn by a crash, left out", path)
                break
            raise RunError(
                f"{path}, line {number} cannot be read ({error}): restore it from a copy"
            ) from error
    return decisions


def replay_decisions(decisions: Iterable[Decision]) -> Decided:
    """Say what the decisions come to, taken in their order."""
    own: dict[str, ImageLabel] = {}  # by a decision on the image; empty label: on purpose
    shared: dict[str, tuple[str, ImageLabel]] = {}  # by one on a proposal, and which
    history: defaultdict[str, set[ImageLabel]] = defaultdict(set)
    proposals: dict[str, Decision] = {}
    definitions: dict[str, str] = {}
    for decision in decisions:
        if decision.label and decision.note:
            definitions[decision.label] = decision.note
        if decision.scope == "image":
            _decide_images(decision, own)
        else:
            _decide_proposal(decision, shared)
            if decision.verdict != "defer":
                proposals[decision.proposal_id] = decision
        for image_id in decision.image_ids:
            history[image_id].add(_current(image_id, own, shared))
    labels = {image_id: _current(image_id, own, shared) for image_id in history}
    return Decided(
        images={image_id: label for image_id, label in labels.items() if label.label},
        history={image_id: frozenset(labels) for image_id, labels in history.items()},
        proposals=proposals,
        definitions=definitions,
    )


def _decide_images(decision: Decision, own: dict[str, ImageLabel]) -> None:
    label = ImageLabel(label=decision.label, source="human", by=decision.by, at=decision.at)
    for image_id in decision.image_ids:
        if decision.verdict == "accept":
            own[image_id] = label
        elif decision.verdict == "reject":
            own[image_id] = ImageLabel()
        else:
            own.pop(image_id, None)


def _decide_proposal(decision: Decision, shared: dict[str, tuple[str, ImageLabel]]) -> None:
    label = ImageLabel(label=decision.label, source="cluster", by=decision.by, at=decision.at)
    for image_id in decision.image_ids:
        if decision.label:
            shared[image_id] = (decision.proposal_id, label)
        elif decision.verdict != "defer" and shared.get(image_id, ("",))[0] == decision.proposal_id:
            # Only its own label: the image may bear one from another proposal of an earlier run.
            del shared[image_id]


def _current(
    image_id: str, own: dict[str, ImageLabel], shared: dict[str, tuple[str, ImageLabel]]
) -> ImageLabel:
    if image_id in own:
        return own[image_id]
    return shared[image_id][1] if image_id in shared else ImageLabel()


def _format_decision(decision: Decision) -> str:
    return json.dumps(asdict(decision), ensure_ascii=False)


def _parse_decision(line: bytes) -> Decision:
    values: Any = json.loads(line)
    if not isinstance(values, dict) or values.keys() - _FIELDS:
        raise ValueError("not a decision")
    return Decision(**{**values, "image_ids": tuple(values.get("image_ids", ()))})


def _write_all(file: FileIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())


def _find_end(data: bytes) -> tuple[int, bytes]:
    """Return where the next line starts in the ledger, and the line break missing before it."""
    whole = data.rfind(b"\n") + 1
    try:
        _parse_decision(data[whole:])
    except (ValueError, TypeError):
        return whole, b""  # nothing, or a torn line
    return len(data), b"\n"  # only the line break was lost
