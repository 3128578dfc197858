"""Defect-weighted pooling as a feature extractor: pictures in, unit rows out, or heat maps.

A network's middle layers become patches, the bank says how unlike the rest each of them is, and
the vector is their mean weighted by it. With --pooling residual it is the mean of what each patch
has that the normal one most like it has not: of the defect without what it lies on.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.errors import InputError
from embeddings.extractors import compared_layers, find_network
from embeddings.networks.features import embed_turned
from embeddings.pooling import (
    Bank,
    PatchMemory,
    PatchWeights,
    find_in_reference,
    fingerprint_picture,
    make_patches,
    measure_against_reference,
    pool_map,
    pool_patches,
    pool_residuals,
    weigh_patches,
)
from embeddings.pooling.bank import DEEP_TAU
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.weights import Weights

Batch = NDArray[np.float32]


class PatchNetwork:
    """Prepared pictures -> patch features; what the first pass and the extractor share.

    Parameters
    ----------
    spec : ExtractorSpec
    weights, device
        As for `NetworkPlugin.load`.
    """

    def __init__(self, spec: ExtractorSpec, weights: Weights, device: torch.device) -> None:
        plugin = find_network(spec.name)
        channels = plugin.channels(spec.name)
        self.layers = compared_layers(spec)
        self.widths = [channels[layer] for layer in self.layers]
        self.dim = sum(self.widths)
        self.device = device
        self._network = plugin.load_maps(spec, weights, device)

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return (b, h, w, d) float32 patches of (b, c, h, w) pictures in [0, 1]."""
        with torch.inference_mode():
            maps = self._network.feature_maps(np.ascontiguousarray(batch), self.layers)
            return make_patches(maps, self.layers)  # on the coarsest layer's grid

    def compute_with_map(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the patches, and the (b, channels, h, w) map of a layer that is not compared."""
        with torch.inference_mode():
            maps = self._network.feature_maps(np.ascontiguousarray(batch))
            others = [maps[layer] for layer in maps if layer not in self.layers]
            return make_patches(maps, self.layers), others[0] if others else None

    def compute_array(self, batch: Batch) -> NDArray[np.float32]:
        """Return the same as an array."""
        return self(batch).cpu().numpy()


class DistanceMeter:
    """Pictures -> patches and how unlike the bank each of them is.

    Parameters
    ----------
    network : PatchNetwork
    bank : Bank
        Its centre and spread are not used.
    """

    def __init__(self, network: PatchNetwork, bank: Bank) -> None:
        self._network = network
        self._has_references = bank.memory == "reference"
        self._memory = None if self._has_references else PatchMemory(bank, network.device)

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, NDArray[np.float64]]:
        """Return (b, h, w, d) patches and their (b, h, w) distances.

        Parameters
        ----------
        batch : (b, c, h, w) float32 in [0, 1]
            With golden references, the second half of the channels are the reference's.

        Raises
        ------
        InputError
            Pictures came without their references.
        """
        if self._memory is not None:
            # By its fingerprint a picture of the bank is never compared with itself.
            patches = self._network(batch)
            return patches, self._memory.measure(
                patches, [fingerprint_picture(one) for one in batch]
            )
        own, references = self._split(batch)
        patches = self._network(own)
        return patches, measure_against_reference(patches, self._network(references))

    def subtract(
        self, batch: Batch
    ) -> tuple[torch.Tensor, NDArray[np.float64], torch.Tensor | None]:
        """Return (b, h, w, d) patches less their nearest normal ones, their distances, and a map.

        The map is that of the layer that is not compared, None where all are.

        Parameters
        ----------
        batch : (b, c, h, w) float32 in [0, 1]
            As above.

        Raises
        ------
        InputError
            Pictures came without their references.
        """
        if self._memory is not None:
            patches, deep = self._network.compute_with_map(batch)
            prints = [fingerprint_picture(one) for one in batch]
            distances, nearest = self._memory.find_nearest(patches, prints)
        else:
            own, references = self._split(batch)
            patches, deep = self._network.compute_with_map(own)
            distances, nearest = find_in_reference(patches, self._network(references))
        return patches - nearest, distances, deep

    @staticmethod
    def _split(batch: Batch) -> tuple[Batch, Batch]:
        """Return the pictures and their golden references."""
        if batch.shape[1] % 2:
            raise InputError(
                "the store compares each image with its golden reference: pass a CSV with the "
                "columns path and reference"
            )
        own, references = np.split(batch, 2, axis=1)
        return own, references

    def measure(self, batch: Batch) -> NDArray[np.float64]:
        """Return the distances alone."""
        return self(batch)[1]


class DefectExtractor:
    """Prepared pictures in, unit rows out, patches weighted by how unlike the bank they are.

    Parameters
    ----------
    spec : ExtractorSpec
    bank : Bank
    weights : (Weights, torch.device)
        Their sha256 must be the spec's.
    """

    fills_batches = True

    def __init__(
        self, spec: ExtractorSpec, bank: Bank, *, weights: tuple[Weights, torch.device]
    ) -> None:
        self.spec = spec
        self.bank = bank
        network = PatchNetwork(spec, *weights)
        self._meter = DistanceMeter(network, bank)
        self._widths = network.widths

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Embed (b, c, h, w) float32 in [0, 1] to (b, dim) float32 unit rows."""
        return embed_turned(self._embed, batch, self.spec.orientations)

    def _embed(self, batch: Batch) -> NDArray[np.float32]:
        with torch.inference_mode():
            pool = self._pool_residuals if self.spec.pooling == "residual" else self._pool_patches
            return unit_rows(torch.stack(pool(batch)).cpu().numpy())

    def _pool_patches(self, batch: Batch) -> list[torch.Tensor]:
        patches, distances = self._meter(batch)
        return [
            pool_patches(one, _to_tensor(self._weigh(far).weights, one), widths=self._widths)
            for one, far in zip(patches, distances, strict=True)
        ]

    def _pool_residuals(self, batch: Batch) -> list[torch.Tensor]:
        residuals, distances, deep = self._meter.subtract(batch)
        rows = [
            pool_residuals(one, _to_tensor(self._weigh(far).weights, one), widths=self._widths)
            for one, far in zip(residuals, distances, strict=True)
        ]
        if deep is None:
            return rows
        # A deep map is pooled narrowly: spread over the picture it tells of the product.
        narrow = [self._weigh(far, DEEP_TAU).weights for far in distances]
        parts = [pool_map(one, _to_tensor(w, one)) for one, w in zip(deep, narrow, strict=True)]
        return [torch.cat(pair) for pair in zip(rows, parts, strict=True)]

    def weigh(self, batch: Batch) -> list[PatchWeights]:
        """Return how unlike the rest each patch of each picture is, and how much it counts."""
        with torch.inference_mode():
            return [self._weigh(one) for one in self._meter.measure(batch)]

    def _weigh(self, distances: NDArray[np.float64], share: float = 1.0) -> PatchWeights:
        """Weigh patches, with a share of the spec's tau."""
        bank = self.bank
        spread = bank.spread or 1.0  # all patches alike: none stands out
        return PatchWeights(
            distances=distances,
            weights=weigh_patches(distances, spread=bank.spread, tau=share * self.spec.tau),
            standard=(distances - bank.centre) / spread,
        )


def _to_tensor(weights: NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(weights).to(like.device)
