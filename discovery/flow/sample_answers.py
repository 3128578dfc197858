"""What a sample of a set's pictures showed, kept in the run's folder.

So a later round looks at no picture for it, and a run does not change its view for a handful of new
images.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from discovery.flow.sources import RoundSource
from embeddings.bounded import parse_json
from embeddings.files import write_bytes

MOST: Final = 128  # pictures looked at
STEP: Final = 32  # of them before it is asked whether that is enough
_OUTGROWN = 2  # times as many images as then: it is looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleAnswer:
    """What is kept of any look at a sample.

    Attributes
    ----------
    images : int
        In the set at that time.
    looked_at : int
        Pictures of the sample that could be read.
    spec : str
        Hash of the spec by which the given view was made.
    """

    images: int
    looked_at: int
    spec: str


Answer = TypeVar("Answer", bound=SampleAnswer)


def read_answer(path: Path, kind: type[Answer]) -> Answer | None:
    """Return what was found before; None where that is not there, or damaged."""
    try:
        values: dict[str, Any] = parse_json(path.read_bytes().decode())
        return kind(**values)
    except (OSError, ValueError, TypeError):
        return None


def recall_answer(path: Path, kind: type[Answer], given: RoundSource) -> Answer | None:
    """Return what was found before, where that still holds for the images there are now."""
    before = read_answer(path, kind)
    if before is None or before.spec != given.store.spec.hash:
        return None
    return before if len(given.ids) < _OUTGROWN * before.images else None


def keep_answer(path: Path, found: SampleAnswer) -> None:
    """Keep what was found for the rounds to come."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps(asdict(found)).encode())


def is_far(count: int, of: int, *, limit: float, deviations: float) -> bool:
    """Tell whether a share lies further from a limit than chance would put one that is there."""
    error = np.sqrt(limit * (1 - limit) / of)
    return bool(abs(count / of - limit) > deviations * error)
