"""Label Studio's export comes back: JSON, or JSON-MIN, with what people chose for each task.

A task is of the image that its data name (`image_id`, else `path`, else the picture's own bytes
where it can be read). A task that nobody has answered, or that was skipped, says nothing; one
whose answer was cleared takes the label away. Predictions are nobody's answers.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from discovery.formats.handoff.decide import Judged
from discovery.formats.label_studio import CONTROL, LOCAL_FILES
from discovery.formats.returned import Returned, place_labels, raise_faults, read_base
from discovery.records import Handoff, ImageLabel, find_label_fault, tidy_label
from embeddings.bounded import parse_json
from embeddings.errors import HandoffError, ImageError
from embeddings.images import fingerprint_file

_KINDS = ("choices", "taxonomy")  # the results that name a type


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one person chose for one task."""

    task: str
    label: str
    by: str
    at: str
    is_truth: bool = False


def read_label_studio(path: Path, *, written: Handoff) -> Returned:
    """Read the answers of an export of Label Studio.

    Parameters
    ----------
    written : Handoff
        The run's own handoff as it is now.

    Raises
    ------
    HandoffError
        The file is no export, an answer is no label, people chose differently, or no task is of
        this run: every fault is named with its task.
    """
    faults: list[str] = []
    answers: defaultdict[str, list[_Answer]] = defaultdict(list)
    bases: dict[str, ImageLabel] = {}
    strangers: list[str] = []
    find = _Finder(written)
    tasks = _read_tasks(path)
    for number, task in enumerate(tasks, start=1):
        name = f"task {task.get('id', f'number {number} of the file')!s:.40}"
        data = task["data"] if isinstance(task.get("data"), dict) else task
        try:
            given = list(_read_answers(task, name))
            image_id = find(data) if given else None
        except ValueError as error:
            faults.append(f"{name}: {error}")
            continue
        if given and image_id is None:
            shown = f"{name} ({data.get('image', data.get('path', 'no image'))!s:.200})"
            strangers.append(" ".join(shown.split()))
        elif image_id is not None:
            answers[image_id] += given
            bases[image_id] = read_base(data)
    chosen = {image_id: _agree(given, faults) for image_id, given in answers.items()}
    raise_faults(str(path), faults)
    if not chosen:
        asked = f"{len(strangers)} of its tasks are answered, " if strangers else "no task is "
        raise HandoffError(
            f"{path}: {asked}{'and none is of an image of this run' if strangers else 'answered'}"
            f" ({len(tasks)} tasks): expected an export of the tasks that --format label-studio "
            "wrote"
        )
    labels = {image_id: answer.label for image_id, answer in chosen.items()}
    return Returned(
        handoff=place_labels(written, labels, bases),
        judged={one: Judged(by=answer.by, at=answer.at) for one, answer in chosen.items()},
        strangers=tuple(strangers),
    )


