"""What the frozen stages of a network see, kept in memory for fine-tuning the rest.

    frozen = gather_maps(batches, tensors, spec, plan=MapPlan(...), device=device)

The stages before the last never change, so that each picture runs through them once, however
many times the last stage learns it: a map of 14 x 14 x 1024 takes 400 kB in bf16.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.console import get_logger
from embeddings.errors import OptionError
from embeddings.extract.batches import default_batch_size
from embeddings.extractors import find_network
from embeddings.networks.features import pool_maps
from embeddings.records import ExtractorSpec
from embeddings.weights import Weights

Copies = NDArray[np.float32]

_SHRINK = 16  # pixels a cell of the map before the last stage
_BYTES = 2  # of bf16, in which maps are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPlan:
    """How many maps may be made.

    Attributes
    ----------
    wanted : (n,) bool
        Images whose maps are needed, of the n that will come.
    max_bytes : int
        Of all maps together.
    deadline : float
        In seconds of `time.monotonic`; after it no more maps are made.
    seed : int
        Draws the images that are kept where not all fit.
    """

    wanted: NDArray[np.bool_]
    max_bytes: int
    deadline: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenMaps:
    """What the stages as they came give for m images in c copies.

    Attributes
    ----------
    which : (m,)
        Positions of the images, ascending.
    maps : (m, c, h, w, 1024) bf16 tensor
        Of layer3, on the CPU.
    before : (m, c, d) float32 tensor
        The spec's layers before the last, each pooled to unit rows, side by side; d may be 0.
    last : (m, c, 2048) float32 tensor
        The last stage as it came, pooled to unit rows.
    """

    which: NDArray[np.intp]
    maps: torch.Tensor
    before: torch.Tensor
    last: torch.Tensor


def gather_maps(
    pictures: Iterable[Copies],
    tensors: Mapping[str, torch.Tensor],
    spec: ExtractorSpec,
    *,
    plan: MapPlan,
    device: torch.device,
) -> FrozenMaps | None:
    """Run the frozen stages over all pictures.

    Parameters
    ----------
    pictures : iterable of (b, copies, c, h, w) float32
        In [0, 1]; n images in all, in order. Read one batch at a time.
    tensors : mapping of str to tensor
    spec : ExtractorSpec

    Returns
    -------
    FrozenMaps or None
        None where the deadline came first.

    Raises
    ------
    OptionError
        Not even two maps fit.
    ValueError
        Not n images came, or they differ in shape.
    """
    work: _Gathering | None = None
    come = 0  # images so far
    for batch in pictures:
        # The shape is known when the first batch is here.
        work = work or _Gathering(batch.shape[1:], tensors, spec, plan=plan, device=device)
        if come + len(batch) > len(plan.wanted):
            raise ValueError(f"{come + len(batch)} images or more, expected {len(plan.wanted)}")
        if not work.add(batch, come):
            return None
        come += len(batch)
    if work is None or come != len(plan.wanted):
        raise ValueError(f"{come} images, expected {len(plan.wanted)}")
    return work.frozen


class _Gathering:
    """One call's state: where the maps of each image go."""

    def __init__(
        self,
        shape: tuple[int, ...],
        tensors: Mapping[str, torch.Tensor],
        spec: ExtractorSpec,
        *,
        plan: MapPlan,
        device: torch.device,
    ) -> None:
        copies, _, height, width = shape
        h, w = -(-height // _SHRINK), -(-width // _SHRINK)
        self.deadline = plan.deadline
        plugin = find_network(spec.name)
        channels = plugin.channels(spec.name)
        self.stage, self.source = plugin.tuned_layer, plugin.tuned_from
        self.layers = tuple(layer for layer in spec.layers if layer != self.stage)
        self.pooling = spec.pooling
        # Names the weights that came: they need not be the ones of the spec's file any more.
        weights = Weights(name=spec.weights, sha256=spec.weights_sha256, tensors=tensors)
        layers = tuple(dict.fromkeys((*self.layers, self.source, self.stage)))
        self.extractor = plugin.load_maps(replace(spec, layers=layers), weights, device)
        self.batch = default_batch_size(spec)
        which, copies = _choose_images(plan, copies, h * w * channels[self.source] * _BYTES)
        before = sum(channels[layer] for layer in self.layers)
        self.frozen = FrozenMaps(
            which=which,
            maps=torch.empty(
                (len(which), copies, h, w, channels[self.source]), dtype=torch.bfloat16
            ),
            before=torch.empty((len(which), copies, before)),
            last=torch.empty((len(which), copies, channels[self.stage])),
        )

    def add(self, batch: Copies, start: int) -> bool:
        """Run a batch whose first image is at `start`; False where the time is over."""
        copies = self.frozen.maps.shape[1]
        low, high = np.searchsorted(self.frozen.which, (start, start + len(batch))).tolist()
        # Orientations are the first of the copies, varied ones behind them: the front is kept.
        chosen = batch[self.frozen.which[low:high] - start, :copies]
        rows = chosen.reshape(-1, *chosen.shape[2:])  # (images * copies, c, h, w)
        for first in range(0, len(rows), self.batch):
            if time.monotonic() > self.deadline:
                return False
            self._run(rows[first : first + self.batch], low * copies + first)
        return True

    @torch.inference_mode()
    def _run(self, rows: Copies, first: int) -> None:
        maps = self.extractor.feature_maps(np.ascontiguousarray(rows))
        place = slice(first, first + len(rows))
        self.frozen.maps.flatten(0, 1)[place] = maps[self.source].permute(0, 2, 3, 1)
        pooled = {
            layer: pool_maps(maps[layer], self.pooling) for layer in (*self.layers, self.stage)
        }
        self.frozen.last.flatten(0, 1)[place] = pooled.pop(self.stage)
        if pooled:
            self.frozen.before.flatten(0, 1)[place] = torch.cat([*pooled.values()], dim=1)


def _choose_images(plan: MapPlan, copies: int, size: int) -> tuple[NDArray[np.intp], int]:
    """Choose images and copies that fit: copies go first, then images, drawn at random."""
    wanted = np.flatnonzero(plan.wanted)
    room = plan.max_bytes // size  # maps
    if room < 2:
        raise OptionError(
            f"{plan.max_bytes} bytes for maps of {size} bytes: expected room for two at least"
        )
    fit = max(1, min(copies, room // max(1, len(wanted))))
    if fit < copies:
        get_logger().info(
            "fine-tuning keeps %d of %d copies of each image: maps take %d MB at most",
            fit, copies, plan.max_bytes // 10**6,
        )  # fmt: skip
    if room < len(wanted):
        get_logger().info("fine-tuning learns %d of %d images drawn at random", room, len(wanted))
        rng = np.random.default_rng(plan.seed)
        wanted = np.sort(rng.choice(wanted, room, replace=False))
    return wanted, fit
