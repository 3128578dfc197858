"""Which images a source holds: whole files, pages, tiles or crops, each by its id.

The ids are those of the store (`embeddings.images.image_id`), so that a prediction, a handoff and
a cluster speak of the same image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from embeddings.errors import ImageError, OptionError
from embeddings.extract import ExtractOptions
from embeddings.extract.masks import tell_masks
from embeddings.extract.recipe import Recipe, check_boxes, make_recipe
from embeddings.extract.sources import (
    NO_FILES,
    OnlyList,
    fingerprint_files,
    open_source,
    read_only_list,
    select_files,
)
from embeddings.images import read_headers
from embeddings.paths import takes_paths
from embeddings.reader import Fault, Part, name_part
from embeddings.reading import READING
from embeddings.store import open_store, store_exists


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The images of a source, each content once, and what could not be used.

    Attributes
    ----------
    parts : tuple of Part
    paths : mapping of file id to its paths
        Exact duplicates have several.
    """

    parts: tuple[Part, ...]
    paths: dict[str, tuple[str, ...]]
    faults: tuple[Fault, ...]

    def list_paths(self, part: Part) -> tuple[str, ...]:
        """Return every path of an image's file."""
        return self.paths.get(part.image_id[:16], (part.path,))


@takes_paths
def find_parts(source: Path, options: ExtractOptions, *, reading: int = READING) -> Parts:
    """Find the images of a folder, a CSV with a column path, a store or one image.

    Parameters
    ----------
    options : ExtractOptions
        `tile`, `boxes`, `only` and `exclude` count here.
    reading : int
        The rules of reading of the model that will see them (`ExtractorSpec.reading`).

    Raises
    ------
    InputError, OptionError
        The source or a table cannot be used.
    """
    only = None if options.only is None else read_only_list(options.only)
    # A store's images are cut already, and its own list of them is the source.
    if source.is_dir() and store_exists(source):
        _check_store_options(options)
        return _check_listed(_read_store(source, only), only, source)
    found = open_source(source, options)
    tell_masks(found, options)
    recipe = make_recipe(options, [str(path) for path in found.files], reading=reading)
    # Hashed anew each time: a model keeps no record of files as a store does.
    printed = fingerprint_files(found.files, NO_FILES, workers=options.threads)
    files = printed.files
    check_boxes(recipe, files["path"].tolist(), options.boxes)
    files = select_files(files, recipe, only)
    faults = [*found.quarantined, *printed.quarantined]
    paths = _group(files["path"], files["file_id"])
    parts = []
    for file_id, copies in paths.items():
        try:
            listed = _list_parts(copies, file_id, recipe, reading=reading)
        except ImageError as error:
            faults.append((copies[0], str(error)))  # its copies have the same bytes
            continue
        parts += [part for part in listed if only is None or only(copies[0], part.image_id)]
    made = Parts(parts=tuple(parts), paths=paths, faults=tuple(faults))
    return _check_listed(made, only, source)


def _check_store_options(options: ExtractOptions) -> None:
    """Refuse options that a store, whose images are cut already, cannot follow."""
    default = ExtractOptions()
    for name in ("tile", "boxes", "exclude", "um_per_pixel"):
        if getattr(options, name) != getattr(default, name):
            raise OptionError(
                f"--{name.replace('_', '-')} has no effect on a store: give the folder of images"
            )


def _check_listed(found: Parts, only: OnlyList | None, source: Path) -> Parts:
    """Refuse a list that names no image of the source, such as pages that a file does not have."""
    if only is not None and not found.parts and not found.faults:
        raise OptionError(f"--only {only.table}: none of its images is in {source}")
    return found


def _read_store(folder: Path, only: OnlyList | None) -> Parts:
    store = open_store(folder)
    files = store.files()
    paths = _group(files["path"], files["file_id"])
    parts = [
        name_part(name, paths[name[:16]][0])
        for name in store.ids().tolist()
        if name[:16] in paths and (only is None or any(only(p, name) for p in paths[name[:16]]))
    ]
    quarantine = store.quarantine()
    return Parts(
        parts=tuple(parts),
        paths=paths,
        faults=tuple(zip(quarantine["path"], quarantine["reason"], strict=True)),
    )


def _list_parts(copies: Sequence[str], file_id: str, recipe: Recipe, *, reading: int) -> list[Part]:
    """List the images of one file, which may be there under several paths."""
    path = copies[0]
    if recipe.boxes is not None:
        # Copies may have boxes of their own, or the same one twice.
        names = dict.fromkeys(name for copy in copies for name in recipe.crop_ids(copy, file_id))
        return [name_part(name, path) for name in names]
    return [
        part
        for header in read_headers(Path(path), reading=reading)
        if header.is_picture  # a thumbnail or mask is counted, as the store does, and not seen
        for part, _ in recipe.list_parts(header, path, file_id)
    ]


def _group(paths: pd.Series, file_ids: pd.Series) -> dict[str, tuple[str, ...]]:
    grouped: dict[str, list[str]] = {}
    for path, file_id in zip(paths.tolist(), file_ids.tolist(), strict=True):
        grouped.setdefault(file_id, []).append(path)
    return {file_id: tuple(copies) for file_id, copies in grouped.items()}
