"""Whether the directions of a set's pictures say nothing: told on a sample, without any label.

A sample of pictures is shown to the network once more, turned by a quarter. Where directions say
nothing, as of crops round a defect, a turned picture is as likely in the set as the picture itself,
so that its nearest other image is nearer in half of the cases. Where they say something (light from
one side, grain, a layout along an axis, letters), the picture as it is comes nearer in most.

The answer is kept in the run's folder (`sample_answers`).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from discovery.flow.embedded_variants import VariantEmbedder
from discovery.flow.sample_answers import (
    MOST,
    STEP,
    SampleAnswer,
    is_far,
    keep_answer,
    read_answer,
    recall_answer,
)
from discovery.flow.sources import RoundSource
from embeddings.console import get_logger, stage
from embeddings.extract import ExtractOptions

DIRECTIONS: Final = "directions.json"

_FEWEST = 24  # pictures: of fewer nothing is told
_COMPARED = 4096  # images among which the nearest is looked for
_UPRIGHT = 0.75  # sets of docs/log.md have .63 and less, or .87 and more
_SURELY = 2.0  # standard deviations from that, for a smaller sample to be enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions(SampleAnswer):
    """What a sample of the pictures showed.

    Attributes
    ----------
    upright : int
        Pictures whose nearest other image is nearer to them as they are than turned by a quarter,
        of those that were shown to the network once more.
    """

    upright: int

    def __post_init__(self) -> None:
        if self.images < 0 or not 0 <= self.upright <= self.looked_at:
            raise ValueError("no counts of pictures")

    @property
    def is_taken(self) -> bool:
        """Whether the pictures are to be looked at in all directions."""
        return self.looked_at >= _FEWEST and self.upright < _UPRIGHT * self.looked_at

    @property
    def is_sure(self) -> bool:
        """Whether more pictures would hardly change the answer."""
        if not self.looked_at:
            return False
        return is_far(self.upright, self.looked_at, limit=_UPRIGHT, deviations=_SURELY)

    def describe(self) -> dict[str, str]:
        """Return the evidence in words, for the report."""
        return {
            "view": "turned",
            "looked at": f"{self.looked_at} images",
            "nearer to another than when turned": f"{self.upright} of {self.looked_at}",
            "taken": "yes" if self.is_taken else "",
        }


def judge_directions(given: RoundSource, run: Path, *, options: ExtractOptions) -> Directions:
    """Tell whether the directions of a source's images say nothing, or read it in the run.

    Raises
    ------
    DefectDiscoveryError
        The extractor cannot be loaded.
    """
    before = recall_answer(run / DIRECTIONS, Directions, given)
    if before is not None:
        return before
    spec, n = given.store.spec, len(given.ids)
    nothing = Directions(images=n, looked_at=0, upright=0, spec=spec.hash)
    # A store of an earlier day may see its images in all directions already, or in another view.
    if n < _FEWEST or spec.orientations != 1 or spec.compares or spec.view != "picture":
        return nothing
    with stage("directions") as facts:
        found = _look(given, nothing, options=options)
        facts.update(
            nearer_as_they_lie=f"{found.upright} of {found.looked_at}",
            turned=f"{'yes' if found.is_taken else 'no'} (yes below {_UPRIGHT:.0%})",
        )
    if found.is_taken:
        get_logger().info(
            "the directions of the pictures say nothing: each is looked at in four quarter turns"
        )
    keep_answer(run / DIRECTIONS, found)
    return found


def read_directions(run: Path) -> Directions | None:
    """Return what was found before; None where that is not there, or damaged."""
    return read_answer(run / DIRECTIONS, Directions)


def _look(given: RoundSource, tally: Directions, *, options: ExtractOptions) -> Directions:
    # The sample is the first of those it is compared with: an image's place here is its own there.
    drawn = given.ids[np.random.default_rng(0).permutation(len(given.ids))[:_COMPARED]]
    others = np.asarray(given.store.load_vectors(drawn).values)
    embedder = VariantEmbedder(given.store, options)
    for first in range(0, min(MOST, len(drawn)), STEP):
        ids = drawn[first : min(first + STEP, MOST)]
        again = embedder.embed(ids, vary=_turn_by_a_quarter, what="directions")
        if not len(again.read):
            continue
        own = first + again.read
        turned = again.variants[:, 0]
        upright = _find_nearest(others[own], others, own) > _find_nearest(turned, others, own)
        tally = replace(
            tally,
            looked_at=tally.looked_at + len(upright),
            upright=tally.upright + int(upright.sum()),
        )
        if tally.is_sure:
            break
    return tally


def _turn_by_a_quarter(_: str, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [np.ascontiguousarray(np.rot90(image, axes=(-2, -1)))]


def _find_nearest(
    rows: NDArray[np.float32], others: NDArray[np.float32], own: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the largest product of unit rows with others, but for each row's own place."""
    alike = rows @ others.T
    alike[np.arange(len(rows)), own] = -np.inf
    nearest: NDArray[np.float32] = alike.max(axis=1)
    return nearest
