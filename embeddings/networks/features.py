"""Pictures -> feature maps -> unit rows: what every network extractor does alike."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embeddings.networks import Network
from embeddings.networks.hardware import DTYPES
from embeddings.networks.steps import NetworkSteps, Steps
from embeddings.records import ExtractorSpec, unit_rows

Batch = NDArray[np.float32]

_GEM_POWER = 3.0  # as published; 2 to 5 differ little


def _pool_mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.float().mean(dim=(2, 3))


def _pool_max(maps: torch.Tensor) -> torch.Tensor:
    """Take the largest answer: a small defect counts as much as a large one."""
    return maps.amax(dim=(2, 3)).float()


def _pool_gem(maps: torch.Tensor) -> torch.Tensor:
    """Generalised mean (Radenovic, Tolias and Chum 2019): between mean and maximum.

    A defect that fills a hundredth of the picture is a hundredth of the mean; cubed, it counts.
    """
    cubes = maps.float().clamp(min=1e-6) ** _GEM_POWER
    return cubes.mean(dim=(2, 3)) ** (1 / _GEM_POWER)


POOLINGS = {"mean": _pool_mean, "max": _pool_max, "gem": _pool_gem}  # (b, c, h, w) -> (b, c)


def pool_maps(maps: torch.Tensor, pooling: str) -> torch.Tensor:
    """Pool maps (b, c, h, w) over the picture: (b, c) float32 unit rows.

    Raises
    ------
    KeyError
        The pooling is none of `POOLINGS`.
    """
    return nn.functional.normalize(POOLINGS[pooling](maps), dim=1)


class NetworkExtractor:
    """Prepared images in, unit rows out, for one spec.

    Parameters
    ----------
    spec : ExtractorSpec
        Its pooling is one of `POOLINGS`, or only `feature_maps` is called.
    network : Network
        As the spec's extractor built it.
    device : torch.device
        Where the network is.
    normalisation : ((3,), (3,))
        Mean and standard deviation that the network's pixels had in training.
    """

    fills_batches = True  # kernels are chosen by a batch's size, and round differently

    def __init__(
        self,
        spec: ExtractorSpec,
        network: Network,
        device: torch.device,
        *,
        normalisation: tuple[Sequence[float], Sequence[float]],
    ) -> None:
        self.spec = spec
        self.device = device
        self.dtype = DTYPES[spec.precision]
        self._network = network
        stats = torch.tensor(normalisation, device=device)  # (2, 3)
        self._mean, self._std = stats[0].view(1, 3, 1, 1), stats[1].view(1, 3, 1, 1)
        self._steps: Steps = NetworkSteps(self.compute, device)

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Embed a batch.

        Parameters
        ----------
        batch : (b, c, h, w) float32 in [0, 1], c = 1 (grey) or 3

        Returns
        -------
        (b, dim) float32, unit rows
            Each layer pooled over the picture, made unit, side by side, made unit again; the
            mean over the spec's orientations.
        """
        return embed_turned(self._embed, batch, self.spec.orientations)

    @property
    def slots(self) -> int:
        """How many batches may be begun before the first is waited for."""
        return self._steps.slots

    def submit(self, batch: Batch) -> Callable[[], NDArray[np.float32]]:
        """Begin a batch; what is returned waits for what the call would return.

        It is computed while the next is put together. Batches are waited for in their order,
        `slots` at most at a time.
        """
        if self.spec.orientations != 1:
            values = self(batch)
            return lambda: values
        wait = self._steps.submit(batch)
        return lambda: unit_rows(wait())

    def _embed(self, batch: Batch) -> NDArray[np.float32]:
        return unit_rows(self._steps.run(batch))

    def compute(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the (b, dim) rows of pixels on the device: each layer's pooled, side by side.

        They are still on the device, and not made unit as a whole.
        """
        maps = self._map(pixels, self.spec.layers)
        parts = [pool_maps(maps[layer], self.spec.pooling) for layer in self.spec.layers]
        return torch.cat(parts, dim=1)

    def feature_maps(
        self, batch: Batch, layers: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the (b, channels, h, w) maps of the spec's layers, still on the device.

        Of other layers where these are given: nothing deeper than the deepest is computed.
        """
        pixels = torch.from_numpy(batch).to(self.device, non_blocking=True)
        return self._map(pixels, self.spec.layers if layers is None else layers)

    def _map(self, pixels: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        pixels = (pixels.expand(-1, 3, -1, -1) - self._mean) / self._std  # (b, 3, h, w)
        x = pixels.to(self.dtype, memory_format=torch.channels_last)
        return dict(self._network(x, layers))


def turn_pictures(batch: Batch, orientations: int) -> Iterator[Batch]:
    """Yield pictures as they are, in four quarter turns, or each of these mirrored too.

    Parameters
    ----------
    batch : (..., h, w)
        A quarter turn swaps h and w.
    orientations : {1, 4, 8}
    """
    for number in range(orientations):
        turned = np.rot90(batch, number % 4, axes=(-2, -1))
        yield np.ascontiguousarray(turned[..., ::-1] if number >= 4 else turned)


def embed_turned(
    embed: Callable[[Batch], NDArray[np.float32]], batch: Batch, orientations: int
) -> NDArray[np.float32]:
    """Return the mean over the orientations of what `embed` makes of a batch, as unit rows.

    Parameters
    ----------
    embed : callable
        (b, c, h, w) pictures to (b, d) unit rows.
    batch : (b, c, h, w) float32
    orientations : {1, 4, 8}
        With 4 a picture gets the same vector whichever way up it lies, but for rounding; with 8
        whether mirrored or not, too.
    """
    if orientations == 1:
        return embed(batch)
    total = sum(embed(turned).astype(np.float64) for turned in turn_pictures(batch, orientations))
    return unit_rows(np.asarray(total))
