"""Whether a set's pictures are defects on a background: told on a sample, without any label.

What stands out is looked for in up to 128 pictures (`embeddings.highlight`). Where in most of them
with anything it is one small strong region, the background is what a network sees of the whole
picture, and the defect is better looked at alone. Textures that are the defect themselves, wafer
maps, crops round a defect and pictures with much else in them are not like that.

The answer is kept in the run's folder (`sample_answers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
from discovery.records import Proposal
from embeddings.console import get_logger, stage
from embeddings.errors import ImageError
from embeddings.images import MAX_PIXELS, prepare_picture
from embeddings.reader import OpenPart, Preparation, list_parts, map_parts
from embeddings.records import Vectors

STANDING_OUT = "standout.json"

_LEAST_FOUND = 0.3  # of the pictures: with fewer there is hardly anything to look at
_MOSTLY = 0.5  # of these, clear ones; sets of docs/log.md have .38 and less, or .66 and more
_SURELY = 3.0  # standard deviations from that, for a smaller sample to be enough
_FEWEST = 16  # pictures with something standing out
_MOSTLY_CLEAN = 0.9  # of a group's images


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingOut(SampleAnswer):
    """What a sample of the pictures showed.

    Attributes
    ----------
    found, clear : int
        Pictures in which something stands out; of these, those in which it is one small strong
        region.
    """

    found: int
    clear: int

    def __post_init__(self) -> None:
        if self.images < 0 or not 0 <= self.clear <= self.found <= self.looked_at:
            raise ValueError("no counts of pictures")

    @property
    def is_taken(self) -> bool:
        """Whether the defects are to be looked at alone."""
        is_enough = self.found >= max(_FEWEST, _LEAST_FOUND * self.looked_at)
        return is_enough and self.clear > _MOSTLY * self.found

    @property
    def is_sure(self) -> bool:
        """Whether more pictures would hardly change the answer."""
        if self.found < _FEWEST:
            return self.looked_at >= 2 * STEP
        return is_far(self.clear, self.found, limit=_MOSTLY, deviations=_SURELY)

    def describe(self) -> dict[str, str]:
        """Return the evidence in words, for the report."""
        return {
            "view": "highlight",
            "looked at": f"{self.looked_at} images",
            "something stands out": f"{self.found} of {self.looked_at}",
            "one small region by far": f"{self.clear} of {self.found}",
            "taken": "yes" if self.is_taken else "",
        }


def judge_pictures(given: RoundSource, run: Path, *, max_pixels: int = MAX_PIXELS) -> StandingOut:
    """Tell whether the images of a source are defects on a background, or read it in the run."""
    before = recall_answer(run / STANDING_OUT, StandingOut, given)
    if before is not None:
        return before
    with stage("what stands out") as facts:
        found = _look(given, max_pixels=max_pixels)
        facts.update(looked_at=found.looked_at, found=found.found, clear=found.clear)
    if found.is_taken:
        get_logger().info(
            "one small region stands out of most pictures: it is looked at alone, too"
        )
    keep_answer(run / STANDING_OUT, found)
    return found


def note_clean_groups(
    proposals: Sequence[Proposal], labels: NDArray[np.int32], views: Sequence[Vectors]
) -> tuple[Proposal, ...]:
    """Say of groups in which nothing stands out of most images that they may show no defect.

    Parameters
    ----------
    labels : (n,) int32
        Clusters of the images, -1 for none.
    views : sequence of Vectors of the n images
    """
    from discovery.flow.space import find_standing_out  # loads what computes

    stands_out = find_standing_out(views)
    if stands_out is None:
        return tuple(proposals)
    noted = []
    for one in proposals:
        members = labels == one.cluster_id
        clean = int(np.count_nonzero(members & ~stands_out))
        if clean > _MOSTLY_CLEAN * np.count_nonzero(members):
            note = f"nothing stands out of {clean} of {one.size} images: they may show no defect"
            noted.append(replace(one, associations={**one.associations, "note": note}))
        else:
            noted.append(one)
    return tuple(noted)


def read_standing_out(run: Path) -> StandingOut | None:
    """Return what was found before; None where that is not there, or damaged."""
    return read_answer(run / STANDING_OUT, StandingOut)


def _look(given: RoundSource, *, max_pixels: int) -> StandingOut:
    drawn = np.random.default_rng(0).permutation(len(given.ids))[:MOST]
    tally = StandingOut(
        images=len(given.ids), looked_at=0, found=0, clear=0, spec=given.store.spec.hash
    )
    for first in range(0, len(drawn), STEP):
        ids = given.ids[np.sort(drawn[first : first + STEP])]
        seen = np.array(_look_at(given, ids, max_pixels=max_pixels), dtype=bool).reshape(-1, 2)
        found, clear = seen.sum(axis=0).tolist()
        tally = replace(
            tally,
            looked_at=tally.looked_at + len(seen),
            found=tally.found + found,
            clear=tally.clear + clear,
        )
        if tally.is_sure:
            break
    return tally


def _look_at(
    given: RoundSource, ids: NDArray[np.str_], *, max_pixels: int
) -> list[tuple[bool, bool]]:
    """Tell of each image that can be read whether anything stands out, and whether it is clear."""
    store, vectors = given.store, given.store.load_vectors(ids)
    how = Preparation.to_reopen(
        vectors, store.spec, store.windows, max_pixels=max_pixels, bars=store.bars
    )
    seen = map_parts(list_parts(vectors), lambda opened: _judge_part(opened, how), how)
    return [judged for _, judged in seen]


def _judge_part(opened: OpenPart, how: Preparation) -> tuple[bool, bool]:
    """Return whether anything stands out of a picture, and whether it is clear."""
    from embeddings.highlight import LARGEST, LOOKS

    window = how.require_window(opened.picture)
    shown = prepare_picture(
        opened.seen, window=window, size=LARGEST, fit="none", region=opened.seen_region
    )
    look = LOOKS.look_at(shown)
    if look is None:
        raise ImageError("is a sliver")
    return look.is_found, look.is_clear
