"""Batches through a network on a GPU: one CUDA graph a shape, and copies beside the computing.

A batch goes through pinned memory to the card on a stream of its own, while the one before is
computed; the graph runs the whole step, kernels that Python would launch one by one; the vectors
leave for pinned memory, and are waited for when the next batch is on its way. On a CPU as many
batches as there are cores are computed at once, one a core: cores that share a batch wait for each
other after every layer, and longest where others work beside them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.console import get_logger

Batch = NDArray[np.float32]
Compute = Callable[[torch.Tensor], torch.Tensor]  # (b, c, h, w) to (b, d), both on the device
Wait = Callable[[], NDArray[np.float32]]

_MOST_SHAPES = 4  # that get a graph: each keeps its activations' memory on the card
_WARM = 3  # runs before a capture, in which libraries choose their kernels
SLOTS = 2  # batches in flight on a GPU
_MOST_STREAMS = 8  # batches at once on a CPU: each has activations of some hundred megabytes


class Steps(Protocol):
    """What runs batches, one after the other or several at once.

    `slots`: how many batches may be begun before the first is waited for.
    """

    slots: int

    def submit(self, batch: Batch) -> Wait:
        """Begin a batch; what is returned waits for its vectors, and is called in this order."""
        ...

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the vectors of one batch."""
        ...


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
        self._streams = None if self._captures else _Streams(self._run)
        self.slots = SLOTS if self._streams is None else self._streams.count + 1

    def submit(self, batch: Batch) -> Wait:
        """Begin a batch; what is returned waits for its vectors, and is called in this order.

        No more than `slots` batches may be begun and not waited for.
        """
        if self._streams is not None:
            return self._streams.submit(batch)
        shape = batch.shape
        self._seen[shape] = self._seen.get(shape, 0) + 1
        if self._captures and shape not in self._graphs and self._is_worth(shape):
            self._capture(shape)
        graph = self._graphs.get(shape)
        if graph is not None:
            return graph.submit(batch)
        values = self._run(batch)
        return lambda: values

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the vectors of one batch, which has all cores for itself."""
        return self._run(batch) if self._streams is not None else self.submit(batch)()

    def _run(self, batch: Batch) -> NDArray[np.float32]:
        with torch.inference_mode():
            pixels = torch.from_numpy(batch).to(self._device)
            values: NDArray[np.float32] = self._compute(pixels).cpu().numpy()
        return values

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


class _Streams:
    """Threads that compute a batch each, by an equal share of the cores.

    They are started with the first batch: most extractors of a process compute a batch or two.
    """

    def __init__(self, run: Callable[[Batch], NDArray[np.float32]]) -> None:
        self._run = run
        self._threads = torch.get_num_threads()
        self.count = min(self._threads, _MOST_STREAMS)
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, batch: Batch) -> Wait:
        if self.count == 1:
            values = self._run(batch)
            return lambda: values
        if self._pool is None:
            self._pool = self._start()
        return self._pool.submit(self._run, batch).result

    def _start(self) -> ThreadPoolExecutor:
        pool, met = ThreadPoolExecutor(self.count, "network"), Barrier(self.count + 1)

        def prepare() -> None:
            # A thread takes the process's number at the first look, which would come after.
            torch.get_num_threads()
            torch.set_num_threads(self._threads // self.count)
            met.wait()

        for _ in range(self.count):
            pool.submit(prepare)
        met.wait()
        torch.set_num_threads(self._threads)  # of this thread, and of those that come later
        return pool


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
