"""Maps of middle layers -> one unit-scaled feature a patch, weights, and one vector.

`make_patches` follows PatchCore (Roth et al., CVPR 2022, section 3.1): each place sees its 3 x 3
neighbours, and layers of different resolution meet on one grid. `pool_patches` is the weighted
mean of Anomaly Clustering (Sohn et al., WACV 2023, eq. 3), `pool_residuals` the same of what each
patch has more than its nearest known one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, normalize

from embeddings.pooling.bank import RESIDUAL_FLOOR

Floats = NDArray[np.float64]

_NEIGHBOURHOOD = 3  # cells a side, as published


def make_patches(maps: Mapping[str, torch.Tensor], layers: Sequence[str]) -> torch.Tensor:
    """Join layers to patch features on the coarsest layer's grid.

    Parameters
    ----------
    maps : mapping of str to (b, channels, h, w) tensor
        Each layer's own h and w.
    layers : sequence of str
        Which, and in which order.

    Returns
    -------
    (b, h, w, d) float32 tensor
        Each layer's part has length 1, so that each has the same say.
    """
    sides = [maps[layer].shape[2:] for layer in layers]
    grid = min(int(side[0]) for side in sides), min(int(side[1]) for side in sides)
    parts = []
    for layer in layers:
        # At the border only what is inside counts: zeros would make every edge a defect.
        smooth = avg_pool2d(
            maps[layer].float(), _NEIGHBOURHOOD, stride=1, padding=1, count_include_pad=False
        )
        parts.append(normalize(adaptive_avg_pool2d(smooth, grid), dim=1))
    return torch.cat(parts, dim=1).permute(0, 2, 3, 1).contiguous()  # (b, h, w, d)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchWeights:
    """How unlike the rest each patch of one picture is, and how much it counts.

    Attributes
    ----------
    distances : (h, w) float64
        To the bank, the normals or the golden reference; 0 is the same patch.
    weights : (h, w) float64
        Sum to 1.
    standard : (h, w) float64
        Distances in spreads above the bank's centre: comparable between pictures.
    rows : (float, float)
        From where to where in the picture the patches lie, as shares of its height: what a data
        bar takes was not looked at.
    """

    distances: Floats
    weights: Floats
    standard: Floats
    rows: tuple[float, float] = (0.0, 1.0)


def weigh_patches(distances: Floats, *, spread: float, tau: float) -> Floats:
    """Return weights exp(d / (tau * spread)), normalised (Sohn et al. 2023, eq. 4 and 5).

    Parameters
    ----------
    distances : (h, w)
    spread : float
        Standard deviation of the distances of the bank's own pass. Where it is 0, all patches
        are alike and count the same.
    tau : float
        Temperature: large is the plain mean, towards 0 the most unlike patch alone.

    Returns
    -------
    (h, w) float64
    """
    if spread <= 0:
        return np.full(distances.shape, 1.0 / distances.size)
    scaled = distances / (tau * spread)
    raised = np.exp(scaled - scaled.max())  # the largest is 1: nothing overflows
    weights: Floats = raised / raised.sum()
    return weights


def pool_patches(
    patches: torch.Tensor, weights: torch.Tensor, *, widths: Sequence[int], floor: float = 0.0
) -> torch.Tensor:
    """Return the weighted mean of an image's patches, each layer's part made unit again.

    Parameters
    ----------
    patches : (h, w, d) tensor
    weights : (h, w) tensor
        Sum to 1.
    widths : sequence of int
        Channels of each layer; their sum is d.
    floor : float
        A layer's part that is shorter has no direction, and becomes the constant one.

    Returns
    -------
    (d,) float32 tensor
    """
    mean = weights.flatten().float() @ patches.flatten(0, 1)  # (d,)
    parts = []
    for part in torch.split(mean, list(widths)):
        is_nothing = part.norm() < floor
        parts.append(normalize(torch.ones_like(part) if is_nothing else part, dim=0))
    return torch.cat(parts)


def pool_residuals(
    residuals: torch.Tensor, weights: torch.Tensor, *, widths: Sequence[int]
) -> torch.Tensor:
    """Return `pool_patches` of patches less their nearest known ones.

    A layer in which an image is as the normals are has no residual but rounding: its part is the
    constant one, so that such images lie together.
    """
    return pool_patches(residuals, weights, widths=widths, floor=RESIDUAL_FLOOR)


def pool_map(deep: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the root of the weighted mean of a deeper layer's map, made unit.

    The square root keeps a few strong channels from drowning the others (Perronnin, Sanchez and
    Mensink 2010, section 3.2).

    Parameters
    ----------
    deep : (channels, h, w) tensor, nowhere negative
    weights : (H, W) tensor
        Of the finer grid the patches lie on; they are averaged to the map's own.

    Returns
    -------
    (channels,) float32 tensor
    """
    coarse = adaptive_avg_pool2d(weights[None].float(), (deep.shape[1], deep.shape[2]))[0]  # (h, w)
    mean = deep.flatten(1).float() @ (coarse / coarse.sum()).flatten()  # (channels,)
    return normalize(mean.sqrt(), dim=0)
