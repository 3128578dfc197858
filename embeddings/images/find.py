"""Find the images of a folder, and name a file by its content.

`find_images` only looks at names and kinds of files: it opens no image, so a pipe cannot block it.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from embeddings.errors import ImageError, InputError
from embeddings.files import hash_file
from embeddings.images.outputs import is_output
from embeddings.odd_names import is_valid, real_path, spell_path
from embeddings.paths import takes_paths

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jfif",
        ".png",
        ".bmp",
        ".tif",
        ".tiff",
        ".i01",
        ".pgm",
        ".ppm",
        ".gif",
        ".webp",
        ".jp2",
        ".jpx",
        ".jpf",
        ".j2k",
        ".j2c",
        ".jpc",
        # Not read; they go to quarantine with a word, where they would be ignored like a text.
        ".heic",
        ".heif",
        ".avif",
        ".jxl",
    }
)
_SPECIAL = {
    stat.S_IFIFO: "a pipe, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFBLK: "a device, not a file",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a folder holds.

    Attributes
    ----------
    files : tuple of Path
        Absolute, sorted by their posix path.
    ignored : int
        Files without an image's suffix, and links to folders that are walked anyway.
    quarantined : tuple of (Path, str)
        What looks like an image or a folder and cannot be used, with the reason; sorted.
    idle : tuple of str
        Patterns that leave nothing out.
    """

    files: tuple[Path, ...]
    ignored: int
    quarantined: tuple[tuple[Path, str], ...]
    idle: tuple[str, ...] = ()


@takes_paths
def find_images(
    folder: Path, *, exclude: Sequence[str] = (), is_named: Callable[[str], bool] | None = None
) -> Found:
    """List the images of a folder and its subfolders; hidden files and folders are left out.

    So are stores and runs that lie in it: what they hold was made of images, and is none.

    Parameters
    ----------
    folder : Path
    exclude : sequence of str
        Globs, matched on the name, on the path relative to `folder`, and on every folder of it:
        ``masks`` leaves out a whole folder, ``*_ref.png`` some files.
    is_named : callable, optional
        Tells of the name of a file without an image's suffix whether a table names it: it is an
        image then.

    Raises
    ------
    InputError
        The folder is missing, cannot be read, or is not a folder.
    """
    # Absolute, so that a store is the same from whatever folder the command is run in.
    root = Path(os.path.abspath(folder))  # noqa: PTH100  (resolve() would follow links)
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"{folder} {state}: give a folder of images")
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"{folder} cannot be read: check its permissions")
    files: list[Path] = []
    quarantined: list[tuple[Path, str]] = []
    ignored, used = 0, set[str]()
    for place, verdict in _walk(root, root.resolve()):
        path = spell_path(root) / place.relative_to(root)
        matching = _list_matching(place.relative_to(root), exclude)
        if matching:
            used.update(matching)
            continue  # neither ignored nor quarantined: its user knows of it
        if verdict == "image" or (
            verdict == "other" and is_named is not None and _is_taken(place, root, is_named)
        ):
            if is_valid(place.relative_to(root)):
                files.append(path)
            else:  # of the folder's own name: see `spell_path`
                quarantined.append((path, "the file's name is not valid UTF-8: rename it"))
        elif verdict == "other":
            ignored += 1
        else:
            quarantined.append((path, verdict))
    return Found(
        # By the whole path as text: the order is the same on every file system.
        files=tuple(sorted(files, key=Path.as_posix)),
        ignored=ignored,
        quarantined=tuple(sorted(quarantined, key=lambda item: item[0].as_posix())),
        idle=tuple(glob for glob in exclude if glob not in used),
    )


def fingerprint_file(path: Path) -> str:
    """Return the first 16 hex digits of the sha256 of a file's bytes.

    Raises
    ------
    ImageError
        The file is empty, gone, not a regular file, or cannot be read.
    """
    check_regular(path)  # a pipe would block for ever
    try:
        with real_path(path).open("rb") as handle:
            return hash_file(handle)[:16]
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error


def check_regular(path: Path) -> int:
    """Return a file's size in bytes, without opening it.

    Raises
    ------
    ImageError
        The file is empty, gone, or not a regular file.
    """
    try:
        status = real_path(path).stat()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"cannot be read: {reason}") from error
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(_SPECIAL.get(stat.S_IFMT(status.st_mode), "not a regular file"))
    if status.st_size == 0:
        raise ImageError("an empty file (0 bytes)")
    return status.st_size


def _walk(folder: Path, real_root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each path below with "image", "other" or the reason it goes to quarantine."""
    folders = [folder]  # a stack, not recursion: folders may be nested deeper than Python calls
    while folders:
        here = folders.pop()
        try:
            with os.scandir(here) as scan:
                entries = [entry for entry in scan if not entry.name.startswith(".")]
        except FileNotFoundError:
            continue  # it went meanwhile
        except OSError as error:
            yield here, f"the folder cannot be read: {error.strerror}"
            continue
        if here != folder and is_output(here, {entry.name for entry in entries}):
            continue
        for entry in entries:
            path = here / entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_symlink():
                    yield path, _judge_link(path, real_root)
                else:
                    yield path, _judge_file(path, entry.stat(follow_symlinks=False).st_mode)
            except FileNotFoundError:
                continue  # it went meanwhile: a folder lists what there is
            except OSError as error:
                yield path, f"cannot be read: {error.strerror}"


def _judge_file(path: Path, mode: int) -> str:
    special = _SPECIAL.get(stat.S_IFMT(mode))
    if special:
        return special
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return "other"
    return "image"


def _judge_link(path: Path, real_root: Path) -> str:
    """Judge a symbolic link: its images count only where they lie inside the folder."""
    has_suffix = path.suffix.lower() in IMAGE_SUFFIXES
    try:
        real = path.resolve(strict=True)
    except FileNotFoundError:
        return "a dangling link" if has_suffix else "other"
    except (OSError, RuntimeError):  # RuntimeError: how Python 3.11 and 3.12 tell a loop
        return "a link cycle"
    if not real.is_dir() and not has_suffix and real.is_file():
        return "other"
    if not real.is_relative_to(real_root):
        return f"a link that leaves the folder, to {spell_path(real)}"
    if real.is_dir():
        # Its images are met under their own path; following it would find each twice.
        return "a link cycle" if path.parent.resolve().is_relative_to(real) else "other"
    return _judge_file(path, real.stat().st_mode)


def _is_taken(path: Path, root: Path, is_named: Callable[[str], bool]) -> bool:
    """Tell whether a file of another suffix is named, and lies inside the folder."""
    if not is_named(path.name) or not path.is_file():
        return False
    return not path.is_symlink() or path.resolve().is_relative_to(root.resolve())


def _list_matching(relative: Path, globs: Sequence[str]) -> list[str]:
    """Return the globs that leave a file out."""
    # A folder's own name is enough to leave all of it out.
    names = [relative.name, relative.as_posix(), *(p.as_posix() for p in relative.parents)]
    names += list(relative.parts[:-1])
    return [glob for glob in globs if any(fnmatchcase(one, glob) for one in names if one != ".")]