def _read_tasks(path: Path) -> list[dict[str, Any]]:
    try:
        values = parse_json(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise HandoffError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise HandoffError(f"{path} is not JSON ({error}): export it anew") from error
    tasks = values if isinstance(values, list) else [values]
    if not tasks or not all(isinstance(task, dict) for task in tasks):
        raise HandoffError(
            f"{path} is no export of Label Studio: expected a list of tasks (JSON or JSON-MIN)"
        )
    return tasks


class _Finder:
    """Finds the run's image that a task is of."""

    def __init__(self, written: Handoff) -> None:
        rows = written.rows
        self.ids = frozenset(rows["image_id"].tolist())
        self.by_path: defaultdict[str, set[str]] = defaultdict(set)
        for image_id, path in zip(rows["image_id"], rows["path"], strict=True):
            self.by_path[path].add(image_id)

    def __call__(self, data: Mapping[str, Any]) -> str | None:
        """Return its id; None where it is of none.

        Raises
        ------
        ValueError
            It may be several.
        """
        image_id = str(data.get("image_id"))
        if image_id in self.ids:
            return image_id
        url = str(data.get("image", ""))
        local = "/" + unquote(url.partition(LOCAL_FILES)[2]).lstrip("/")
        for path in (str(data.get("path", "")), local if LOCAL_FILES in url else url):
            ids = self.by_path.get(path, set()) or self.find_content(path)
            if len(ids) > 1:
                raise ValueError(
                    f"{path} holds {len(ids)} images of the run: expected image_id in its data"
                )
            if ids:
                return next(iter(ids))
        return None

    def find_content(self, path: str) -> set[str]:
        if not path.startswith("/") or not Path(path).is_file():
            return set()
        try:
            return {fingerprint_file(Path(path))} & self.ids
        except ImageError:
            return set()


def _read_answers(task: Mapping[str, Any], name: str) -> Iterator[_Answer]:
    """Yield what people chose for a task.

    Raises
    ------
    ValueError
        A choice is no label; the text says what came and what was expected.
    """
    given = task.get("annotations", task.get("completions"))
    if given is None:  # JSON-MIN: an answer a record, its data around it
        if task.get("annotation_id") is not None or CONTROL in task:
            by, at = _read_person(task.get("annotator")), _read_time(task)
            yield _Answer(task=name, label=_read_label(task.get(CONTROL, [])), by=by, at=at)
        return
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ValueError(f"annotations are {given!r:.40}, expected a list of annotations")
    for one in given:
        if one.get("was_cancelled") or one.get("skipped"):
            continue
        yield _Answer(
            task=name,
            label=_read_label(_read_results(one.get("result") or [])),
            by=_read_person(one.get("completed_by")),
            at=_read_time(one),
            is_truth=bool(one.get("ground_truth")),
        )


def _read_results(results: Any) -> Any:
    """Return the value of the one result that names a type."""
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise ValueError(f"the result is {results!r:.40}, expected a list of results")
    naming = [one for one in results if one.get("type") in _KINDS]
    # A project may ask for more than the type.
    own = [one for one in naming if one.get("from_name") == CONTROL] or naming
    names = sorted({str(one.get("from_name")) for one in own})
    if len(names) > 1:
        raise ValueError(f"choices of {' and '.join(names)} came, expected those of {CONTROL!r}")
    if len(own) > 1:
        raise ValueError(f"{len(own)} results of {CONTROL!r} came, expected one")
    if not own:
        return []
    kind, value = own[0]["type"], own[0].get("value")
    chosen = value.get(kind) if isinstance(value, dict) else value
    if kind == "taxonomy" and isinstance(chosen, list):
        # Each is a path from the general to the particular, as a label is.
        return ["/".join(map(str, path)) if isinstance(path, list) else path for path in chosen]
    return chosen


def _read_label(value: Any) -> str:
    """Return the label of a choice: a text, one in a list, or a path in a taxonomy."""
    if isinstance(value, dict):  # JSON-MIN, where several were chosen
        value = value.get("choices", value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        raise ValueError(f"the choices {value} came, expected one")
    if value == []:
        return ""  # cleared
    label = tidy_label(value) if isinstance(value, str) else ""
    if not label:
        raise ValueError(f"the choice {value!r:.60} came, expected the name of a type")
    if fault := find_label_fault(label):
        raise ValueError(fault)
    return label


def _read_person(value: Any) -> str:
    """Return who answered: a mail address, a name, or the number of a user."""
    if isinstance(value, dict):
        names = (str(value.get(key) or "") for key in ("first_name", "last_name"))
        return str(value.get("email") or value.get("username") or " ".join(names).strip())
    if isinstance(value, str) and not value.isdigit():
        return value
    return "" if value is None else f"label-studio user {value}"


def _read_time(values: Mapping[str, Any]) -> str:
    text = values.get("updated_at") or values.get("created_at")
    if text is None:
        return ""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        raise ValueError(f"the time {text!r} came, expected ISO 8601") from None
    # Label Studio writes UTC, and says so but for old versions.
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat(timespec="seconds")


def _agree(given: Sequence[_Answer], faults: list[str]) -> _Answer:
    """Return the last of answers that say the same; what is marked as the truth goes first."""
    counted = [answer for answer in given if answer.is_truth] or list(given)
    labels = sorted({answer.label for answer in counted})
    if len(labels) > 1:
        tasks = ", ".join(dict.fromkeys(answer.task for answer in counted))
        said = " and ".join(
            f"{answer.label or 'nothing'!r}" + (f" ({answer.by})" if answer.by else "")
            for answer in counted
        )
        faults.append(f"{tasks}: {said} were chosen, expected one: mark one as ground truth")
    return max(counted, key=lambda answer: answer.at)
