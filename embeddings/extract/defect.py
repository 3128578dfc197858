"""Defect-weighted pooling as a feature extractor: pictures in, unit rows out, or heat maps.

ResNet-50's middle layers become patches, the bank says how unlike the rest each of them is, and
the vector is their mean weighted by it. With --pooling residual it is the mean of what each patch
has that the normal one most like it has not: of the defect without what it lies on.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.errors import InputError
from embeddings.orientations import embed_turned
from embeddings.pooling import (
    Bank,
    PatchMemory,
    PatchWeights,
    find_in_reference,
    make_patches,
    measure_against_reference,
    pool_patches,
    pool_residuals,
    print_picture,
    weigh_patches,
)
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.resnet import LAYERS, ResNet50Extractor, Weights

Batch = NDArray[np.float32]


class PatchNetwork:
    """Prepared pictures -> patch features; what the first pass and the extractor share.

    Parameters
    ----------
    spec : ExtractorSpec
    weights, device
        As for `ResNet50Extractor`.
    """

    def __init__(self, spec: ExtractorSpec, weights: Weights, device: torch.device) -> None:
        self.layers = spec.layers
        self.device = device
        self._network = ResNet50Extractor(replace(spec, pooling="mean"), weights, device)

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return (b, h, w, d) float32 patches of (b, c, h, w) pictures in [0, 1]."""
        with torch.inference_mode():
            maps = self._network.feature_maps(np.ascontiguousarray(batch))
            return make_patches(maps, self.layers)

    def look(self, batch: Batch) -> NDArray[np.float32]:
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
            patches = self._network(batch)
            return patches, self._memory.measure(patches, [print_picture(one) for one in batch])
        patches, golden = self._look_at_pairs(batch)
        return patches, measure_against_reference(patches, golden)

    def subtract(self, batch: Batch) -> tuple[torch.Tensor, NDArray[np.float64]]:
        """Return (b, h, w, d) patches less their nearest normal ones, and their distances.

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
            patches = self._network(batch)
            prints = [print_picture(one) for one in batch]
            distances, nearest = self._memory.find_nearest(patches, prints)
        else:
            patches, golden = self._look_at_pairs(batch)
            distances, nearest = find_in_reference(patches, golden)
        return patches - nearest, distances

    def _look_at_pairs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        if batch.shape[1] % 2:
            raise InputError(
                "the store compares each image with its golden reference: pass a CSV with the "
                "columns path and reference"
            )
        own, golden = np.split(batch, 2, axis=1)
        return self._network(own), self._network(golden)

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
        self._meter = DistanceMeter(PatchNetwork(spec, *weights), bank)
        self._widths = [LAYERS[layer] for layer in spec.layers]

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Embed (b, c, h, w) float32 in [0, 1] to (b, dim) float32 unit rows."""
        return embed_turned(self._embed, batch, self.spec.orientations)

    def _embed(self, batch: Batch) -> NDArray[np.float32]:
        with torch.inference_mode():
            is_residual = self.spec.pooling == "residual"
            pool = pool_residuals if is_residual else pool_patches
            features, distances = (self._meter.subtract if is_residual else self._meter)(batch)
            rows = [
                pool(one, torch.from_numpy(way.weights).to(one.device), widths=self._widths)
                for one, way in zip(features, map(self._weigh, distances), strict=True)
            ]
            return unit_rows(torch.stack(rows).cpu().numpy())

    def weigh(self, batch: Batch) -> list[PatchWeights]:
        """Return how unlike the rest each patch of each picture is, and how much it counts."""
        with torch.inference_mode():
            return [self._weigh(one) for one in self._meter.measure(batch)]

    def _weigh(self, distances: NDArray[np.float64]) -> PatchWeights:
        bank = self.bank
        spread = bank.spread or 1.0  # all patches alike: none stands out
        return PatchWeights(
            distances=distances,
            weights=weigh_patches(distances, spread=bank.spread, tau=self.spec.tau),
            standard=(distances - bank.centre) / spread,
        )
