"""What a picture's background leaves, found once however many ask: the numbers, and the crop.

    look = LOOKS.look_at(image)   # look.numbers, look.is_clear, look.draw(224)

A round asks of one picture up to three times: whether anything stands out, for what a network
sees of it, and for its numbers. Taking the background off costs fifty times what reading the
picture does, so that a process remembers what it found, by the pixels themselves: of another
picture, or in other grey levels, it never answers with what was found before. Numbers take a
hundred bytes and are kept of the last hundred thousand pictures; surroundings, which only the
first question leaves to the second, within 64 MB.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.highlight.crop import cut_surroundings, draw_surroundings
from embeddings.highlight.folding import Values
from embeddings.highlight.numbers import describe_regions
from embeddings.highlight.regions import highlight_picture

_MOST_LOOKS: Final = 100_000
_MOST_BYTES: Final = 64_000_000  # of surroundings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What a round asks of a picture.

    Attributes
    ----------
    numbers : (18,) float64
        As `describe_regions` gives them.
    is_clear : bool
        Whether it is one small strong region that stands out.
    surroundings : (s, s) float32 in [0, 1]
        As `cut_surroundings` gives them.
    """

    numbers: NDArray[np.float64]
    is_clear: bool
    surroundings: Values

    @property
    def is_found(self) -> bool:
        """Whether anything stands out."""
        return bool(self.numbers[0])

    def draw(self, side: int) -> Values:
        """Return the crop, (1, side, side), as `draw_crop` does."""
        return draw_surroundings(self.surroundings, side=side)


class Looks:
    """The looks of a process, by the pixels that were looked at.

    Parameters
    ----------
    most : int
        Pictures whose numbers are kept; the oldest go first.
    most_bytes : int
        Of surroundings; what is over it is found again.
    """

    def __init__(self, *, most: int = _MOST_LOOKS, most_bytes: int = _MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._bytes = 0
        # None: a sliver, of which nothing can be told.
        self._numbers: OrderedDict[bytes, NDArray[np.float64] | None] = OrderedDict()
        self._whole: dict[bytes, Look] = {}
        self._lock = threading.Lock()  # several threads look at once, at different pictures

    def look_at(self, image: Values, *, is_last: bool = False) -> Look | None:
        """Find what stands out of a picture; None of a sliver, which has no background.

        Parameters
        ----------
        image : (c, h, w) float32 in [0, 1]
            Its longest side `LARGEST` at most.
        is_last : bool
            Nobody will ask for the surroundings again.
        """
        key = _name(image)
        with self._lock:
            found = self._whole.pop(key, None) if is_last else self._whole.get(key)
            if found is not None:
                self._bytes -= found.surroundings.nbytes if is_last else 0
                return found
            if key in self._numbers and self._numbers[key] is None:
                return None
        return self._look(image, key, is_last=is_last)

    def describe(self, image: Values) -> NDArray[np.float64] | None:
        """Return the numbers of a picture alone, (18,); None of a sliver."""
        key = _name(image)
        with self._lock:
            if key in self._numbers:
                return self._numbers[key]
        # Whose numbers are asked for first is seldom asked for its crop: that would go before.
        found = self._look(image, key, is_last=True)
        return None if found is None else found.numbers

    def _look(self, image: Values, key: bytes, *, is_last: bool) -> Look | None:
        seen = highlight_picture(image)
        look = None
        if seen is not None:
            look = Look(
                numbers=describe_regions(seen),
                is_clear=seen.is_clear,
                surroundings=cut_surroundings(seen),
            )
        with self._lock:
            self._numbers[key] = None if look is None else look.numbers
            if len(self._numbers) > self._most:
                self._numbers.popitem(last=False)
            if look is not None and not is_last and key not in self._whole:
                size = look.surroundings.nbytes
                if self._bytes + size <= self._most_bytes:
                    self._whole[key] = look
                    self._bytes += size
        return look


def _name(image: Values) -> bytes:
    """Return what no other picture is called: a digest of its shape and its pixels."""
    pixels = np.ascontiguousarray(image, dtype=np.float32)
    digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.data)
    return digest.digest()


LOOKS: Final = Looks()  # of this process
