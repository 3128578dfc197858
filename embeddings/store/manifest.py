"""The manifest `store.json`: what is committed. Replacing it atomically is the commit.

It is sealed with the sha256 of its own content, so a flipped bit in it is found as in any other
file.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

from embeddings.bounded import parse_json
from embeddings.errors import StoreError
from embeddings.files import is_sealed, put_bytes, seal
from embeddings.records import DataBars, ExtractorSpec, bars_from_dict, bars_to_dict
from embeddings.store.folder import (
    ALTERED,
    MANIFEST,
    MISSING,
    DamagedFileError,
    list_ours,
    name_codes,
    name_notes,
    name_paths,
    name_rows,
    unreadable,
)
from embeddings.versions import advise_version

VectorDtype = Literal["float32", "fp16"]
Window = tuple[float, float]

FORMAT = "defect-discovery-store"
VERSION = 1
NOTED_VERSION = 2  # with metadata that were given later: who knows only 1 would lose them


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEntry:
    """A committed segment: its number, rows, and the checksum and size of both files."""

    number: int
    rows: int
    sha256_faiss: str
    bytes_faiss: int
    sha256_parquet: str
    bytes_parquet: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsEntry:
    """A committed part of the log of files, or of the metadata that were given later."""

    number: int
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is committed.

    Attributes
    ----------
    spec : ExtractorSpec
    vector_dtype : {"float32", "fp16"}
    windows : mapping of str to (low, high)
        The grey levels shown as black and white, one pair a kind of picture.
    bars : DataBars
        The data bars of the tools' pictures, where the spec leaves them out.
    segments, paths, notes : tuple of entries, in the order of their numbers
    sidecars : mapping of str to str
        sha256 of `quarantine.csv` and, where there is one, of `bank.npz`.
    weights_file : str
        Where the extractor's weights lay when they were last given as a file; what they are says
        the spec's sha256, and this may be lost without harm.
    next_number : int
        Number of the next commit. It only grows: no name is ever used twice.
    """

    spec: ExtractorSpec
    vector_dtype: VectorDtype
    windows: Mapping[str, Window] = field(default_factory=lambda: MappingProxyType({}))
    segments: tuple[SegmentEntry, ...] = ()
    paths: tuple[PathsEntry, ...] = ()
    notes: tuple[PathsEntry, ...] = ()
    sidecars: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    bars: DataBars = field(default_factory=lambda: MappingProxyType({}))
    weights_file: str = ""
    next_number: int = 1

    def __post_init__(self) -> None:
        if self.vector_dtype not in ("float32", "fp16"):
            raise StoreError(f"vector_dtype is {self.vector_dtype!r}, expected float32 or fp16")

    @property
    def rows(self) -> int:
        """Number of vectors."""
        return sum(segment.rows for segment in self.segments)

    @property
    def files(self) -> set[str]:
        """Names of the numbered files that are committed."""
        names = {name_paths(part.number) for part in self.paths}
        names |= {name_notes(part.number) for part in self.notes}
        for segment in self.segments:
            names |= {name_codes(segment.number), name_rows(segment.number)}
        return names

    def identity(self) -> dict[str, Any]:
        """Return what every file of the store repeats, so that a lost manifest can be rebuilt."""
        # Without bars a store is written as it was before there were any.
        bars = {"data_bars": bars_to_dict(self.bars)} if self.bars else {}
        return {
            "format": FORMAT,
            "version": NOTED_VERSION if self.notes else VERSION,
            "spec": self.spec.to_dict(),
            "spec_hash": self.spec.hash,
            "vector_dtype": self.vector_dtype,
            "windows": {kind: list(window) for kind, window in self.windows.items()},
            **bars,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as JSON-ready values, not yet sealed."""
        values = {
            **self.identity(),
            "next_number": self.next_number,
            "sidecars": dict(self.sidecars),
            "segments": [_entry_dict(segment) for segment in self.segments],
            "paths": [_entry_dict(part) for part in self.paths],
        }
        if self.notes:
            values["notes"] = [_entry_dict(part) for part in self.notes]
        if self.weights_file:
            values["weights_file"] = self.weights_file
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a manifest back from `to_dict`, or the empty one of an `identity`.

        Raises
        ------
        StoreError
            Not a store, one of another version, or a spec this version does not know.
        """
        check_identity(values)
        # `get`: an identity, as each file repeats it, has no lists.
        return cls(
            spec=ExtractorSpec.from_dict(values["spec"]),
            vector_dtype=values["vector_dtype"],
            # JSON made lists of the pairs.
            windows=MappingProxyType(
                {kind: (float(low), float(high)) for kind, (low, high) in values["windows"].items()}
            ),
            segments=tuple(SegmentEntry(**entry) for entry in values.get("segments", ())),
            paths=tuple(PathsEntry(**entry) for entry in values.get("paths", ())),
            notes=tuple(PathsEntry(**entry) for entry in values.get("notes", ())),
            sidecars=MappingProxyType(dict(values.get("sidecars", {}))),
            weights_file=values.get("weights_file", ""),
            bars=MappingProxyType(bars_from_dict(values.get("data_bars", {}))),
            next_number=values.get("next_number", 1),
        )


def _entry_dict(entry: SegmentEntry | PathsEntry) -> dict[str, Any]:
    # `asdict` copies deeply: 40 ms of each commit at 1,000 segments.
    return {name: getattr(entry, name) for name in entry.__slots__}


def check_identity(values: Mapping[str, Any]) -> None:
    """Check that sealed values are a store's, of a version and an extractor we know.

    Raises
    ------
    StoreError
        They are not.
    """
    if values.get("format") != FORMAT:
        raise StoreError(f"the format is {values.get('format')!r}, expected {FORMAT!r}")
    # Seals keep their rule in every version, so a flipped version is damage and never gets here.
    if values["version"] not in (VERSION, NOTED_VERSION):
        advice = advise_version(values["version"], NOTED_VERSION, otherwise="make it anew")
        raise StoreError(
            f"the store has format version {values['version']}, this program reads {VERSION} and "
            f"{NOTED_VERSION}: {advice}"
        )
    if ExtractorSpec.from_dict(values["spec"]).hash != values["spec_hash"]:
        raise StoreError("the extractor spec and its hash differ: made by another version")


def check_window(window: Window) -> Window:
    """Return a window of grey levels, checked.

    Raises
    ------
    ValueError
        Not finite, or low is not below high.
    """
    low, high = float(window[0]), float(window[1])
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"window is {window}, expected finite low < high")
    return low, high


