"""Which image a row of a table is of: the one whose path ends as the row's does.

Tables of tools do not know the folders that images were copied into, and several folders may
hold the same names. Of all images with a row's file name, the row is of the one that has the
longest ending of its path in common with it; a bare name is enough where only one image has it.
Case is looked at only to tell apart what is the same without it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embeddings.errors import TableError
from embeddings.odd_names import spell_path
from embeddings.tables.locate import Locator, fold_name, split_path

_NAMED = 3  # names of rows without an image that are told; the rest are counted
Strength = tuple[int, int]  # parts of the path in common without regard to case, and with


@dataclass(frozen=True, slots=True, kw_only=True)
class PathJoin:
    """Which images each row is of.

    Attributes
    ----------
    images : mapping of str to tuple of str
        For each name of a row the paths of its images: one, or the exact copies of one.
    lost : tuple of str
        Names of rows that fit no image, or worse than another row.
    """

    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    def describe_lost(self) -> str:
        """Name the first rows without an image, and count the rest; empty where all have one."""
        if not self.lost:
            return ""
        more = len(self.lost) - _NAMED
        named = ", ".join(self.lost[:_NAMED])
        return f"{len(self.lost)} fit no image: {named}" + (f" and {more} more" if more > 0 else "")


def join_paths(
    names: Sequence[str],
    images: Sequence[str],
    table: Path,
    *,
    are_copies: Callable[[Sequence[str]], bool] | None = None,
    advice: str = "write so much of its folder that it fits one",
) -> PathJoin:
    """Find the image of each row.

    Parameters
    ----------
    names : sequence of str
        The path or bare name in each row.
    images : sequence of str
        Absolute paths.
    table : Path
        Relative paths that are files from its folder go first; errors name it.
    are_copies : callable, optional
        Tells whether files hold the same bytes: a row may be of all of them.
    advice : str
        What to do about a row that fits several images.

    Raises
    ------
    TableError
        A row fits several images.
    """
    index = _Index(images, table.parent)
    strengths: dict[str, Strength] = {}
    found: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        strength, fitting = index.find(name)
        if len(fitting) > 1 and not (are_copies is not None and are_copies(fitting)):
            raise TableError(f"{table}: {name} fits {fitting[0]} and {fitting[1]}: {advice}")
        strengths[name], found[name] = strength, fitting
    best: dict[str, Strength] = {}
    for name, fitting in found.items():
        for image in fitting:
            best[image] = max(best.get(image, (0, 0)), strengths[name])
    # A row that names another folder is not of an image that has a row of its own.
    kept = {
        name: tuple(image for image in fitting if best[image] == strengths[name])
        for name, fitting in found.items()
    }
    return PathJoin(
        images={name: fitting for name, fitting in kept.items() if fitting},
        lost=tuple(name for name, fitting in kept.items() if not fitting),
    )


class _Index:
    """The images by the endings of their paths."""

    def __init__(self, images: Sequence[str], folder: Path) -> None:
        self._images = frozenset(images)
        self._folder, self._locator = str(spell_path(folder.absolute())), Locator(folder)
        self._by_name: dict[str, list[str]] = {}
        for image in dict.fromkeys(images):
            self._by_name.setdefault(fold_name(split_path(image)[-1]), []).append(image)
        # Built where rows ask for it: most names are of one image, and need none.
        self._endings: dict[str, dict[tuple[str, ...], list[str]]] = {}

    def find(self, name: str) -> tuple[Strength, tuple[str, ...]]:
        """Return how much of a path fits, and the images whose paths it fits best."""
        parts = split_path(name)
        namesakes = self._by_name.get(fold_name(parts[-1]), []) if parts else []
        if not namesakes:
            return (0, 0), ()
        # As `resolve_path`, without the Path: tables have a hundred thousand rows.
        turned = name.replace("\\", "/")
        exact = os.path.normpath(os.path.join(self._folder, turned))  # noqa: PTH118
        if exact in self._images:
            whole = len(split_path(exact))
            return (whole, whole), (exact,)
        folded = tuple(map(fold_name, parts))
        fitting = self._find_longest(folded, namesakes)
        alike = [count_common(parts, split_path(image)) for image in fitting]
        top = [image for image, n in zip(fitting, alike, strict=True) if n == max(alike)]
        common = count_common(folded, [fold_name(part) for part in split_path(top[0])])
        if len(top) > 1:
            # What lies beside the table is meant before what lies elsewhere.
            beside = self._locator.find(name, by_ending=True)
            top = [str(beside)] if str(beside) in top else top
        return (common, max(alike)), tuple(top)

    def _find_longest(self, folded: tuple[str, ...], namesakes: list[str]) -> list[str]:
        if len(namesakes) == 1:
            return namesakes
        endings = self._endings.get(folded[-1])
        if endings is None:
            endings = self._endings[folded[-1]] = {}
            for image in namesakes:
                parts = tuple(map(fold_name, split_path(image)))
                for first in range(len(parts)):
                    endings.setdefault(parts[first:], []).append(image)
        starts = range(len(folded))
        return next(endings[folded[first:]] for first in starts if folded[first:] in endings)


def count_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many parts two paths have in common at their ends."""
    count = 0
    for mine, yours in zip(reversed(one), reversed(other), strict=False):
        if mine != yours:
            break
        count += 1
    return count
