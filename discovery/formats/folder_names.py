"""A label as the name of one folder, and back: ``defect/particle`` is ``defect__particle``.

Tools that read a folder of folders (torchvision, Keras, FiftyOne) take the first level as the
class, so a label with several levels needs one folder for all of them. What would make the way
back ambiguous, or what a file system takes in no name, is written as in a web address: ``%3E`` is
``>``. Of labels that differ by case alone one has its letters written so, too. A label too long for
a name is cut; the list of the images says what it was. A tree with a folder a level, which a person
may make or ask for, is read as well.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath, PurePosixPath
from typing import Literal

from discovery.formats.portable_names import (
    SHORTENED,
    find_clashes,
    quote_case,
    quote_device,
    quote_name,
    shorten_name,
    unquote_name,
)

FolderLayout = Literal["flat", "nested"]
_JOINT = "__"
_UNDERSCORES = re.compile(r"^_+|_+$|_{2,}")  # beside a joint, or looking like one


def name_folders(labels: Iterable[str], layout: FolderLayout = "flat") -> dict[str, PurePosixPath]:
    """Return the folder of each label, no two alike on any file system.

    Parameters
    ----------
    layout : {"flat", "nested"}
        One folder a label, or one a level of it, one in the other.
    """
    wanted = sorted(set(labels))
    if layout == "flat":
        named = _name_apart({label: name_folder(label) for label in wanted})
        return {label: PurePosixPath(named[label]) for label in wanted}
    # Two labels may share the folders of their first levels: a name is of a level wherever it is.
    levels = {level for label in wanted for level in label.split("/")}
    named = _name_apart({level: name_folder(level) for level in levels})
    return {label: PurePosixPath(*(named[level] for level in label.split("/"))) for label in wanted}


def name_folder(label: str) -> str:
    """Return the one folder of a label, where no other label is like it."""
    return quote_device(_JOINT.join(_quote_level(level) for level in label.split("/")))


def read_folder(folder: PurePath) -> str:
    """Return the label that folders, one in the other, stand for.

    Raises
    ------
    ValueError
        A name was cut: it does not say all of the label.
    """
    if any(SHORTENED in name for name in folder.parts):
        raise ValueError("is the name of a label that was too long for one")
    levels = [level for name in folder.parts for level in name.split(_JOINT)]
    return "/".join(unquote_name(level) for level in levels)


def _name_apart(names: Mapping[str, str]) -> dict[str, str]:
    clashing = find_clashes(names.values())
    return {
        label: shorten_name(quote_case(name) if name in clashing else name)
        for label, name in names.items()
    }


def _quote_level(level: str) -> str:
    return _UNDERSCORES.sub(lambda match: "%5F" * len(match[0]), quote_name(level))
