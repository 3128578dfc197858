"""Whether a source has images enough to be grouped, told before the work instead of after it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from discovery.flow.options import RoundOptions
from discovery.flow.settings import MIN_IMAGES
from embeddings.errors import ImageError, InputError, OptionError
from embeddings.extract import ExtractOptions
from embeddings.extract.recipe import Recipe, make_recipe
from embeddings.extract.sources import (
    NO_FILES,
    OnlyList,
    Source,
    fingerprint_files,
    open_source,
    read_only_list,
)
from embeddings.images import read_headers
from embeddings.plurals import tell_count
from embeddings.store import store_exists

_MANY = 50  # files: fewer are looked into, which takes a moment


def check_enough(source: Path, options: RoundOptions) -> None:
    """Refuse a source with fewer images than make a group, or than clusters are asked for.

    A store is opened in a moment, and its images are counted there.

    Raises
    ------
    InputError
        There are too few images.
    OptionError
        More clusters are asked for than there are images.
    DefectDiscoveryError
        The source or one of its tables cannot be used.
    """
    if source.is_dir() and store_exists(source):
        return
    found = open_source(source, options.extract)
    only = None if options.extract.only is None else read_only_list(options.extract.only)
    if only is not None and not only.paths and _is_enough(len(only.ids), options):
        return  # which files those are of takes as long to find out as extraction takes for it
    files = _list_wanted(found, only, options.extract)
    if _is_enough(len(files), options):
        return  # each file is an image, but for a few
    if only is not None and not files:
        raise OptionError(f"--only {only.table}: none of its images is in {source}")
    faults = list(found.quarantined)
    recipe = make_recipe(options.extract, [str(path) for path in found.files])
    n = sum(_count_images(files, only, recipe, faults))
    if n < MIN_IMAGES:
        listed = "" if only is None else f" that {only.table} lists"
        first = f"; the first: {': '.join(faults[0])}" if faults else ""
        raise InputError(
            f"{source}: {tell_count(n, 'image')} to cluster{listed}, expected {MIN_IMAGES} or more "
            f"(files {len(found.files)}, quarantined {len(faults)}, ignored {found.ignored}{first})"
        )
    options.clusterer.check(n)


def _is_enough(n: int, options: RoundOptions) -> bool:
    try:
        options.clusterer.check(n)
    except OptionError:
        return False
    return n >= _MANY


def _list_wanted(found: Source, only: OnlyList | None, options: ExtractOptions) -> dict[str, str]:
    """Return the paths that are meant, each with the id of its file where the list is of ids."""
    if only is None or only.paths:
        paths = [str(path) for path in found.files]
        return {path: "" for path in paths if only is None or path in only.paths}
    files = fingerprint_files(found.files, NO_FILES, workers=options.threads).files
    pairs = zip(files["path"].tolist(), files["file_id"].tolist(), strict=True)
    of_id = {file_id: path for path, file_id in pairs if file_id in only.file_ids}
    return {path: file_id for file_id, path in of_id.items()}


def _count_images(
    files: Mapping[str, str],
    only: OnlyList | None,
    recipe: Recipe,
    faults: list[tuple[str, str]],
) -> Iterator[int]:
    """Yield how many images that are meant each file has, by its headers alone."""
    for path, file_id in files.items():
        try:
            ids = _list_ids(recipe, path, file_id)
        except ImageError as error:
            faults.append((path, str(error)))
            continue
        yield sum(only is None or only(path, image_id) for image_id in ids)


def _list_ids(recipe: Recipe, path: str, file_id: str) -> list[str]:
    """Return the ids of a file's pages, tiles or crops."""
    if recipe.boxes is not None:
        return list(recipe.crop_ids(path, file_id))
    headers = [header for header in read_headers(Path(path)) if header.is_picture]
    parts = (recipe.list_parts(header, path, file_id) for header in headers)
    return [part.image_id for listed in parts for part, _ in listed]
