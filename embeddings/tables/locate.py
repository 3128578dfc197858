r"""Where the file is that a cell names: paths of any system, in any case, from a table's folder.

A relative path starts at the table's folder. Backslashes part folders too. A path of another
system's disk (``C:\data\imgs\a.png``, ``\\server\share\a.png``) means nothing here as it is:
its longest ending that is a file from the table's folder is taken. Names that differ in case
alone are the same where only one such file is there.
"""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from embeddings.odd_names import real_path, spell_path

_DRIVE = re.compile(r"[A-Za-z]:|[\\/]{2}[^\\/]+[\\/]+[^\\/]+[\\/]|\\")  # C:, a share, or \ alone


def resolve_path(text: str, folder: Path) -> Path:
    """Return the absolute path a cell means, whether a file is there or not.

    A cell written on Windows, with backslashes, means the same folders here.
    """
    # normpath, not resolve(): a link keeps the name its user gave it.
    turned = text.replace("\\", "/")
    return Path(os.path.normpath(os.path.join(folder.absolute(), turned)))  # noqa: PTH118


def base_name(text: str) -> str:
    """Return the file name of a path written on any system."""
    return PureWindowsPath(text).name


def split_path(text: str) -> list[str]:
    """Return the folders and the name of a path written on any system, without its drive."""
    rest = text[2:] if text[1:2] == ":" and text[0].isalpha() and text[0].isascii() else text
    return [part for part in rest.replace("\\", "/").split("/") if part not in ("", ".")]


def fold_name(name: str) -> str:
    """Spell a name as file systems compare it that do not look at case."""
    # macOS writes letters and their accents apart; most names have neither.
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


class Locator:
    """Finds files from the folder of a table; remembers what folders hold."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def locate_all(self, cells: Sequence[str]) -> list[str]:
        """Return the absolute path of each cell; of one that is not there, the path it means.

        Two cells of another system that would be one file by their endings are no file: which of
        them it is cannot be told.
        """
        found = {cell: self.find(cell) for cell in dict.fromkeys(cells)}
        foreign: dict[Path, set[str]] = {}
        for cell, path in found.items():
            if path is not None and _DRIVE.match(cell):
                foreign.setdefault(path, set()).add(fold_name("/".join(split_path(cell))))
        unsure = {path for path, names in foreign.items() if len(names) > 1}
        return [
            str(
                spell_path(
                    resolve_path(cell, self._folder) if path is None or path in unsure else path
                )
            )
            for cell, path in ((cell, found[cell]) for cell in cells)
        ]

    def find(self, text: str, *, by_ending: bool = False) -> Path | None:
        """Return the file that a cell names, None where none is there.

        Parameters
        ----------
        by_ending : bool
            Any path may be of another disk, not only one that says so.
        """
        as_written = Path(os.path.normpath(os.path.join(self._folder, text)))  # noqa: PTH118
        if _is_file(real_path(as_written)):
            return as_written
        parts = split_path(text)
        if not (by_ending or _DRIVE.match(text)):
            return self._walk(resolve_path(text, self._folder))
        for first in range(len(parts)):
            ending = os.path.normpath(os.path.join(self._folder, *parts[first:]))  # noqa: PTH118
            path = self._walk(Path(ending))
            if path is not None:
                return path
        return None

    def _walk(self, path: Path) -> Path | None:
        """Return the one file of this path, whatever the case of its parts."""
        if _is_file(path):
            return path
        here = Path(path.anchor)
        for part in path.parts[1:]:
            if os.path.lexists(here / part):
                here /= part
                continue
            alike = self._list(here).get(fold_name(part), [])
            if len(alike) != 1:
                return None
            here /= alike[0]
        return here if _is_file(here) else None

    def _list(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            names: dict[str, list[str]] = {}
            try:
                for name in os.listdir(folder):  # noqa: PTH208 - of names alone
                    names.setdefault(fold_name(name), []).append(name)
            except OSError:
                pass  # no folder, or not ours to read: nothing of it is found
            self._listed[folder] = names
        return self._listed[folder]


def _is_file(path: Path) -> bool:
    # Not Path.is_file: it raises where a name is too long, or holds what no name may.
    return os.path.isfile(path)  # noqa: PTH113
