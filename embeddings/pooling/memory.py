"""How unlike all that is known each patch of a picture is: the search, with FAISS.

`PatchMemory` holds a bank's patches in flat indexes, on a GPU where there is one. Against images
of the same lot a patch's distance is the mean over the images of the distance to its nearest
patch in each (Sohn et al. 2023, eq. 6): a defect that some of the images have stays far. Against
normals it is the distance to the nearest patch of all (Roth et al. 2022, eq. 5).

Fewer numbers a patch for the search: principal axes, and the length of what they leave out.

Distances over 1,536 numbers cost twelve times those over 128. What the axes leave out of two
patches is taken as orthogonal, as it nearly is in so many dimensions: then its squared lengths
add up, and a patch that no axis knows of, as a defect's may be, stays far. On magnetic tiles,
steel and wafer maps the order of patches by distance stays (rank correlation .9998).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.pooling.bank import SEARCH_DIM, Bank

Floats = NDArray[np.float64]
Places = NDArray[np.int64]  # in the bank; -1 is none

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

    def reduce(self, patches: torch.Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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
        self._axes = Axes(mean=axes.mean.to(device), basis=axes.basis.to(device))
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
            `fingerprint_picture` of each of the b pictures.

        Returns
        -------
        (b, h, w) float64
            Zeros where the bank holds nothing but the picture itself.
        """
        queries, owners = self._make_queries(patches, prints)
        if self.bank.memory == "images":
            return self._mean_nearest(queries, owners).reshape(patches.shape[:3])
        return self._nearest(queries, owners)[0].reshape(patches.shape[:3])

    def find_nearest(
        self, patches: torch.Tensor, prints: Sequence[str]
    ) -> tuple[Floats, torch.Tensor]:
        """Return how far each patch is from the nearest normal one, and that one.

        Parameters
        ----------
        patches : (b, h, w, d) float32 tensor
        prints : sequence of str
            `fingerprint_picture` of each of the b pictures.

        Returns
        -------
        (b, h, w) float64
            As of `measure`.
        (b, h, w, d) float32 tensor
            The patch itself where the bank holds nothing but the picture.

        Raises
        ------
        ValueError
            The bank is of images of the lot: a distance is a mean over many of them then.
        """
        if self.bank.memory != "normals":
            raise ValueError(f"a bank of {self.bank.memory} has no nearest patch, expected normals")
        distances, places = self._nearest(*self._make_queries(patches, prints))
        places = places.reshape(patches.shape[:3])
        found = torch.from_numpy(self.bank.patches[places].astype(np.float32)).to(patches.device)
        is_known = torch.from_numpy(places >= 0).to(patches.device)[..., None]  # (b, h, w, 1)
        return distances.reshape(places.shape), torch.where(is_known, found, patches)

    def _make_queries(
        self, patches: torch.Tensor, prints: Sequence[str]
    ) -> tuple[_Queries, NDArray[np.int64]]:
        """Return b * h * w queries, and which image of the bank each picture is, -1 for none."""
        queries = _Queries(*self._axes.reduce(patches.reshape(-1, patches.shape[3])))
        return queries, np.array([self._owner_of.get(name, -1) for name in prints])

    def _mean_nearest(self, queries: _Queries, owners: NDArray[np.int64]) -> Floats:
        """Return the (b, h * w) means over the bank's images, but for each picture's own."""
        total = np.zeros((len(owners), len(queries.left) // len(owners)))
        for place, index in enumerate(self._indexes):
            # All pictures at once, a matrix product; the own ones are looked at and left out.
            nearest = _search(index, queries)[0].reshape(total.shape)
            total += np.where(owners[:, None] == place, 0.0, nearest)
        others = len(self._indexes) - (owners >= 0)  # (b,)
        means: Floats = total / np.maximum(others, 1)[:, None]
        return means

    def _nearest(self, queries: _Queries, owners: NDArray[np.int64]) -> tuple[Floats, Places]:
        """Return (b, h * w) distances to the nearest patch not the picture's own, and where."""
        found = _search(self._indexes[0], queries)
        distances, places = found[0].reshape(len(owners), -1), found[1].reshape(len(owners), -1)
        for row in np.flatnonzero(owners >= 0):
            # A normal of the bank itself comes rarely: an index without it is made for it alone.
            kept = np.flatnonzero(self.bank.owners != owners[row])
            if not len(kept):
                distances[row], places[row] = 0.0, -1
                continue
            index = _make_index(np.concatenate(self._groups)[kept])
            distances[row], nearest = _search(index, queries.take(int(row), len(owners)))
            places[row] = kept[nearest]
        return distances, places


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


def _search(index: Any, queries: _Queries) -> tuple[Floats, Places]:
    squared, found = index.search(queries.places, 1)  # (n, 1) each
    whole = squared[:, 0].astype(np.float64) + queries.left
    return np.sqrt(np.maximum(whole, 0.0)), found[:, 0]
