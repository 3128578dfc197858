"""The patch bank: what every patch is compared with, and the constants measured on it.

It is made once, in a first pass, and kept with the vectors: an image added later is weighed as
the first ones were. Its sha256 is part of the extractor's identity.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import StoreError

Memory = Literal["images", "normals", "reference"]  # what patches are compared with

# The constants of poolings that compare patches, each with its bound or source.
TAU = 1.0  # a temperature per spread of the distances, as published (Sohn et al. 2023, eq. 5)
RESIDUAL_TAU = 2.0  # wider: what is normal in each place is gone
DEEP_TAU = 0.25  # of the residual's: a deeper map is seen only where the picture is most unlike
RESIDUAL_FLOOR = 2**-11  # rounding of the bank's float16: a shorter residual has no direction

BANK_IMAGES = 64  # images of the first pass: the mean over 64 has settled, over 32 it has not
BANK_PATCHES = 256  # patches kept of each of them: all of a 14 x 14 grid
NORMAL_IMAGES = 1024  # defect-free images that are looked at
NORMAL_PATCHES = 50_000  # patches kept of all of them together: 150 MB on the disk
SEARCH_DIM = 128  # principal axes that are searched: the order by distance stays, see memory.py
REFERENCE_REACH = 1  # cells of the grid a golden reference may be off, in each direction
SEED = 0  # draws the images and patches of the bank


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """Patches of m places in j images, and how far the images at hand are from them.

    Attributes
    ----------
    memory : {"images", "normals", "reference"}
        What is compared with: other images of the lot, defect-free ones, or each picture's own
        golden reference (then there are no patches).
    patches : (m, d) float16
        As `make_patches` gives them; float16 moves a distance by a thousandth of the spread.
    owners : (m,) int32, ascending
        The image each patch is of, 0 to j - 1.
    prints : (j, o) array of str
        `fingerprint_picture` of each image in each orientation that is embedded: an image is never
        compared with itself.
    centre, spread : float
        Mean and standard deviation of the distances of the first pass.
    """

    memory: Memory
    patches: NDArray[np.float16]
    owners: NDArray[np.int32]
    prints: NDArray[np.str_]
    centre: float = 0.0
    spread: float = 0.0

    def __post_init__(self) -> None:
        if self.patches.ndim != 2 or self.owners.shape != self.patches.shape[:1]:
            raise ValueError(
                f"{self.patches.shape} patches with {self.owners.shape} owners: expected one each"
            )
        if self.prints.ndim != 2 or np.any(np.diff(self.owners) < 0):
            raise ValueError("prints are not (images, orientations), or owners do not ascend")
        if len(self.owners) and self.owners[-1] >= len(self.prints):
            raise ValueError(f"owner {self.owners[-1]} of {len(self.prints)} images")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the bank as arrays, for the store."""
        return {
            "memory": np.array(self.memory),
            "patches": self.patches,
            "owners": self.owners,
            "prints": self.prints,
            "centre": np.array(self.centre),
            "spread": np.array(self.spread),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read a bank back from `to_arrays`.

        Raises
        ------
        StoreError
            The arrays are those of another version.
        """
        names = {"memory", "patches", "owners", "prints", "centre", "spread"}
        if set(arrays) != names or str(arrays["memory"]) not in get_args(Memory):
            odd = ", ".join(sorted(set(arrays) ^ names)) or f"memory {arrays['memory']}"
            raise StoreError(f"a patch bank with other contents ({odd}): made by another version")
        return cls(
            memory=cast("Memory", str(arrays["memory"])),
            patches=arrays["patches"],
            owners=arrays["owners"],
            prints=arrays["prints"],
            centre=float(arrays["centre"]),
            spread=float(arrays["spread"]),
        )

    @property
    def sha256(self) -> str:
        """The sha256 over all of it."""
        digest = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def fingerprint_picture(image: NDArray[np.float32]) -> str:
    """Return a fingerprint of a prepared (c, h, w) picture: 0.2 ms at 224 x 224."""
    digest = hashlib.sha256(str(image.shape).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()[:16]
