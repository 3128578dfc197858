"""The nouns of counting: where a picture is, what it shows, and why it cannot be used."""

from dataclasses import dataclass
from pathlib import Path

from discovery.detector.boxes import Boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one picture is: a page of a file, and its golden reference where there is one."""

    path: Path
    page: int = 0
    reference: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file that could not be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture with all its boxes; a picture without any is one without defects."""

    place: Place
    boxes: Boxes
