"""The folder of defect-free images that --normal names: its files, and their identity."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from embeddings.errors import ImageError, InputError
from embeddings.extract.options import ExtractOptions
from embeddings.files import hash_bytes
from embeddings.images import find_images, fingerprint_file
from embeddings.plurals import tell_count


def find_normals(options: ExtractOptions) -> tuple[Path, ...]:
    """Return the images of --normal, sorted; patterns of --exclude are for the source alone.

    Raises
    ------
    InputError
        The folder is not there, or holds no image.
    """
    folder = options.normal
    if folder is None or not folder.is_dir():
        raise InputError(f"--normal {folder}: not a folder; expected one of defect-free images")
    found = find_images(folder)
    if not found.files:
        raise InputError(
            f"--normal {folder}: holds no image ({tell_count(found.ignored, 'other file')}); "
            "expected defect-free JPEG, PNG, TIFF or other image files"
        )
    return found.files


def hash_normals(options: ExtractOptions) -> str:
    """Return the sha256 over the contents of the normals, whatever their names.

    Raises
    ------
    InputError
        The folder is not there, or holds no image that can be read.
    """
    with ThreadPoolExecutor(options.threads) as pool:
        prints = {one for one in pool.map(_fingerprint, find_normals(options)) if one}
    if not prints:
        raise InputError(f"--normal {options.normal}: none of its images can be read")
    return hash_bytes("\n".join(sorted(prints)).encode())


def _fingerprint(path: Path) -> str:
    try:
        return fingerprint_file(path)
    except ImageError:
        return ""  # what cannot be read shows nobody what is normal
