"""What a user can say about a round of discovery: the same object for Python and command line."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union

import tyro

from discovery.clusterers.base import (
    ClustererOptions,
    check_clusterer,
    find_clusterers,
    make_default,
)
from embeddings.errors import OptionError
from embeddings.extract.options import ExtractOptions
from embeddings.extractors import find_extractor
from embeddings.paths import takes_paths
from embeddings.records import COMPARING

MAX_SEED = 2**31 - 2  # FAISS keeps seed + 1 in 32 bits with a sign


ViewName = Literal["given", "maps", "highlight", "numbers", "turned", "defect"]


def list_network_views(views: Iterable[ViewName]) -> list[ViewName]:
    """Return those of the views that only a network has."""
    return [view for view in views if view not in ("given", "numbers")]


if TYPE_CHECKING:
    ClusterChoice = ClustererOptions
else:
    # A subcommand for each clusterer that is found. tyro reads the types at run time: a module that
    # was just put into the package is one without a line here.
    ClusterChoice = Union[  # noqa: UP007 - how many there are is not known here
        tuple(
            Annotated[options, tyro.conf.subcommand(name)]
            for name, options in find_clusterers().items()
        )
    ]


@takes_paths
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
    (joined by density in polar coordinates); highlight, what stands out of its background, in
    numbers and as a network sees it, beside the whole picture; numbers, these beside the whole
    picture alone; turned, each picture in four quarter turns; defect, places weighted by how
    unlike they are. Of several the evidence picks one. Left out: maps where most are wafer maps,
    highlight where one small region stands out of most pictures, turned where their directions say
    nothing, else given."""
    adapt: bool = False
    """Learn of variants of your own images (moved, mirrored, in other light and noise) what changes
    in a vector though the defect does not, and let it count less; only where it is proven better on
    images that taught nothing. Takes three times the network's work on 512 images, once."""
    since: Path | None = None
    """An earlier run: a new run goes on with its proposal ids, and tells what became of them."""
    assign_noise: bool = False
    """Give each image that is in no group to the one it has most ties to; it stays marked."""
    replace: bool = False
    """Put these images in the place of the run's own, where they are others: a source that is
    neither the run's own nor holds most of its images is refused without it. decisions.jsonl is
    kept as it is."""
    thumbnails: int = 3000
    """Small pictures kept in the report at most."""
    clusterer: ClusterChoice = field(default_factory=make_default)
    extract: ExtractOptions = field(default_factory=ExtractOptions)

    def __post_init__(self) -> None:
        check_clusterer(self.clusterer)
        if not 0 <= self.seed <= MAX_SEED:
            raise OptionError(f"--seed {self.seed}: expected 0 to {MAX_SEED}")
        if not 0 < self.target_purity <= 1:
            raise OptionError(f"--target-purity {self.target_purity:g}: expected above 0, up to 1")
        if self.known is None and (self.guided or self.keep_matches):
            flag = "--guided" if self.guided else "--keep-matches"
            raise OptionError(f"{flag} is for --known HANDOFF: give one, or leave it out")
        pooling = self.extract.pooling
        if self.adapt and (
            self.extract.asks_for_bank or pooling in COMPARING or "defect" in self.views
        ):
            raise OptionError(
                "--adapt is for vectors of whole pictures, and these weigh places by what they are "
                "compared with (--pooling defect or residual, --normal, --tau): leave one out"
            )
        name = self.extract.extractor
        if self.adapt and name != "auto" and not find_extractor(name).is_network:
            raise OptionError(
                f"--adapt: --extractor {name} is no network, and sees all images in the same way; "
                "leave one out, or use --extractor resnet50 or lite"
            )
        turns = self.extract.turns
        if "turned" in self.views and (turns is not None or self.extract.view == "polar"):
            other = "--view polar" if turns is None else f"--turns {turns}"
            raise OptionError(
                f"--views turned and {other}: each says in which directions pictures are seen; "
                "leave one out"
            )
        looks = list_network_views(self.views)
        if looks and name != "auto" and not find_extractor(name).is_network:
            raise OptionError(
                f"--views {' '.join(looks)}: --extractor {name} is no network, and has no such "
                "view; leave one out, or use --extractor resnet50 or lite"
            )
        if not 0 <= self.thumbnails <= 20_000:
            raise OptionError(f"--thumbnails {self.thumbnails}: expected 0 to 20000")
