"""Whether the directions of a set's pictures say nothing: told on a sample, without any label.

A sample of pictures is shown to the network once more, turned by a quarter. Where directions say
nothing, as of crops round a defect, a turned picture is as likely in the set as the picture itself,
so that its nearest other image is nearer in half of the cases. Where they say something (light from
one side, grain, a layout along an axis, letters), the picture as it is comes nearer in most.

The answer is kept in the run's folder, as that of `standing_out` is, for the same reasons.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from discovery.flow.embedded_variants import embed_variants
from discovery.flow.sources import RoundSource
from embeddings.bounded import parse_json
from embeddings.console import get_logger, stage
from embeddings.extract import ExtractOptions
from embeddings.files import write_bytes

DIRECTIONS: Final = "directions.json"

_MOST, _STEP = 128, 32  # pictures looked at: all, and before it is asked whether that is enough
_FEWEST = 24  # pictures: of fewer nothing is told
_COMPARED = 4096  # images among which the nearest is looked for
_UPRIGHT = 0.75  # sets of docs/log.md have .63 and less, or .87 and more
_SURELY = 2.0  # standard deviations from that, for a smaller sample to be enough
_OUTGROWN = 2  # times as many images as then: it is looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """What a sample of the pictures showed.

    Attributes
    ----------
    images : int
        In the set at that time.
    looked_at, upright : int
        Pictures shown to the network once more; those whose nearest other image is nearer to them
        as they are than turned by a quarter.
    spec : str
        Hash of the spec by which the given view was made.
    """

    images: int
    looked_at: int
    upright: int
    spec: str

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
        error = np.sqrt(_UPRIGHT * (1 - _UPRIGHT) / self.looked_at)
        return bool(abs(self.upright / self.looked_at - _UPRIGHT) > _SURELY * error)

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
    spec, n = given.store.spec, len(given.ids)
    before = read_directions(run)
    if before is not None and before.spec == spec.hash and n < _OUTGROWN * before.images:
        return before
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
    run.mkdir(parents=True, exist_ok=True)
    write_bytes(run / DIRECTIONS, json.dumps(asdict(found)).encode())
    return found


def read_directions(run: Path) -> Directions | None:
    """Return what was found before; None where that is not there, or damaged."""
    try:
        values: dict[str, Any] = parse_json((run / DIRECTIONS).read_bytes().decode())
        return Directions(**values)
    except (OSError, ValueError, TypeError):
        return None


def _look(given: RoundSource, tally: Directions, *, options: ExtractOptions) -> Directions:
    # The sample is the first of those it is compared with: an image's place here is its own there.
    drawn = given.ids[np.random.default_rng(0).permutation(len(given.ids))[:_COMPARED]]
    others = np.asarray(given.store.load_vectors(drawn).values)
    for first in range(0, min(_MOST, len(drawn)), _STEP):
        ids = drawn[first : min(first + _STEP, _MOST)]
        again = embed_variants(
            given.store, ids, vary=_turn_by_a_quarter, options=options, what="directions"
        )
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
