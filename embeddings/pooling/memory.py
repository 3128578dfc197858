"""How unlike all that is known each patch of a picture is: the search, with FAISS.

`PatchMemory` holds a bank's patches in flat indexes, on a GPU where there is one. Against images
of the same lot a patch's distance is the mean over the images of the distance to its nearest
patch in each (Sohn et al. 2023, eq. 6): a defect that some of the images have stays far. Against
normals it is the distance to the nearest patch of all (Roth et al. 2022, eq. 5).
`measure_against_reference` compares a picture with its own golden image, place by place.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from embeddings.pooling.axes import find_axes
from embeddings.pooling.bank import Bank
from embeddings.pooling.settings import REFERENCE_REACH

Floats = NDArray[np.float64]


class _Queries:
    """Patches of pictures on the bank's axes: (n, r + 1) places, (n,) squared rests."""

    def __init__(self, inside: NDArray[np.float32], left: NDArray[np.float32]) -> None:
        self.places = np.hstack([inside, np.zeros((len(left), 1), np.float32)])
        self.left = left

    def take(self, place: int, pictures: int) -> "_Queries":
        """Return those of one of the pictures."""
        n = len(self.left) // pictures
        part = slice(place * n, (place + 1) * n)
        return _Queries(self.places[part, :-1], self.left[part])


class PatchMemory:
    """A bank made ready for the search.

    Parameters
    ----------
    bank : Bank
        With patches, of images or normals.
    device : torch.device
        Where the patches that will come are.
    """

    def __init__(self, bank: Bank, device: torch.device) -> None:
        self.bank = bank
        self._owner_of = {
            name: owner for owner, names in enumerate(bank.prints) for name in names.tolist()
        }
        patches = torch.from_numpy(bank.patches.astype(np.float32))  # (m, d)
        axes = find_axes(patches)
        inside, left = axes.reduce(patches)
        # What the axes leave out of a patch of the bank is one more axis, on which queries are 0.
        reduced = np.hstack([inside, np.sqrt(left)[:, None]])  # (m, r + 1)
        self._axes = type(axes)(mean=axes.mean.to(device), basis=axes.basis.to(device))
        bounds = np.searchsorted(bank.owners, np.arange(len(bank.prints) + 1))
        self._groups = [reduced[a:b] for a, b in itertools.pairwise(bounds)]
        parts = self._groups if bank.memory == "images" else [reduced]
        self._indexes = [_make_index(part) for part in parts]

    def measure(self, patches: torch.Tensor, prints: Sequence[str]) -> Floats:
        """Return how far each patch is from what is known.

        Parameters
        ----------
        patches : (b, h, w, d) float32 tensor
        prints : sequence of str
            `print_picture` of each of the b pictures.

        Returns
        -------
        (b, h, w) float64
            Zeros where the bank holds nothing but the picture itself.
        """
        b, h, w, d = patches.shape
        queries = _Queries(*self._axes.reduce(patches.reshape(-1, d)))
        owners = np.array([self._owner_of.get(name, -1) for name in prints])  # (b,)
        search = self._mean_nearest if self.bank.memory == "images" else self._nearest
        return search(queries, owners).reshape(b, h, w)

    def _mean_nearest(self, queries: _Queries, owners: NDArray[np.int64]) -> Floats:
        """Return the (b, h * w) means over the bank's images, but for each picture's own."""
        total = np.zeros((len(owners), len(queries.left) // len(owners)))
        for place, index in enumerate(self._indexes):
            # All pictures at once, a matrix product; the own ones are looked at and left out.
            nearest = _search(index, queries).reshape(total.shape)
            total += np.where(owners[:, None] == place, 0.0, nearest)
        others = len(self._indexes) - (owners >= 0)  # (b,)
        means: Floats = total / np.maximum(others, 1)[:, None]
        return means

    def _nearest(self, queries: _Queries, owners: NDArray[np.int64]) -> Floats:
        """Return the (b, h * w) distances to the nearest patch that is not the picture's own."""
        distances = _search(self._indexes[0], queries).reshape(len(owners), -1)
        for place in np.flatnonzero(owners >= 0):
            # A normal of the bank itself comes rarely: an index without it is made for it alone.
            others = [group for owner, group in enumerate(self._groups) if owner != owners[place]]
            own = queries.take(int(place), len(owners))
            distances[place] = _search(_make_index(np.concatenate(others)), own) if others else 0.0
        return distances


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
    _, h, w, _ = patches.shape
    reach = REFERENCE_REACH
    sides = (0, 0, reach, reach, reach, reach)
    around = pad(references, sides, value=torch.inf)  # (b, h + 2 reach, w + 2 reach, d)
    best = torch.full(patches.shape[:3], torch.inf, device=patches.device)  # (b, h, w)
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            moved = around[:, dy : dy + h, dx : dx + w]
            best = torch.minimum(best, (patches - moved).square().sum(dim=3))
    distances: Floats = best.sqrt().cpu().numpy().astype(np.float64)
    return distances


def _make_index(vectors: NDArray[np.float32]) -> Any:
    index: Any = faiss.IndexFlatL2(vectors.shape[1])
    if faiss.get_num_gpus() > 0:
        index = faiss.index_cpu_to_gpu(_gpu_resources(), 0, index)
    index.add(np.ascontiguousarray(vectors))
    return index


_RESOURCES: list[Any] = []  # scratch memory of the GPU, shared by all indexes of the process


def _gpu_resources() -> Any:
    if not _RESOURCES:
        _RESOURCES.append(faiss.StandardGpuResources())
    return _RESOURCES[0]


def _search(index: Any, queries: _Queries) -> Floats:
    squared, _ = index.search(queries.places, 1)  # (n, 1)
    whole = squared[:, 0].astype(np.float64) + queries.left
    distances: Floats = np.sqrt(np.maximum(whole, 0.0))
    return distances
