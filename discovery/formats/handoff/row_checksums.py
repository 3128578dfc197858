"""Checksums of the rows that were written: small enough to travel with them in handoff.json.

The sha256 over all rows tells *that* something changed. The checksums, 12 bytes a row (a short hash
of the image id, one of the path, and the cluster), tell *which* row and column, also where the run
itself is not at hand. In the file their key is ``witness``.
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.formats.filled_sheet import RowFault
from embeddings.files import hash_bytes

KEY_COLUMNS = ("image_id", "path", "cluster_id", "proposal_id")
_ROW = np.dtype([("id", "<u4"), ("path", "<u4"), ("cluster", "<i4")])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChecksums:
    """The rows that were written, in their order, as hashes.

    Attributes
    ----------
    rows : (n,) structured array of id, path (hashes) and cluster
    proposals : mapping of int to str
        The proposal id of each cluster id.
    sha256 : str
    """

    rows: NDArray[np.void]
    proposals: Mapping[int, str]
    sha256: str

    def encode(self) -> str:
        """Return the rows as base64."""
        return base64.b64encode(self.rows.tobytes()).decode()

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(n,) the id's and the path's hash as one number."""
        ids = self.rows["id"].astype(np.uint64)
        return ids << np.uint64(32) | self.rows["path"].astype(np.uint64)


def digest_rows(rows: pd.DataFrame) -> str:
    """Return the sha256 over the sorted (image_id, path, cluster_id, proposal_id).

    Rows are sorted as tuples (text by code point, the cluster as a number), each is written as a
    JSON array without blanks, and one line feed stands between two.
    """
    keys = sorted(rows[list(KEY_COLUMNS)].itertuples(index=False, name=None))
    lines = (json.dumps(key, ensure_ascii=False, separators=(",", ":")) for key in keys)
    return hash_bytes("\n".join(lines).encode())


def make_checksums(rows: pd.DataFrame, proposals: Mapping[int, str]) -> RowChecksums:
    """Return the checksums of a handoff's rows."""
    # 64 bits a row with both: two of a million rows collide in one of 37 million handoffs.
    hashes = np.empty(len(rows), _ROW)
    hashes["id"] = [hash_text(text) for text in rows["image_id"]]
    hashes["path"] = [hash_text(text) for text in rows["path"]]
    hashes["cluster"] = rows["cluster_id"]
    return RowChecksums(rows=hashes, proposals=proposals, sha256=digest_rows(rows))


def decode_checksums(text: str, proposals: Mapping[int, str], *, sha256: str) -> RowChecksums:
    """Read them back from `RowChecksums.encode`; ValueError where the text is not one."""
    rows = np.frombuffer(base64.b64decode(text, validate=True), _ROW)
    return RowChecksums(rows=rows, proposals=proposals, sha256=sha256)


def hash_text(text: str) -> int:
    """Return 32 bits of a text's BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def hash_key(image_id: str, path: str) -> int:
    """Return what `RowChecksums.keys` holds for a row."""
    return hash_text(image_id) << 32 | hash_text(path)


def find_row_faults(
    rows: pd.DataFrame, numbers: Sequence[int], written: RowChecksums
) -> list[RowFault]:
    """Compare rows that came back, and their numbers in the file, with those that were written."""
    position = {key: i for i, key in enumerate(written.keys.tolist())}
    seen: dict[int, int] = {}  # position as written -> row number in the file
    unknown_rows: list[tuple[int, Any]] = []
    faults: list[RowFault] = []
    row: Any  # a named tuple of the columns
    for number, row in zip(numbers, rows.itertuples(index=False), strict=True):
        place = position.get(hash_key(row.image_id, row.path))
        if place is None:
            unknown_rows.append((number, row))
        elif place in seen:
            faults.append(
                RowFault(
                    row=number, column="image_id", text=f"repeats row {seen[place]}: delete one"
                )
            )
        else:
            seen[place] = number
            faults += _compare(number, row, written=written, place=place)
    free = [place for place in range(len(written.rows)) if place not in seen]
    named, missing = _name_unknown_rows(unknown_rows, written, free=free)
    return sorted(faults + named, key=lambda fault: fault.row) + missing


def have_moved(rows: pd.DataFrame, written: RowChecksums) -> bool:
    """Tell whether rows are those that were written, but for their paths, all of which changed.

    So they are where somebody moved the images and named their new places.
    """
    old = set(written.rows["path"].tolist())
    if len(rows) != len(written.rows) or any(hash_text(path) in old for path in rows["path"]):
        return False
    keys = zip(rows["image_id"].map(hash_text), rows["cluster_id"], strict=True)
    if sorted(keys) != sorted(written.rows[["id", "cluster"]].tolist()):
        return False
    proposals = [written.proposals.get(int(cluster), "") for cluster in rows["cluster_id"]]
    is_doubled = rows.duplicated(["image_id", "path"]).any()
    return proposals == rows["proposal_id"].tolist() and not is_doubled


def _compare(number: int, row: Any, *, written: RowChecksums, place: int) -> list[RowFault]:
    cluster = int(written.rows["cluster"][place])
    proposal = written.proposals.get(cluster, "")
    faults = []
    if row.cluster_id != cluster:
        text = f"{row.cluster_id} came, {cluster} was written: put it back"
        faults.append(RowFault(row=number, column="cluster_id", text=text))
    if row.proposal_id != proposal:
        text = f"{row.proposal_id!r} came, {proposal!r} was written: put it back"
        faults.append(RowFault(row=number, column="proposal_id", text=text))
    return faults


def _name_unknown_rows(
    unknown_rows: Sequence[tuple[int, Any]], written: RowChecksums, *, free: Sequence[int]
) -> tuple[list[RowFault], list[RowFault]]:
    """Say of each unknown row which column was changed, and which written rows are missing."""
    by_id: defaultdict[int, list[int]] = defaultdict(list)
    by_path: defaultdict[int, list[int]] = defaultdict(list)
    for place in free:
        by_id[int(written.rows["id"][place])].append(place)
        by_path[int(written.rows["path"][place])].append(place)
    unclaimed = dict.fromkeys(free)  # an ordered set: what is missing is told in the file's order
    faults = []
    for number, row in unknown_rows:
        column, text = "image_id", "this row was never written: delete it"
        for name, value, places in (("path", row.image_id, by_id), ("image_id", row.path, by_path)):
            candidates = [place for place in places[hash_text(value)] if place in unclaimed]
            if candidates:
                del unclaimed[candidates[0]]
                column, text = name, f"{getattr(row, name)!r} is not what was written: put it back"
                break
        faults.append(RowFault(row=number, column=column, text=text))
    # The first row that was written had the number 2: the header is row 1.
    missing = [f"row {place + 2} as it was written is missing: put it back" for place in unclaimed]
    return faults, [RowFault(row=0, column="", text=text) for text in missing]
