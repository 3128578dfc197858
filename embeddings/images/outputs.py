"""What this project writes lies beside the images, never among them."""

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

from embeddings.bounded import parse_json
from embeddings.errors import OptionError

# Each kind of folder is known by a file in it, and by what that file says it is.
_FORMATS = {"store.json": "defect-discovery-store", "run.json": "defect-discovery-run"}


def is_output(folder: Path, names: AbstractSet[str]) -> bool:
    """Tell whether a folder, which holds these names, is a store or a run."""
    return any(name in names and _says(folder / name, form) for name, form in _FORMATS.items())


def check_apart(out: Path, source: Path, *, flag: str) -> None:
    """Refuse to make a store or a run inside of the folder of images that it is made of.

    Parameters
    ----------
    out : Path
        What is to be made; it may be absent.
    source : Path
        Where the images are.
    flag : str
        The option that names `out`.

    Raises
    ------
    OptionError
        `out` would lie in `source`, which is a folder.
    """
    place, root = out.resolve(), source.resolve()
    # os.path's: a name that is too long is no folder, and told of elsewhere.
    if not os.path.isdir(root) or not place.is_relative_to(root):  # noqa: PTH112
        return
    name = flag.strip("-") if place == root else place.name
    raise OptionError(
        f"{flag} {out} lies in the folder of the images, {source}: what is made of images is kept "
        f"apart from them; give a place beside it, such as {root.parent / f'{root.name}-{name}'}"
    )


def _says(path: Path, form: str) -> bool:
    try:
        content = parse_json(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == form