def format_manifest(values: Mapping[str, Any]) -> bytes:
    """Return `store.json`: the values sealed, as JSON that people can read and compare."""
    lines = [f" {json.dumps(key)}: {_lay_out(value)}" for key, value in seal(values).items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _lay_out(value: Any) -> str:
    """Return JSON with one segment a line, to be read and compared by people."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
    # NaN would not be JSON: another reader could not check the seal.
    return json.dumps(value, allow_nan=False)


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Commit: after this returns, the manifest survives a power cut."""
    # Everything the manifest names was synced before: this rename is the only commit point.
    put_bytes(folder / MANIFEST, format_manifest(manifest.to_dict()))


def load_manifest(folder: Path) -> Manifest:
    """Read what is committed.

    Raises
    ------
    StoreError
        The folder is absent, not a store, or a store of another version.
    StoreCorruptError
        `store.json` is damaged or lost.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if list_ours(folder):  # segments without a manifest: lost, and it can be rebuilt
            raise DamagedFileError(folder, MANIFEST, MISSING) from None
        raise StoreError(
            f"{folder} is not a store (it has no {MANIFEST}): "
            f"make one with `python -m embeddings.extract IMAGES --store {folder}`"
        ) from None
    except OSError as error:
        raise unreadable(folder, MANIFEST, error) from None
    return _parse_manifest(folder, data)


def _parse_manifest(folder: Path, data: bytes) -> Manifest:
    try:
        values = parse_json(data)
    except ValueError:  # also UnicodeDecodeError
        raise DamagedFileError(folder, MANIFEST, "is damaged (not JSON)") from None
    if not isinstance(values, dict) or "sha256" not in values:
        # A flipped bit in one of these two keys leaves the other in place.
        if isinstance(values, dict) and values.get("format") == FORMAT:
            raise DamagedFileError(folder, MANIFEST, "is damaged (it has no sha256)")
        raise StoreError(f"{folder} is not a store: its {MANIFEST} is not one of ours")
    if not is_sealed(values):
        raise DamagedFileError(folder, MANIFEST, ALTERED)
    try:
        return Manifest.from_dict(values)
    except StoreError as error:
        raise StoreError(f"{folder}: {error}") from None
    # Sealed, and not what any version wrote.
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedFileError(folder, MANIFEST, f"is none of ours ({error})") from None
