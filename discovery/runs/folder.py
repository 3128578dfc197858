"""The run folder and run.json: what is there, how it was made, and whether it still is so.

run.json holds for each artefact its command, spec, seed, versions, inputs, seconds and sha256.
While an artefact is being replaced its new entry stands under ``pending``: whichever of the two
entries fits the file on the disk is the true one, so a kill between the two renames harms nothing.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.records import Clustering, Layout, Neighbours, Proposal
from discovery.runs import tables
from discovery.runs.provenance import Provenance
from discovery.runs.state import change_state, create_state, read_state
from embeddings.errors import RunError
from embeddings.files import hash_file, replacing

NEIGHBOURS = "neighbours.npz"
CLUSTERING = "clustering.parquet"
PROPOSALS = "proposals.csv"
LEDGER = "decisions.jsonl"
HANDOFF_CSV = "handoff.csv"
HANDOFF_JSON = "handoff.json"
REPORT = "report.html"
VIEWS_FOLDER = "views"  # a folder: further stores, one a view
VIEWS_CSV = "views.csv"
COPIES = "duplicates.csv"
MATCHED = "matched.csv"
RARE = "rare.csv"
SWEEP = "sweep.json"
ASSOCIATIONS = "associations.csv"


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder. Every method reads run.json anew: a `Run` never goes stale."""

    path: Path

    @property
    def run_id(self) -> str:
        """16 hex digits, given once when the folder was made a run."""
        return str(read_state(self.path)["run_id"])

    @property
    def store(self) -> dict[str, Any]:
        """The identity of the store the run was made from; empty where it is not known."""
        return dict(read_state(self.path)["store"])

    def set_store(self, identity: dict[str, Any]) -> None:
        """Remember the store's identity (JSON-ready: its path, spec hash, what it holds)."""
        change_state(self.path, lambda state: state.update(store=identity))

    def save_neighbours(
        self,
        neighbours: Neighbours,
        ids: NDArray[np.str_],
        provenance: Provenance,
        *,
        seconds: float = 0.0,
    ) -> None:
        """Save the neighbour graph of these (n,) ids."""
        with self._saving(NEIGHBOURS, provenance, seconds=seconds) as temporary:
            tables.write_neighbours(temporary, neighbours, ids)

    def load_neighbours(self, ids: NDArray[np.str_]) -> Neighbours:
        """Load the neighbour graph; `ids` must be those it was made of, in their order.

        Raises
        ------
        RunError
            It is missing, damaged, or belongs to other images.
        """
        neighbours, ids_sha256 = tables.read_neighbours(self.check(NEIGHBOURS))
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
        with self._saving(CLUSTERING, provenance, seconds=seconds) as temporary:
            tables.write_clustering(temporary, clustering, layout)

    def load_clustering(self) -> Clustering:
        """Load the clusters, one entry an image."""
        return self._load_images()[0]

    def load_layout(self) -> Layout:
        """Load the map and every image's paths."""
        return self._load_images()[1]

    def load_images(self) -> pd.DataFrame:
        """Load clustering.parquet as it is: one row a path."""
        return tables.read_clustering(self.check(CLUSTERING))[0]

    def _load_images(self) -> tuple[Clustering, Layout]:
        return tables.gather_images(*tables.read_clustering(self.check(CLUSTERING)))

    def save_proposals(
        self, proposals: Sequence[Proposal], provenance: Provenance, *, seconds: float = 0.0
    ) -> None:
        """Save proposals.csv in the order given."""
        with self._saving(PROPOSALS, provenance, seconds=seconds) as temporary:
            tables.write_proposals(temporary, proposals)

    def load_proposals(self) -> tuple[Proposal, ...]:
        """Load proposals.csv in its order."""
        return tables.read_proposals(self.check(PROPOSALS))

    def save_bytes(
        self, artefact: str, data: bytes, provenance: Provenance, *, seconds: float = 0.0
    ) -> None:
        """Save any other artefact, such as report.html."""
        with self._saving(artefact, provenance, seconds=seconds) as temporary:
            temporary.write_bytes(data)

    def record(self, artefact: str, provenance: Provenance, *, seconds: float) -> None:
        """Enter an artefact that is already in the folder into run.json."""
        sha256 = hash_file(self._existing(artefact))
        entry = _make_entry(provenance, sha256=sha256, seconds=seconds)
        change_state(self.path, lambda state: state["artefacts"].update({artefact: entry}))

    def entry(self, artefact: str) -> dict[str, Any] | None:
        """Return the entry that fits the file on the disk; None where none does."""
        path = self.path / artefact
        if not path.is_file():
            return None
        sha256, state = hash_file(path), read_state(self.path)
        for entries in (state["artefacts"], state["pending"]):
            if entries.get(artefact, {}).get("sha256") == sha256:
                return dict(entries[artefact])
        return None

    def is_current(self, artefact: str, provenance: Provenance) -> bool:
        """Tell whether the artefact was made exactly so and is unchanged on the disk."""
        entry = self.entry(artefact)
        return entry is not None and entry["key"] == provenance.key

    def check(self, artefact: str) -> Path:
        """Return the path of an artefact that is there and is what was written.

        Raises
        ------
        RunError
            It is missing, or its bytes are not those run.json knows.
        """
        path = self._existing(artefact)
        if self.entry(artefact) is None:
            raise RunError(
                f"{path} is not the file that was written (its sha256 differs from run.json): "
                "damaged or edited; run discovery.cluster into the same folder again"
            )
        return path

    def _existing(self, artefact: str) -> Path:
        path = self.path / artefact
        if not path.is_file():
            raise RunError(
                f"{self.path} has no {artefact}: run discovery.cluster into the same folder again"
            )
        return path

    @contextlib.contextmanager
    def _saving(self, artefact: str, provenance: Provenance, *, seconds: float) -> Iterator[Path]:
        with replacing(self.path / artefact) as temporary:
            yield temporary
            entry = _make_entry(provenance, sha256=hash_file(temporary), seconds=seconds)
            change_state(self.path, lambda state: state["pending"].update({artefact: entry}))

        def settle(state: dict[str, Any]) -> None:
            state["artefacts"][artefact] = entry
            state["pending"].pop(artefact, None)

        change_state(self.path, settle)


def create_run(path: Path) -> Run:
    """Make the folder a run, or open it where it is one already.

    Raises
    ------
    RunError
        The path is a file, or a folder that holds something else.
    InputError
        The folder cannot be written to.
    """
    create_state(path)
    return Run(path)


def open_run(path: Path) -> Run:
    """Open a run.

    Raises
    ------
    RunError
        The folder is missing, not a run, of a newer version, or run.json is damaged.
    """
    read_state(path)
    return Run(path)


def _make_entry(provenance: Provenance, *, sha256: str, seconds: float) -> dict[str, Any]:
    return {**provenance.to_dict(), "seconds": round(seconds, 3), "sha256": sha256}
