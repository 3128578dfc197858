"""What a part of the benchmark is made of: its sizes, its cases, and what one is told."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

Plan = Literal["quick", "bench", "large"]
Figures = dict[str, Any]
"""Of one measurement: seconds, cpu, peak_mb; warm, ari, groups, note where there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the process of one case is told.

    Attributes
    ----------
    size : int
        Images or rows.
    folder : Path
        Of what was made for all cases.
    scratch : Path
        Of this measurement alone, empty.
    warm : bool
        Whether the work is done a second time in the process.
    quick : bool
        That it runs, and no more.
    weights : str or None
        A file of ResNet-50's weights; random ones without it.
    images, labels : Path or None
        A user's own set for the whole job: a folder, and a CSV with path and label.
    """

    size: int
    folder: Path
    scratch: Path
    warm: bool = False
    quick: bool = False
    weights: str | None = None
    images: Path | None = None
    labels: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields, paths as text."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make a task of what `to_json` gave."""
        paths = {one.name for one in fields(cls) if "Path" in str(one.type)}
        return cls(**{k: Path(v) if k in paths and v is not None else v for k, v in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to do a part's work: a row of its tables.

    Attributes
    ----------
    run : callable
        Does the work and returns its figures; called in a process of its own. The first case of a
        part is the one that the others are compared with.
    needs : tuple of str
        Distributions that it cannot do without.
    most : int or None
        The largest size it is asked for, and `why` it is asked for no more.
    quick : bool
        Whether it is tried where all that matters is that it runs.
    """

    name: str
    run: Callable[[Task], Figures]
    needs: tuple[str, ...] = ()
    most: int | None = None
    why: str = ""
    quick: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the page.

    Attributes
    ----------
    prepare : callable
        Makes what all cases of a size work on, once, in a process of its own.
    sizes : mapping of a plan to sizes
    rounds : int
        How often each case is measured in the plan `bench`; once in the others.
    """

    letter: str
    title: str
    text: str
    unit: str
    prepare: Callable[[Task], None]
    cases: tuple[Case, ...]
    sizes: Mapping[Plan, tuple[int, ...]]
    rounds: int = 2
