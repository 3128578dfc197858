"""Fewer numbers a patch for the search: principal axes, and the length of what they leave out.

Distances over 1,536 numbers cost twelve times those over 128. What the axes leave out of two
patches is taken as orthogonal, as it nearly is in so many dimensions: then its squared lengths
add up, and a patch that no axis knows of, as a defect's may be, stays far. On magnetic tiles,
steel and wafer maps the order of patches by distance stays (rank correlation .9998).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.pooling.settings import SEARCH_DIM

Floats = NDArray[np.float32]

_SAMPLE = 8192  # patches, five a dimension: half a second, where all of a bank take many


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Principal axes of a bank.

    Attributes
    ----------
    mean : (d,) float32 tensor
    basis : (d, r) float32 tensor, orthonormal columns
    """

    mean: torch.Tensor
    basis: torch.Tensor

    def reduce(self, patches: torch.Tensor) -> tuple[Floats, Floats]:
        """Return the (n, r) places of (n, d) patches on the axes, and (n,) squared lengths left."""
        centred = patches - self.mean
        inside = centred @ self.basis  # (n, r)
        left = (centred.square().sum(1) - inside.square().sum(1)).clamp(min=0)  # (n,)
        return inside.cpu().numpy(), left.cpu().numpy()


def find_axes(patches: torch.Tensor) -> Axes:
    """Find the principal axes of (m, d) patches, by a sample of them."""
    sample = patches[:: max(1, len(patches) // _SAMPLE)]
    mean = sample.mean(dim=0)
    centred = sample - mean
    _, vectors = torch.linalg.eigh((centred.T @ centred).double())  # ascending
    kept = min(SEARCH_DIM, patches.shape[1])
    basis = vectors.flip(1)[:, :kept].to(patches.dtype).contiguous()
    return Axes(mean=mean, basis=basis)
