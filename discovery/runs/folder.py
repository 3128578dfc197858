"""The run folder and run.json: what is there, how it was made, and whether it still is so.

run.json holds for each artefact its command, spec, seed, versions, inputs, seconds and sha256.
While an artefact is being replaced its new entry stands under ``pending``: whichever of the two
entries fits the file on the disk is the true one, so a kill between the two renames harms nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.records import Clustering, Layout, Neighbours, Pictures, Proposal
from discovery.runs import tables
from discovery.runs.pictures import parse_pictures
from discovery.runs.provenance import Provenance
from discovery.runs.state import (
    CLUSTERING,
    RUN_JSON,
    FileCache,
    Value,
    change_state,
    create_state,
    read_state,
)
from embeddings.errors import RunError
from embeddings.files import hash_bytes, hash_file, write_bytes
from embeddings.locks import JOB_LOCK
from embeddings.paths import takes_paths

NEIGHBOURS = "neighbours.npz"  # the k nearest neighbours of each image
PROPOSALS = "proposals.csv"
HANDOFF_CSV = "handoff.csv"
REPORT = "report.html"
VIEWS_FOLDER = "views"  # a folder: further stores, one a view
VIEWS_CSV = "views.csv"
COPIES = "duplicates.csv"  # which files hold the same picture
MATCHED = "matched.csv"  # images of known types, set aside
RARE = "rare.csv"
SWEEP = "sweep.json"  # groups over the resolutions of the graph
LEVELS = "levels.npz"  # the tree of groups: a cut at any resolution
EMBEDDING = "embedding.npz"  # (n, 5), what density clustering is given
MAP = "map.npz"  # (n, 2), in the order of the images
STABILITY = "stability.json"  # (k,) mean Jaccard similarities
ASSOCIATIONS = "associations.csv"
PICTURES = "pictures.npz"  # small pictures of the images: pages and sheets are made of them
TYPES_CSV = "types.csv"  # one row a proposal, to be filled in
TYPES_XLSX = "types.xlsx"  # the same with pictures
FACTS = "facts.json"  # what the report says of how the run was made
USAGE = ("seconds", "processor_seconds", "peak_memory_mb")  # of an entry of run.json


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run folder.

    What is read of it is remembered while the files stay as they are: every method looks at a
    file's size, time and inode first, so a `Run` never goes stale.
    """

    path: Path = field(kw_only=False)
    _cache: FileCache = field(default_factory=FileCache, init=False, repr=False, compare=False)

    @property
    def run_id(self) -> str:
        """16 hex digits, given once when the folder was made a run."""
        return str(read_state(self.path, self._cache)["run_id"])

    @property
    def store(self) -> dict[str, Any]:
        """The identity of the store the run was made from; empty where it is not known."""
        return dict(read_state(self.path, self._cache)["store"])

    def set_store(self, identity: dict[str, Any]) -> None:
        """Remember the store's identity (JSON-ready: its path, spec hash, what it holds)."""
        # Nearly always the same: run.json is not written, and synced, for nothing.
        if identity != self.store:
            change_state(self.path, self._cache, lambda state: state.update(store=identity))

    @property
    def source(self) -> str:
        """The folder, table or store that the run was made of; empty where it is not known."""
        return str(read_state(self.path, self._cache).get("source", ""))

    def set_source(self, source: str) -> None:
        """Remember what the run is made of."""
        if source != self.source:
            change_state(self.path, self._cache, lambda state: state.update(source=source))

    def save_neighbours(
        self,
        neighbours: Neighbours,
        ids: NDArray[np.str_],
        provenance: Provenance,
        *,
        seconds: float = 0.0,
    ) -> None:
        """Save the neighbour graph of these (n,) ids."""
        data = tables.format_neighbours(neighbours, ids)
        self.save_bytes(NEIGHBOURS, data, provenance, seconds=seconds)

    def load_neighbours(self, ids: NDArray[np.str_]) -> Neighbours:
        """Load the neighbour graph; `ids` must be those it was made of, in their order.

        Raises
        ------
        RunError
            It is missing, damaged, or belongs to other images.
        """
        neighbours, ids_sha256 = self._load(NEIGHBOURS, tables.parse_neighbours)
        # Positions in a graph mean nothing for other images, or in another order.
        if ids_sha256 != tables.hash_ids(ids):
            raise RunError(
                f"{self.path / NEIGHBOURS} belongs to other images: run discovery.cluster again"
            )
        return neighbours

    def save_clustering(
        self,
        clustering: Clustering,
        layout: Layout,
        provenance: Provenance,
        *,
        seconds: float = 0.0,
    ) -> None:
        """Save clusters and map together: clustering.parquet, one row a path."""
        data = tables.format_clustering(clustering, layout)
        self.save_bytes(CLUSTERING, data, provenance, seconds=seconds)

    def load_clustering(self) -> Clustering:
        """Load the clusters, one entry an image."""
        return self._load(CLUSTERING, tables.parse_clustering)[1]

    def load_layout(self) -> Layout:
        """Load the map and every image's paths."""
        return self._load(CLUSTERING, tables.parse_clustering)[2]

    def load_images(self) -> pd.DataFrame:
        """Load clustering.parquet as it is: one row a path."""
        return self._load(CLUSTERING, tables.parse_clustering)[0].copy()

    def save_proposals(
        self, proposals: Sequence[Proposal], provenance: Provenance, *, seconds: float = 0.0
    ) -> None:
        """Save proposals.csv in the order given."""
        data = tables.format_proposals(proposals)
        self.save_bytes(PROPOSALS, data, provenance, seconds=seconds)

    def load_proposals(self) -> tuple[Proposal, ...]:
        """Load proposals.csv in its order."""
        return self._load(PROPOSALS, tables.parse_proposals)

    def load_pictures(self) -> Pictures:
        """Load the small pictures of the images."""
        return self._load(PICTURES, parse_pictures)

    def save_bytes(
        self,
        artefact: str,
        data: bytes,
        provenance: Provenance,
        *,
        seconds: float = 0.0,
        usage: Mapping[str, float] | None = None,
    ) -> None:
        """Save any artefact, such as report.html, whole or not at all.

        `usage` is what the step took that made it, by the names of `USAGE`.
        """
        taken = {"seconds": round(seconds, 3)} | dict(usage or {})
        entry = provenance.to_dict() | taken | {"sha256": hash_bytes(data)}
        # First the entry, then the file: killed between, the old entry still fits the old file.
        change_state(
            self.path, self._cache, lambda state: state["pending"].update({artefact: entry})
        )
        write_bytes(self.path / artefact, data)
        self._cache.put(self.path / artefact, "sha256", entry["sha256"])

        # The file is in its place: its entry moves from pending to artefacts.
        def settle(state: dict[str, Any]) -> None:
            state["artefacts"][artefact] = entry
            state["pending"].pop(artefact, None)

        change_state(self.path, self._cache, settle)

    def read_bytes(self, artefact: str) -> bytes:
        """Read an artefact, checked as `check` does.

        Raises
        ------
        RunError
            It is missing, or its bytes are not those run.json knows.
        """
        return self.check(artefact).read_bytes()

    def hash_inputs(self, *names: str) -> dict[str, str]:
        """Return the sha256 of those of the run's files that are there, each hashed once."""
        return {name: self._hash(name) for name in names if (self.path / name).is_file()}

    def entry(self, artefact: str) -> dict[str, Any] | None:
        """Return the entry that fits the file on the disk; None where none does."""
        if not (self.path / artefact).is_file():
            return None
        sha256, state = self._hash(artefact), read_state(self.path, self._cache)
        # Settled entries first; a pending one counts where the kill came after the rename.
        for entries in (state["artefacts"], state["pending"]):
            if entries.get(artefact, {}).get("sha256") == sha256:
                return dict(entries[artefact])
        return None

    def is_edited(self, artefact: str) -> bool:
        """Tell whether a file is there that is not the one that was written: someone changed it."""
        return (self.path / artefact).is_file() and self.entry(artefact) is None

    def is_current(self, artefact: str, provenance: Provenance) -> bool:
        """Tell whether the artefact was made exactly so and is unchanged on the disk."""
        entry = self.entry(artefact)
        # The key covers spec, seed, inputs and package versions, not the command's name.
        return entry is not None and entry["key"] == provenance.key

    def check(self, artefact: str) -> Path:
        """Return the path of an artefact that is there and is what was written.

        Raises
        ------
        RunError
            It is missing, or its bytes are not those run.json knows.
        """
        path = self.path / artefact
        if not path.is_file():
            raise RunError(
                f"{self.path} has no {artefact}: run discovery.cluster into the same folder again"
            )
        if self.entry(artefact) is None:
            raise RunError(
                f"{path} is not the file that was written (its sha256 differs from run.json): "
                "damaged or edited; run discovery.cluster into the same folder again"
            )
        return path

    def _hash(self, artefact: str) -> str:
        path = self.path / artefact
        return self._cache.get(path, "sha256", lambda: hash_file(path))

    def _load(self, artefact: str, parse: Callable[[bytes, Path], Value]) -> Value:
        path = self.check(artefact)
        return self._cache.get(path, "value", lambda: parse(path.read_bytes(), path))


def create_run(path: Path) -> Run:
    """Make the folder a run, or open it where it is one already.

    Raises
    ------
    RunError
        The path is a file, or a folder that holds something else.
    InputError
        The folder cannot be written to.
    """
    run = Run(path)
    create_state(path, run._cache)
    return run


@contextlib.contextmanager
def making_run(path: Path) -> Iterator[Run]:
    """Give what `create_run` does; a run that an error left with nothing in it is gone again."""
    is_new = not (path / RUN_JSON).exists()
    run = create_run(path)
    try:
        yield run
    except BaseException:
        if is_new and {entry.name for entry in path.iterdir()} <= {RUN_JSON, JOB_LOCK}:
            (path / RUN_JSON).unlink(missing_ok=True)
        raise


@takes_paths
def open_run(path: Path) -> Run:
    """Open a run.

    Raises
    ------
    RunError
        The folder is missing, not a run, of a newer version, or run.json is damaged.
    """
    run = Run(path)
    read_state(path, run._cache)
    return run
