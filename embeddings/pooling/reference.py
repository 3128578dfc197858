"""How unlike its golden image each place of a picture is, and which place there is most like it.

The two may be off by a cell of the grid, so each patch is compared with the reference's patches
round its own place.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from embeddings.pooling.bank import REFERENCE_REACH

Floats = NDArray[np.float64]

_SIDE = 2 * REFERENCE_REACH + 1  # places looked at, in each direction


def measure_against_reference(patches: torch.Tensor, references: torch.Tensor) -> Floats:
    """Return each patch's distance to the nearest of the places round its own in the reference.

    Parameters
    ----------
    patches, references : (b, h, w, d) float32 tensor
        Of pictures and of their golden images, on the same grid.

    Returns
    -------
    (b, h, w) float64
    """
    return _match(patches, references)[0]


def find_in_reference(
    patches: torch.Tensor, references: torch.Tensor
) -> tuple[Floats, torch.Tensor]:
    """Return the same, and the patches of the reference that are nearest.

    Parameters
    ----------
    patches, references : (b, h, w, d) float32 tensor

    Returns
    -------
    (b, h, w) float64
    (b, h, w, d) float32 tensor
    """
    distances, moves = _match(patches, references)
    b, h, w = (torch.arange(n, device=patches.device) for n in patches.shape[:3])
    rows = h[None, :, None] + moves // _SIDE - REFERENCE_REACH  # (b, h, w)
    columns = w[None, None, :] + moves % _SIDE - REFERENCE_REACH
    return distances, references[b[:, None, None], rows, columns]


def _match(patches: torch.Tensor, references: torch.Tensor) -> tuple[Floats, torch.Tensor]:
    """Return (b, h, w) distances, and by which of the moves each was found, row by row."""
    _, h, w, _ = patches.shape
    sides = (0, 0, *[REFERENCE_REACH] * 4)
    around = pad(references, sides, value=torch.inf)  # (b, h + 2 reach, w + 2 reach, d)
    squared = [
        (patches - around[:, dy : dy + h, dx : dx + w]).square().sum(dim=3)  # (b, h, w)
        for dy in range(_SIDE)
        for dx in range(_SIDE)
    ]
    best, moves = torch.stack(squared).min(dim=0)
    distances: Floats = best.sqrt().cpu().numpy().astype(np.float64)
    return distances, moves
