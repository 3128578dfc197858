"""The plan of a set of synthetic images: which defect, on what, seen by which microscope, whence.

The shares of the types are as uneven as in a fab. One association is planted for the evidence of
a proposal to find: most scratches on a plain film come from the polisher CMP-02, which otherwise
has no more than its share. Lot, wafer, microscope and position know nothing of the type.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.random import Generator

from discovery.synthetic.records import Background, Microscope, PicturePlan

NO_DEFECT: Final = "no_defect"

# Share of each type. Twelve of 600 collapse: rare, and the type that one wants to find.
SHARES: Final[Mapping[str, float]] = {
    NO_DEFECT: 0.25,
    "particle_small": 0.20,
    "particle_large": 0.13,
    "scratch": 0.13,
    "bridge": 0.12,
    "residue": 0.08,
    "void": 0.07,
    "collapse": 0.02,
}
LABELS: Final = tuple(SHARES)

MICROSCOPES: Final = (
    Microscope(
        name="SEM-1", size=(256, 256), bit_depth=8, black=14, white=235, dose=110,
        read_noise=0.02, beam=0.7, side=0.03, jitter=0.10, streak=1.2,
    ),
    Microscope(
        name="SEM-2", size=(240, 320), bit_depth=8, black=6, white=210, dose=65,
        read_noise=0.025, beam=0.95, side=0.08, jitter=0.2, streak=2.0,
    ),
    # A 12-bit camera in a 16-bit file, which uses some 400 of its levels.
    Microscope(
        name="SEM-3", size=(288, 288), bit_depth=16, black=800, white=1200, dose=85,
        read_noise=0.02, beam=0.8, side=0.05, jitter=0.15, streak=1.5,
    ),
)  # fmt: skip
_MICROSCOPE_SHARES = (0.5, 0.3, 0.2)

_PATTERN_ONLY = {"bridge", "collapse"}  # there is nothing to bridge on a plain film
_LINE_SHARE = 0.45  # of the other types' pictures
# Defects in one picture, where there may be more than one; a detector learns to count them.
_MOST = {"particle_small": 12, "particle_large": 2, "bridge": 3, "void": 4, "scratch": 1}
_LOTS = 6
_DIE_RADIUS = 8  # dice from the middle of the wafer to its edge
_TRACKS = ("TRK-01", "TRK-02", "TRK-03")
_POLISHERS = ("CMP-01", "CMP-02", "CMP-03")
_SCRATCHES_FROM_CMP_02 = 0.85


def plan_pictures(n: int, *, seed: int) -> tuple[PicturePlan, ...]:
    """Plan n pictures in random order; each type's share is as near to `SHARES` as n allows.

    Raises
    ------
    ValueError
        n is less than 1.
    """
    if n < 1:
        raise ValueError(f"{n} pictures, expected 1 or more")
    rng = np.random.default_rng([seed, n, 0])
    labels = np.repeat(np.array(LABELS), _count_labels(n))
    rng.shuffle(labels)
    return tuple(_plan_picture(rng, index, label=str(label)) for index, label in enumerate(labels))


def _count_labels(n: int) -> Sequence[int]:
    """Divide n by `SHARES`, the largest remainders rounded up, no type empty where n allows."""
    exact = n * np.array(list(SHARES.values()))
    counts = np.floor(exact).astype(int)
    for index in np.argsort(counts - exact, kind="stable")[: n - counts.sum()]:
        counts[index] += 1
    # A rare type would vanish from a small set: the largest gives one picture up.
    for index in np.flatnonzero(counts == 0):
        if counts.max() > 1:
            counts[counts.argmax()] -= 1
            counts[index] += 1
    return [int(count) for count in counts]


def _plan_picture(rng: Generator, index: int, *, label: str) -> PicturePlan:
    lines = label in _PATTERN_ONLY or rng.random() < (0.25 if label == "scratch" else _LINE_SHARE)
    background: Background = "line_space" if lines else "plain"
    dense = rng.random() < 0.5
    lot = int(rng.integers(_LOTS))
    die_x, die_y = _choose_die(rng)
    return PicturePlan(
        index=index,
        label=label,
        count=_choose_count(rng, label),
        background=background,
        # Two products, each within a percent of its nominal pitch.
        pitch=(19.0 if dense else 27.0) * float(rng.normal(1, 0.01)),
        duty=float(rng.normal(0.5, 0.015)),
        vertical=not lines or rng.random() < 0.5,
        microscope=MICROSCOPES[rng.choice(len(MICROSCOPES), p=_MICROSCOPE_SHARES)],
        # The gun ages from lot to lot; an operator's setting varies from picture to picture.
        gain=(1.2 - 0.04 * lot) * float(rng.normal(1, 0.03)),
        offset=0.02 * (lot % 3) + float(rng.normal(0, 0.008)),
        lot=f"L{2601 + lot}",
        wafer=int(rng.integers(1, 26)),
        tool=_choose_tool(rng, label, background=background),
        recipe=("M1_DENSE" if dense else "M1_SEMI") if lines else "ILD_BLANKET",
        step="M1-ADI" if lines else "ILD-CMP",  # after-develop inspection, after polishing
        die_x=die_x,
        die_y=die_y,
    )


def _choose_count(rng: Generator, label: str) -> int:
    """One defect in most pictures; now and then several, as particles come in showers."""
    if label == NO_DEFECT:
        return 0
    most = _MOST.get(label, 1)
    return 1 if rng.random() < 0.65 else int(rng.integers(1, most + 1))


def _choose_tool(rng: Generator, label: str, *, background: Background) -> str:
    if background == "line_space":
        return str(rng.choice(_TRACKS))
    if label == "scratch" and rng.random() < _SCRATCHES_FROM_CMP_02:
        return "CMP-02"
    return str(rng.choice(_POLISHERS))


def _choose_die(rng: Generator) -> tuple[int, int]:
    """Return a die on the wafer, all dice alike."""
    while True:  # four of five dice of the square lie on the wafer
        x, y = (int(v) for v in rng.integers(-_DIE_RADIUS, _DIE_RADIUS + 1, size=2))
        if x * x + y * y <= _DIE_RADIUS * _DIE_RADIUS:
            return x, y
