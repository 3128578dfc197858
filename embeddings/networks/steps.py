"""Batches through a network on a GPU: one CUDA graph a shape, and copies beside the computing.

A batch goes through pinned memory to the card on a stream of its own, while the one before is
computed; the graph runs the whole step, kernels that Python would launch one by one; the vectors
leave for pinned memory, and are waited for when the next batch is on its way. On a CPU a step is a
call.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.console import get_logger

Batch = NDArray[np.float32]
Compute = Callable[[torch.Tensor], torch.Tensor]  # (b, c, h, w) to (b, d), both on the device
Wait = Callable[[], NDArray[np.float32]]

_MOST_SHAPES = 4  # that get a graph: each keeps its activations' memory on the card
_WARM = 3  # runs before a capture, in which libraries choose their kernels
SLOTS = 2  # batches in flight


class NetworkSteps:
    """Runs batches of any shapes; those of a shape that comes again by a graph, on a GPU.

    Parameters
    ----------
    compute : callable
        The step itself.
    device : torch.device
    """

    def __init__(self, compute: Compute, device: torch.device) -> None:
        self._compute, self._device = compute, device
        self._seen: dict[tuple[int, ...], int] = {}
        self._graphs: dict[tuple[int, ...], _Graph] = {}
        self._captures = device.type == "cuda"

    def submit(self, batch: Batch) -> Wait:
        """Begin a batch; what is returned waits for its vectors, and is called in this order.

        No more than `SLOTS` batches may be begun and not waited for.
        """
        shape = batch.shape
        self._seen[shape] = self._seen.get(shape, 0) + 1
        if self._captures and shape not in self._graphs and self._is_worth(shape):
            self._capture(shape)
        graph = self._graphs.get(shape)
        if graph is not None:
            return graph.submit(batch)
        with torch.inference_mode():
            pixels = torch.from_numpy(batch).to(self._device)
            values: NDArray[np.float32] = self._compute(pixels).cpu().numpy()
        return lambda: values

    def _is_worth(self, shape: tuple[int, ...]) -> bool:
        return self._seen[shape] > 1 and len(self._graphs) < _MOST_SHAPES

    def _capture(self, shape: tuple[int, ...]) -> None:
        try:
            self._graphs[shape] = _Graph(self._compute, shape, self._device)
        except RuntimeError as error:  # a network that asks the card something on its way
            self._captures = False
            text = " ".join(str(error).split())[:200]
            get_logger().warning(
                "WARNING: this network runs without CUDA graphs, and slower (%s)", text
            )


class _Graph:
    """A captured step, and the pinned memory that its batches come and go by."""

    def __init__(self, compute: Compute, shape: tuple[int, ...], device: torch.device) -> None:
        self._pixels = torch.zeros(shape, device=device)
        with torch.inference_mode():
            aside = torch.cuda.Stream(device)
            aside.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(aside):
                for _ in range(_WARM):
                    compute(self._pixels)
            torch.cuda.current_stream(device).wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._values = compute(self._pixels)
        self._copies, self._turn = torch.cuda.Stream(device), 0
        self._slots = [self._make_slot() for _ in range(SLOTS)]

    def _make_slot(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
        pixels = torch.empty(self._pixels.shape, pin_memory=True)
        values = torch.empty(self._values.shape, dtype=self._values.dtype, pin_memory=True)
        return pixels, torch.empty_like(self._pixels), values, torch.cuda.Event()

    def submit(self, batch: Batch) -> Wait:
        # Whoever had the slot before has been waited for: nothing reads it any more.
        pixels, there, values, done = self._slots[self._turn]
        self._turn = (self._turn + 1) % SLOTS
        pixels.copy_(torch.from_numpy(batch))
        with torch.cuda.stream(self._copies):
            there.copy_(pixels, non_blocking=True)
        torch.cuda.current_stream().wait_stream(self._copies)
        self._pixels.copy_(there)
        self._graph.replay()
        values.copy_(self._values, non_blocking=True)
        done.record()

        def wait() -> NDArray[np.float32]:
            done.synchronize()
            return values.numpy().copy()

        return wait
