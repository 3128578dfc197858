"""One file to read, and the pieces that its rows come in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from embeddings.reader import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to read, and the metadata that its rows carry, by page."""

    path: str
    file_id: str
    metadata: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A piece of a file's rows, `CHUNK` at most, or the reason why the file has none.

    Attributes
    ----------
    ids, images, rows : list
        Aligned.
    fault : str
        The file cannot be used: pieces that came before do not count.
    has_changed : bool
        It is no longer the file that was hashed.
    is_deferred : bool
        A page is of a kind that has no grey-level window yet: pieces before do not count either.
    is_last : bool
        No piece of this file follows.
    """

    job: Job
    ids: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    has_changed: bool = False
    is_deferred: bool = False
    is_last: bool = True


def join_pieces(pieces: Iterable[Prepared]) -> Iterator[Prepared]:
    """Yield whole files, for what draws a sample of a file's rows."""
    whole: Prepared | None = None
    for piece in pieces:
        if whole is None or piece.fault or piece.is_deferred:
            whole = piece  # what came before a fault does not count
        else:
            whole.ids.extend(piece.ids)
            whole.images.extend(piece.images)
            whole.rows.extend(piece.rows)
        if piece.is_last:
            yield whole
            whole = None
