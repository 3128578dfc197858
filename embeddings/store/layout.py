"""Names of the files in a store's folder, and which of them are ours.

Everything a commit writes carries the commit's number, so no file is ever written twice:
readers of an older commit keep reading the files they know.
"""

import re
from pathlib import Path

MANIFEST = "store.json"
LOCK = "lock"
QUARANTINE = "quarantine.csv"
BANK = "bank.npz"
SEGMENTS = "segments"
PATHS = "paths"
DAMAGED = "damaged"

NEXT = ".next"  # a sidecar that is committed but not yet under its own name
TEMPORARY = ".tmp"  # half-written, whatever it is

# Six digits sort by name up to a million commits; later ones are longer, and still ours.
_NUMBERED = re.compile(r"(?:segments/(\d{6,})\.(?:faiss|parquet)|paths/(\d{6,})\.parquet)")
_OURS = re.compile(
    r"(segments/\d{6,}\.(faiss|parquet)|paths/\d{6,}\.parquet|store\.json"
    r"|(quarantine\.csv|bank\.npz)(\.next)?)(\.tmp)?"
)


def name_codes(number: int) -> str:
    """Return the name of a segment's vectors."""
    return f"{SEGMENTS}/{number:06d}.faiss"


def name_rows(number: int) -> str:
    """Return the name of a segment's rows."""
    return f"{SEGMENTS}/{number:06d}.parquet"


def name_paths(number: int) -> str:
    """Return the name of a commit's part of the log of files."""
    return f"{PATHS}/{number:06d}.parquet"


def number_of(name: str) -> int | None:
    """Return the commit that wrote a file, or None for a file that is not numbered."""
    match = _NUMBERED.fullmatch(name)
    return int(match[1] or match[2]) if match else None


def segment_of(name: str) -> int | None:
    """Return the segment a file belongs to, or None for a file that belongs to none."""
    return number_of(name) if name.startswith(SEGMENTS) else None


def list_ours(folder: Path) -> list[str]:
    """List the regular files that bear a name we give, sorted; anything else is not ours."""
    found = []
    for inner in ("", f"{SEGMENTS}/", f"{PATHS}/"):
        part = folder / inner
        if part.is_dir():
            found += [f"{inner}{file.name}" for file in part.iterdir() if file.is_file()]
    return sorted(name for name in found if _OURS.fullmatch(name))
