"""What a user can say about a round of discovery: the same object for Python and command line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from embeddings.errors import OptionError
from embeddings.extract.options import ExtractOptions

MAX_SEED = 2**31 - 2  # FAISS keeps seed + 1 in 32 bits with a sign


@dataclass(frozen=True, kw_only=True)
class AutoOptions:
    """The default, nothing to choose: groups of the neighbour graph that last, honest noise."""

    granularity: Literal["coarse", "auto", "fine"] = "auto"
    """coarse: fewer and larger types; fine: more and smaller ones; auto: what lasts longest."""

    @property
    def name(self) -> str:
        """What the provenance calls it."""
        return "auto"


@dataclass(frozen=True, kw_only=True)
class HDBSCANOptions:
    """Density clustering: groups of any shape, and honest noise."""

    min_cluster_size: int | None = None
    """The smallest group worth a name (default: from the number of images)."""
    min_samples: int | None = None
    """How many neighbours make a region dense; larger calls more images noise."""
    cluster_selection_method: Literal["eom", "leaf"] = "eom"
    """eom: the most persistent clusters; leaf: the finest ones."""

    def __post_init__(self) -> None:
        _check_least("--min-cluster-size", self.min_cluster_size, 2)
        _check_least("--min-samples", self.min_samples, 1)

    @property
    def name(self) -> str:
        """What the provenance calls it."""
        return "hdbscan"


@dataclass(frozen=True, kw_only=True)
class KMeansOptions:
    """Round groups of similar spread; every image belongs to one."""

    n_clusters: int | Literal["auto"] = "auto"
    """How many groups, or auto: as many as last over the resolutions of the neighbour graph."""

    def __post_init__(self) -> None:
        _check_n_clusters(self.n_clusters)

    @property
    def name(self) -> str:
        """What the provenance calls it."""
        return "kmeans"


@dataclass(frozen=True, kw_only=True)
class AgglomerativeOptions:
    """Groups joined from the bottom up; every image belongs to one."""

    n_clusters: int | Literal["auto"] = "auto"
    """How many groups, or auto: as many as last over the resolutions of the neighbour graph."""
    linkage: Literal["ward", "average"] = "ward"
    """ward joins what adds least variance, average what is nearest on average."""

    def __post_init__(self) -> None:
        _check_n_clusters(self.n_clusters)

    @property
    def name(self) -> str:
        """What the provenance calls it."""
        return "agglomerative"


ViewName = Literal["given", "maps", "defect"]

ClusterChoice = (
    Annotated[AutoOptions, tyro.conf.subcommand("auto")]
    | Annotated[HDBSCANOptions, tyro.conf.subcommand("hdbscan")]
    | Annotated[KMeansOptions, tyro.conf.subcommand("kmeans")]
    | Annotated[AgglomerativeOptions, tyro.conf.subcommand("agglomerative")]
)


@dataclass(frozen=True, kw_only=True)
class RoundOptions:
    """One round of discovery: how images become vectors, how vectors become proposals."""

    seed: int = 0
    """Of everything random; the same seed gives the same run on one platform."""
    known: Path | None = None
    """Handoff with types already known (handoff.csv, handoff.json, their folder, or any CSV with
    path and label): its images are set aside, proposals are measured against its types."""
    target_purity: float = 0.95
    """With --known: share of the images set aside with a known type that must really be of it."""
    keep_matches: bool = False
    """With --known: cluster the images that match a known type too, instead of setting them aside
    in matched.csv."""
    guided: bool = False
    """With --known: differences inside the known types count less when the others are clustered."""
    views: tuple[ViewName, ...] = ()
    """How images are looked at: given, as the options of extraction say; maps, wafer maps as maps
    (joined by density in polar coordinates); defect, places weighted by how unlike they are. Of
    several the evidence picks one. Left out: given, and maps where most are wafer maps."""
    since: Path | None = None
    """An earlier run: a new run goes on with its proposal ids, and tells what became of them."""
    assign_noise: bool = False
    """Give each image that is in no group to the one it has most ties to; it stays marked."""
    thumbnails: int = 3000
    """Small pictures kept in the report at most."""
    clusterer: ClusterChoice = field(default_factory=AutoOptions)
    extract: ExtractOptions = field(default_factory=ExtractOptions)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise OptionError(f"--seed {self.seed}: expected 0 to {MAX_SEED}")
        if not 0 < self.target_purity <= 1:
            raise OptionError(f"--target-purity {self.target_purity:g}: expected above 0, up to 1")
        if self.known is None and (self.guided or self.keep_matches):
            flag = "--guided" if self.guided else "--keep-matches"
            raise OptionError(f"{flag} is for --known HANDOFF: give one, or leave it out")
        if not 0 <= self.thumbnails <= 20_000:
            raise OptionError(f"--thumbnails {self.thumbnails}: expected 0 to 20000")


def _check_least(flag: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise OptionError(f"{flag} {value}: expected {least} or more")


def _check_n_clusters(value: int | Any) -> None:
    if value != "auto" and value < 2:
        raise OptionError(f"--n-clusters {value}: expected auto, or 2 or more")
