"""What the report is drawn from: the clustering, its map, its proposals, and how they were made.

The round fills `ReportData` from the run and hands it to `render_report`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.records import (
    Clustering,
    ImageLabel,
    LineageEntry,
    Proposal,
    Rarity,
    Sweep,
    TileSheet,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """How the run was made, in words and figures; what is unknown stays empty and is not shown.

    Attributes
    ----------
    title : str
    source, run : str
        Where the images came from, and the run's folder as a user would type it.
    extractor, precision : str
        What made the vectors, such as ``resnet50 (imagenet), layer4 mean``.
    spec_hash : str
        Of the extractor's spec: facts of other vectors are no facts of these.
    parameters : mapping
        Options of the stages beside the clusterer's own (those are in the clustering).
    seed : int or None
    versions : mapping of str to str
        Package versions.
    seconds : mapping of str to float
        Wall-clock seconds of each stage, in order.
    quarantined : sequence of (path, reason)
        Images that could not be used; the caller bounds the list.
    quarantined_count : int or None
        How many there were in all, where the list was cut.
    ignored : int
        Files that are not images.
    matched : mapping of str to int
        Images that matched each known type and were set aside.
    views : sequence of mapping
        Rows of views.csv: the evidence by which the way of looking was picked.
    copies : str
        What was found of copies, in one line.
    warnings : sequence of str
        What a reader must know before trusting the page.
    made_at : str
        Date and time, as they shall be shown.
    """

    title: str = "Defect types proposed"
    source: str = ""
    run: str = "RUN"
    extractor: str = ""
    precision: str = ""
    spec_hash: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    quarantined: Sequence[tuple[str, str]] = ()
    quarantined_count: int | None = None
    ignored: int = 0
    matched: Mapping[str, int] = field(default_factory=dict)
    views: Sequence[Mapping[str, str]] = ()
    copies: str = ""
    warnings: Sequence[str] = ()
    made_at: str = ""

    def __post_init__(self) -> None:
        if self.quarantined_count is not None and self.quarantined_count < len(self.quarantined):
            raise ValueError(
                f"quarantined_count is {self.quarantined_count}, the list has "
                f"{len(self.quarantined)}"
            )

    @property
    def quarantine_size(self) -> int:
        """Number of images in quarantine, shown or not."""
        listed = len(self.quarantined)
        return listed if self.quarantined_count is None else self.quarantined_count


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """All that one report shows.

    Attributes
    ----------
    clustering : Clustering
        Of n images, k clusters.
    xy : (n, 2) float32
        Position of each image on the map, y upwards.
    paths : (n,) sequence of tuples of str
        Every path of each image, the first shown; a further one is an exact duplicate.
    proposals : sequence of Proposal
        At most one a cluster.
    thumbnails : mapping of image id to bytes
        JPEG, PNG or WebP; `choose_thumbnails` says for which images they are worth making.
    labels : mapping of proposal id to str
        What was decided so far.
    judged : mapping of proposal id to str
        ``split``, ``reject`` or ``defer``, of proposals without a label.
    images : mapping of image id to ImageLabel
        The label of each image that has one.
    definitions : mapping of label to str
    larger : mapping of image id to bytes
        JPEGs at more pixels, of some of the images.
    tiles : sequence of TileSheet
        Very small pictures of images without a thumbnail.
    rarity : Rarity or None
        The order of the rare images; None where only outlier scores are known.
    heats : mapping of image id to bytes
        JPEG of a picture coloured where it is unlike the rest, for some of the medoids.
    history : LineageEntry or None
        What became of the proposals of the round before; None where there was none.
    sweep : Sweep or None
        How groups come and go over the resolutions; None where the clusterer does not look at it.
    facts : ReportFacts
    title : str
    """

    clustering: Clustering
    xy: NDArray[np.float32]
    paths: Sequence[tuple[str, ...]]
    proposals: Sequence[Proposal]
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    judged: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, ImageLabel] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    larger: Mapping[str, bytes] = field(default_factory=dict)
    tiles: Sequence[TileSheet] = ()
    rarity: Rarity | None = None
    heats: Mapping[str, bytes] = field(default_factory=dict)
    history: LineageEntry | None = None
    sweep: Sweep | None = None
    facts: ReportFacts = field(default_factory=ReportFacts)
    title: str = "Proposed defect types"

    def __post_init__(self) -> None:
        n = len(self.clustering)
        if self.xy.shape != (n, 2) or not np.isfinite(self.xy).all():
            raise ValueError(f"xy has shape {self.xy.shape}, expected finite values of {(n, 2)}")
        # A card shows the first path: an image without any could not be found again.
        if len(self.paths) != n or not all(self.paths):
            raise ValueError(f"{len(self.paths)} path lists for {n} images, or an empty one")
        _check_proposals(self.proposals, self.clustering)
        if self.rarity is not None and self.rarity.positions.max(initial=-1) >= n:
            raise ValueError(f"a rare image lies outside of the {n} images")
        # A picture that no image bears would weigh in the page and never be seen.
        unknown = {*self.thumbnails, *self.larger} - set(self.clustering.ids.tolist())
        if unknown:
            raise ValueError(f"{len(unknown)} thumbnails of unknown images, such as {min(unknown)}")

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The labels that the images bear, sorted."""
        own = set(self.clustering.ids.tolist())
        return tuple(sorted({one.label for name, one in self.images.items() if name in own}))

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """The place of each image's label among `types`, (n,); -1 for none."""
        place = {label: i for i, label in enumerate(self.types)}
        none = ImageLabel()
        ids = self.clustering.ids.tolist()
        return np.array([place.get(self.images.get(i, none).label, -1) for i in ids], np.int32)


def _check_proposals(proposals: Sequence[Proposal], clustering: Clustering) -> None:
    clusters = [proposal.cluster_id for proposal in proposals]
    if len(set(clusters)) != len(clusters):
        raise ValueError("two proposals name one cluster")
    if clusters and not 0 <= min(clusters) <= max(clusters) < clustering.k:
        raise ValueError(f"a proposal's cluster lies outside 0..{clustering.k - 1}")
    known = set(clustering.ids.tolist())
    for proposal in proposals:
        shown = {proposal.medoid, *(i for ids in proposal.exemplars.values() for i in ids)}
        if not shown <= known:
            raise ValueError(f"{proposal.proposal_id} shows the unknown image {min(shown - known)}")
