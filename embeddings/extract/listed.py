"""The list of `--only`, read and tried before there is a store."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from embeddings.errors import ImageError
from embeddings.extract.recipe import Recipe
from embeddings.extract.sources import OnlyList, read_only_list, refuse_list
from embeddings.images import fingerprint_file


def open_list(
    table: Path | None, paths: Sequence[str], recipe: Recipe, *, is_new: bool
) -> OnlyList | None:
    """Read a list; for a new store refuse one that names none of the source's files.

    Raises
    ------
    TableError
        It is no such list.
    OptionError
        It lists none of the files.
    """
    if table is None:
        return None
    only = read_only_list(table)
    boxed = paths if recipe.boxes is None else [path for path in paths if path in recipe.boxes]
    if is_new and not _lists_any(only, boxed):
        raise refuse_list(only)
    return only


def _lists_any(only: OnlyList, paths: Iterable[str]) -> bool:
    """Tell whether a file is on the list; files are hashed up to the first that is."""
    for path in paths:
        if only.paths and path not in only.paths:
            continue
        try:
            if only.has_file(path, fingerprint_file(Path(path))):
                return True
        except (ImageError, OSError):
            continue  # told with the others, where there are any
    return False
