"""Masks beside the images of a folder: told, with what leaves them out.

Nothing is left out unasked.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.console import get_logger
from embeddings.errors import ImageError
from embeddings.extract.options import ExtractOptions
from embeddings.extract.sources import Source
from embeddings.images import read_pictures
from embeddings.plurals import tell_count

_MOST_PAIRS = 20  # of a kind of name that are looked at
_ENOUGH = 0.8  # of them are masks: some neighbours show nothing
_MOST_OTHERS = 4  # of them are none: the sample can no longer be enough
_FEWEST = 4  # masks: with fewer, a name that is alike is chance
_FEW_LEVELS = 8  # of a mask of several classes
_NEAR = 0.06  # of the span of grey levels: what scaling and JPEG make of an edge
_AT_ENDS = 0.97  # of the pixels of a mask are black or white

_WORDS = "mask|masks|gt|groundtruth|ground_truth|label|labels|seg|segmentation|annotations?"
_MARK = re.compile(rf"[ ._-]({_WORDS})$", re.IGNORECASE)
_FOLDER = re.compile(rf"(.*[ ._-])?({_WORDS})", re.IGNORECASE)

_Pairs = dict[Path, Path]  # of a file its neighbour


def tell_masks(found: Source, options: ExtractOptions) -> list[str]:
    """Warn of files in a folder that look like masks of their neighbours; return the warnings.

    A mask has the name of another file but for its ending, its folder or a mark (``_mask``,
    ``-gt``), and few grey levels where that has many. Of each kind of name a sample is decoded.
    """
    if found.root is None or options.boxes is not None or options.only is not None:
        return []  # somebody has said which images are meant
    warnings = []
    for pattern, pairs in sorted(_pair_names(found.files).items()):
        looked, alike = _look(pairs, options.max_pixels)
        if len(pairs) < _FEWEST or not looked or alike < _ENOUGH * looked:
            continue
        warnings.append(
            f"{len(pairs)} of {len(found.files)} files look like masks of their neighbours, such "
            f"as {next(iter(pairs))} ({alike} of {looked} that were looked at are black and "
            "white or of few grey levels, and their neighbours are not): they are taken for images "
            f"all the same; to leave them out, pass {_advise(pattern, pairs, found.files)}"
        )
    for warning in warnings:
        get_logger().warning("WARNING: %s", warning)
    return warnings


def _pair_names(files: Sequence[Path]) -> Mapping[str, _Pairs]:
    """Return, of each kind of name that stands beside another, its glob and its files."""
    of_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        of_stem[path.stem.lower()].append(path)
    kinds: defaultdict[str, _Pairs] = defaultdict(dict)
    for path in files:
        mark = _MARK.search(path.stem)
        if mark is not None and (others := of_stem.get(path.stem[: mark.start()].lower())):
            kinds[f"*{mark.group()}{path.suffix}"][path] = _find_nearest(path, others)
            continue
        for glob, others in _split(path, of_stem[path.stem.lower()]):
            kinds[glob][path] = _find_nearest(path, others)
    return kinds


def _split(path: Path, same: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Yield the glob and the neighbours of a file whose stem others have too."""
    others = [one for one in same if one.suffix.lower() != path.suffix.lower()]
    if others:
        yield f"*{path.suffix}", others
        return
    # Lots with files of the same names are no masks: the folder must say that it has such.
    for name in path.parts[:-1]:
        apart = [one for one in same if name not in one.parts]
        if apart and _FOLDER.fullmatch(name):
            yield name, apart


def _find_nearest(path: Path, others: Sequence[Path]) -> Path:
    """Return that whose folders are most like the file's own."""
    return max(others, key=lambda one: len(set(one.parts) & set(path.parts)))


def _look(pairs: _Pairs, max_pixels: int) -> tuple[int, int]:
    """Decode a sample; return how many pairs could be read, and how many are mask and picture."""
    looked = alike = 0
    every = max(1, len(pairs) // _MOST_PAIRS)
    for mask, picture in list(pairs.items())[::every][:_MOST_PAIRS]:
        try:
            is_mask = _is_flat(_read(mask, max_pixels))
            alike += is_mask and not _is_flat(_read(picture, max_pixels))
        except ImageError:
            continue  # it goes to quarantine when its turn comes
        looked += 1
        if looked - alike > _MOST_OTHERS:
            break
    return looked, alike


def _read(path: Path, max_pixels: int) -> NDArray[np.generic]:
    return read_pictures(path, max_pixels=max_pixels)[0].pixels


def _is_flat(pixels: NDArray[np.generic]) -> bool:
    """Tell whether a picture is black and white, or has few levels."""
    values = np.asarray(pixels, np.float32)
    low, high = float(values.min()), float(values.max())
    near = _NEAR * (high - low)
    at_ends = ((values <= low + near) | (values >= high - near)).mean()
    return bool(at_ends >= _AT_ENDS) or len(np.unique(values)) <= _FEW_LEVELS


def _advise(pattern: str, pairs: _Pairs, files: Sequence[Path]) -> str:
    """Say the option that leaves them out, and what else it would leave out."""
    if not pattern.startswith("*"):
        taken = [path for path in files if pattern in path.parts]
    else:
        taken = [path for path in files if fnmatchcase(path.name, pattern)]
    more = len(taken) - len(pairs)
    return f"--exclude '{pattern}'" + (
        f" (which leaves out {tell_count(more, 'other file')})" if more else ""
    )
