"""What a place in or beside a file says of its pixels, and which of several is believed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_POSSIBLE = (1e-7, 1e5)  # um a pixel: a tenth of a picometre to a decimetre
_SQUARE = 0.01  # pixels longer than wide by more have no one size
_ALIKE = 0.02  # tools round what they write into two places


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClaim:
    """What one place says.

    Attributes
    ----------
    source : str
        Who says it, such as ``"FEI tag 34682"``.
    um : float
        Micrometres a pixel along a row; NaN where the place holds none.
    um_down : float
        Down a column; NaN where it is not said apart.
    size : (int, int) or None
        Width and height in pixels of the picture it speaks of, where it says them.
    is_weak : bool
        Anybody may have written it: all others go before it.
    """

    source: str
    um: float
    um_down: float = math.nan
    size: tuple[int, int] | None = None
    is_weak: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSize:
    """Micrometres a pixel, NaN where nobody says, with its source and what speaks against it."""

    um: float = math.nan
    source: str = ""
    doubt: str = ""


UNKNOWN_SIZE = PixelSize()


def settle_size(claims: Sequence[SizeClaim], *, width: int, height: int) -> PixelSize:
    """Take the first claim that can be true.

    Parameters
    ----------
    claims : sequence of SizeClaim
        The most trusted first.
    width, height : int
        Of the picture as it is stored, in pixels.

    Returns
    -------
    PixelSize
        Its `doubt` is one line where two claims disagree, where a claim speaks of a picture of
        another width, or where pixels are not square.
    """
    doubts: list[str] = []
    taken: SizeClaim | None = None
    for claim in sorted(claims, key=lambda one: one.is_weak):
        if not _POSSIBLE[0] <= claim.um <= _POSSIBLE[1]:
            continue
        if abs(claim.um - claim.um_down) > _SQUARE * max(claim.um, claim.um_down):
            doubts.append(f"{claim.source} says {claim.um:g} x {claim.um_down:g} um, not square")
        elif taken is None:
            taken = claim
            # Taken as it is: a picture may be cut or scaled, and only its maker knows which.
            if claim.size is not None and claim.size[0] != width:
                doubts.append(
                    f"{claim.source} says {claim.um:g} um a pixel of a picture of "
                    f"{claim.size[0]}x{claim.size[1]} pixels, and this one has {width}x{height}"
                )
        elif not is_alike(claim.um, taken.um):
            doubts.append(
                f"{taken.source} says {taken.um:g} um a pixel, {claim.source} {claim.um:g}: the "
                "first is taken"
            )
    doubt = "; ".join(doubts)
    if taken is None:
        return PixelSize(doubt=doubt)
    return PixelSize(um=taken.um, source=taken.source, doubt=doubt)


def compare_size(size: PixelSize, given: float, *, by: str) -> PixelSize:
    """Return a size that a user gives, in doubt where the file says another."""
    doubt = ""
    if math.isfinite(size.um) and not is_alike(size.um, given):
        doubt = f"{by} says {given:g} um a pixel, {size.source} {size.um:g}: the first is taken"
    return PixelSize(um=given, source=by, doubt=doubt)


def is_alike(one: float, other: float) -> bool:
    """Tell whether two sizes are the same but for rounding."""
    return abs(one - other) <= _ALIKE * max(one, other)
