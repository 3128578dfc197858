"""Which images are copies of each other: exact ones share an id, near ones a group.

A re-encoded, resized or slightly shifted copy says nothing that its original did not. Whatever
counts images as evidence counts groups instead.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embeddings.plurals import tell_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """The groups of near copies among n images.

    Attributes
    ----------
    ids : (n,) array of str
    groups : (n,) int32
        Numbered from 0 without gaps; an image without a copy has a group of its own.
    kept : (n,) bool
        The one image of each group that stands for it: the largest picture.
    similarities : (n,) float32 in [0, 1]
        To the copy that an image was matched by; 1 for images without a copy.
    files : (n,) int32
        Paths of each image, 1 or more; further ones are exact copies.
    unread : int
        Images that may be copies, but whose file is no longer there or readable.
    """

    ids: NDArray[np.str_]
    groups: NDArray[np.int32]
    kept: NDArray[np.bool_]
    similarities: NDArray[np.float32]
    files: NDArray[np.int32]
    unread: int = 0

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name in ("groups", "kept", "similarities", "files"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected ({n},)")
        if len(np.unique(self.ids)) != n:
            raise ValueError("ids are not unique")
        if n and (self.files.min() < 1 or self.groups.min() < 0):
            raise ValueError("an image has no path or no group")
        # None kept and the group would be lost as evidence; two, and it would count twice.
        if n and (np.bincount(self.groups[self.kept], minlength=self.groups.max() + 1) != 1).any():
            raise ValueError("expected groups without gaps, one kept image in each")
        if n and not 0 <= self.similarities.min() <= self.similarities.max() <= 1:
            raise ValueError("similarities must lie in [0, 1]")

    @classmethod
    def none(cls, ids: NDArray[np.str_]) -> Self:
        """Return n images that are no copies of each other, each with one path."""
        n = len(ids)
        return cls(
            ids=ids,
            groups=np.arange(n, dtype=np.int32),
            kept=np.ones(n, bool),
            similarities=np.ones(n, np.float32),
            files=np.ones(n, np.int32),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def exact(self) -> int:
        """Number of files that repeat another file's content."""
        return int(self.files.sum()) - len(self)

    @property
    def near(self) -> int:
        """Number of images that a group has beyond the one that is kept."""
        return int((~self.kept).sum())

    @property
    def near_groups(self) -> int:
        """Number of groups of two images or more."""
        return int((np.bincount(self.groups) > 1).sum()) if len(self) else 0

    def describe(self) -> str:
        """Say it in one line, for a log or a page."""
        where = f" in {tell_count(self.near_groups, 'group')}" if self.near else ""
        return f"{self.exact} exact, {self.near} near duplicates{where}"
