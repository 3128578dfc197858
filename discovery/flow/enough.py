"""Whether a source has images enough to be grouped, told before the work instead of after it."""

from collections.abc import Iterator
from pathlib import Path

from discovery.flow.options import RoundOptions
from discovery.flow.settings import MIN_IMAGES
from embeddings.errors import ImageError, InputError, OptionError
from embeddings.extract import ExtractOptions
from embeddings.extract.recipe import Recipe, make_recipe
from embeddings.extract.sources import Source, open_source
from embeddings.images import read_headers
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
    if _is_enough(len(found.files), options):
        return  # each file is an image, but for a few
    faults = list(found.quarantined)
    n = sum(_count_images(found, options.extract, faults))
    if n < MIN_IMAGES:
        first = f"; the first: {': '.join(faults[0])}" if faults else ""
        raise InputError(
            f"{source}: {n} images to cluster, expected {MIN_IMAGES} or more "
            f"(files {len(found.files)}, quarantined {len(faults)}, ignored {found.ignored}{first})"
        )
    options.clusterer.check(n)


def _is_enough(n: int, options: RoundOptions) -> bool:
    try:
        options.clusterer.check(n)
    except OptionError:
        return False
    return n >= _MANY


def _count_images(
    found: Source, options: ExtractOptions, faults: list[tuple[str, str]]
) -> Iterator[int]:
    """Yield how many images each file has, by its headers alone."""
    paths = [str(path) for path in found.files]
    recipe = make_recipe(options, paths)
    for path in paths:
        if recipe.boxes is not None:
            yield len(recipe.boxes.get(path, ()))
            continue
        try:
            yield _count_parts(recipe, path)
        except ImageError as error:
            faults.append((path, str(error)))


def _count_parts(recipe: Recipe, path: str) -> int:
    headers = [header for header in read_headers(Path(path)) if header.is_picture]
    return sum(len(recipe.list_parts(header, path, "")) for header in headers)
