"""Every route that `quality.py` runs: this toolkit's own, and the peers' recipes.

A route takes a case and a seed, and returns image ids with their (n,) labels, -1 for noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality_peers import PEERS, Peer
from quality_sets import Case

from discovery import (
    AgglomerativeOptions,
    AutoOptions,
    HDBSCANOptions,
    KMeansOptions,
    RoundOptions,
    discover_types,
)

Found = tuple[NDArray[np.str_], NDArray[np.int32]]
DEFAULT = "default (auto)"


@dataclass(frozen=True, kw_only=True)
class Own:
    """A route of this toolkit, run as `python -m discovery.cluster` runs it."""

    name: str
    clusterer: Any = field(default_factory=AutoOptions)
    round_: Mapping[str, Any] = field(default_factory=dict)
    extract: Mapping[str, Any] = field(default_factory=dict)
    knows_k: bool = False
    missing: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the vectors are asked for that know of no normals."""
        return self.extract.get("pooling") not in (None, "defect")

    def run(self, case: Case, seed: int) -> Found:
        """Run one round on the images; what is kept from an earlier call is the vectors alone."""
        normals: dict[str, Any] = {} if self.is_plain else {"normal": case.images.normals}
        if case.images.has_references and not self.is_plain:
            normals["pooling"] = "defect"
        extract = case.options(**(dict(self.extract) | normals))
        run = case.place(extract, "run")
        _clear_run(run)
        options = RoundOptions(
            seed=seed, thumbnails=0, clusterer=self.clusterer, extract=extract, **self.round_
        )
        found = discover_types(case.images.source, run, options=options)
        images = found.run.load_images()
        return images["image_id"].to_numpy(dtype=np.str_), images["cluster_id"].to_numpy(np.int32)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A peer's recipe, on the peers' vectors or on this toolkit's."""

    peer: Peer
    on_own: bool = False

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"{'our vectors' if self.on_own else 'layer4 mean'}, {self.peer.name}"

    @property
    def knows_k(self) -> bool:
        """Whether it is told the number of true types."""
        return self.peer.knows_k

    @property
    def missing(self) -> str:
        """The package that is not there, if any."""
        return "" if self.peer.is_installed else self.peer.needs

    def run(self, case: Case, seed: int) -> Found:
        """Cluster the vectors; only a recipe that knows k looks at the truth."""
        vectors, truth = case.own_vectors if self.on_own else case.peer_vectors
        return vectors.ids, self.peer.cluster(vectors.values, len(np.unique(truth)), seed)


Route = Own | Recipe

ROUTES: tuple[Route, ...] = (
    Own(name=DEFAULT),
    Own(name="plain view (max)", extract={"pooling": "max"}),
    Own(name="defect view", extract={"pooling": "defect"}),
    Own(name="lite", extract={"extractor": "lite", "weights": None}),
    Own(name="hdbscan", clusterer=HDBSCANOptions()),
    Own(name="kmeans, k auto", clusterer=KMeansOptions()),
    Own(name="agglomerative, k auto", clusterer=AgglomerativeOptions()),
    *(Recipe(peer=peer) for peer in PEERS),
    *(Recipe(peer=peer, on_own=True) for peer in PEERS),
)


def _clear_run(run: Path) -> None:
    """Delete a run's artefacts: they are current by their options, whatever the code is now."""
    for path in run.iterdir() if run.is_dir() else ():
        if path.is_file():
            path.unlink()
