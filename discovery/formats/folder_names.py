"""A label as the name of one folder, and back: ``defect/particle`` is ``defect__particle``.

Tools that read a folder of folders (torchvision, Keras, FiftyOne) take the first level as the
class, so a label with several levels needs one folder for all of them. What would make the way
back ambiguous, or what Windows takes in no name, is written as in a web address: ``%3E`` is ``>``.
A tree with a folder a level, which a person may make, is read as well.
"""

import re
from pathlib import PurePath
from urllib.parse import unquote

_JOINT = "__"
_RESERVED = re.compile(r'[%<>:"|?*]|[. ]$')  # Windows drops a dot or blank at a name's end
_UNDERSCORES = re.compile(r"^_+|_+$|_{2,}")  # beside a joint, or looking like one


def name_folder(label: str) -> str:
    """Return the folder of a label."""
    return _JOINT.join(_escape(part) for part in label.split("/"))


def read_folder(folder: PurePath) -> str:
    """Return the label that folders, one in the other, stand for."""
    parts = [part for name in folder.parts for part in name.split(_JOINT)]
    return "/".join(unquote(part) for part in parts)


def _escape(part: str) -> str:
    quoted = _RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", part)
    return _UNDERSCORES.sub(lambda match: "%5F" * len(match[0]), quoted)
