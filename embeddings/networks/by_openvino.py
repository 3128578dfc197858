"""Networks by OpenVINO on a CPU: the same function as torch's, compiled for one shape at a time.

The whole step, from pixels to pooled rows, is exported from torch and compiled: convolutions keep
their own layout from one end to the other, and several batches are computed at once, one a stream,
which wastes less than all cores at one batch.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embeddings.console import get_logger
from embeddings.errors import MissingExtraError, OptionError
from embeddings.networks.features import Batch, NetworkExtractor
from embeddings.networks.steps import Wait
from embeddings.records import Precision

_MOST_SHAPES = 24  # that stay compiled: each holds the network's weights once more
_TELEMETRY = "openvino_telemetry"
_HINTS = {"float32": "f32", "bf16": "bf16"}

Function = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def check_openvino() -> None:
    """Check that OpenVINO is installed.

    Raises
    ------
    MissingExtraError
        It is not.
    """
    if not has_openvino():
        raise MissingExtraError("openvino", "openvino")


def import_openvino() -> Any:
    """Return the module `openvino`, without its telemetry.

    Raises
    ------
    MissingExtraError
        It is not installed.
    OptionError
        It is, and cannot be loaded.
    """
    check_openvino()
    if _TELEMETRY not in sys.modules:
        # It reports each use to its maker's servers. None makes its import fail, which OpenVINO
        # takes for "not installed": nothing is sent.
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise OptionError(
            f"--backend openvino: the package cannot be loaded ({error}); install it again, or "
            "leave it out"
        ) from error

    return openvino


class OpenVinoExtractor(NetworkExtractor):
    """Prepared images in, unit rows out, as `NetworkExtractor`, computed by OpenVINO.

    Its network is torch's in float32 with plain convolutions; what it computes in is the spec's.

    Raises
    ------
    MissingExtraError
        OpenVINO is not installed.
    OptionError
        The CPU does not have the spec's arithmetic.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.dtype = torch.float32
        self._compiler = _Compiler(self._network, self.spec.precision)
        self._steps = self._compiler.compile(lambda pixels: (self.compute(pixels),))
        self._maps: dict[tuple[str, ...], OpenVinoSteps] = {}

    def feature_maps(
        self, batch: Batch, layers: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the (b, channels, h, w) maps of the spec's layers, or of others."""
        names = tuple(self.spec.layers if layers is None else layers)
        if names not in self._maps:
            self._maps[names] = self._compiler.compile(
                lambda pixels: tuple(self._map(pixels, names)[name] for name in names)
            )
        maps = self._maps[names].run_all(batch)
        return {name: torch.from_numpy(one) for name, one in zip(names, maps, strict=True)}


class OpenVinoSteps:
    """Runs one function on batches of any shape, as `NetworkSteps`; each shape is compiled once."""

    def __init__(self, compiler: "_Compiler", function: Function) -> None:
        self._compiler, self._function = compiler, function
        self.slots = compiler.requests
        self._compiled: dict[tuple[int, ...], _Requests] = {}

    def submit(self, batch: Batch) -> Wait:
        """Begin a batch; what is returned waits for its vectors, and is called in this order."""
        wait = self._find(batch).submit(batch)
        return lambda: wait()[0]

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the vectors of one batch."""
        return self.run_all(batch)[0]

    def run_all(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        """Return all that the function returns of a batch."""
        return self._find(batch).submit(batch)()

    def _find(self, batch: Batch) -> "_Requests":
        # Used last stands last: the first goes where there are too many.
        found = self._compiled.pop(batch.shape, None)
        if found is None:
            found = self._compiler.compile_shape(self._function, batch.shape)
            while len(self._compiled) >= _MOST_SHAPES:
                del self._compiled[next(iter(self._compiled))]
        self._compiled[batch.shape] = found
        return found


class _Compiler:
    """OpenVINO's CPU, and the network whose parameters its functions use."""

    def __init__(self, network: Any, precision: Precision) -> None:
        self._openvino = import_openvino()
        self._core, self._network = self._openvino.Core(), network
        able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in able:
            raise OptionError(
                "--precision bf16 with --backend openvino: this CPU does not have it; use float32"
            )
        # One more than are computed at once: it is put together while they are.
        threads = torch.get_num_threads()
        self._config = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
        }
        self.requests = min(threads, 4) + 1

    def compile(self, function: Function) -> OpenVinoSteps:
        """Return what runs a function of pixels."""
        return OpenVinoSteps(self, function)

    def compile_shape(self, function: Function, shape: tuple[int, ...]) -> "_Requests":
        """Export a function for batches of one shape, and compile it."""
        step = _Step(function, self._network).eval()
        get_logger().debug("openvino: a network for batches of %s", shape)
        with torch.no_grad():
            exported = torch.export.export(step, (torch.zeros(shape),))
        model = self._openvino.convert_model(exported)
        model.reshape(list(shape))
        return _Requests(self._core.compile_model(model, "CPU", self._config), self.requests)


class _Step(nn.Module):
    """A function as a module, so that it can be exported with the parameters it uses."""

    def __init__(self, function: Function, network: Any) -> None:
        super().__init__()
        self._function = function
        own = [network] if isinstance(network, nn.Module) else vars(network).values()
        self.parts = nn.ModuleList(part for part in own if isinstance(part, nn.Module))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._function(pixels)


class _Requests:
    """A compiled step, and the requests that its batches go through in turn."""

    def __init__(self, compiled: Any, count: int) -> None:
        self._requests = [compiled.create_infer_request() for _ in range(count)]
        self._turn = 0

    def submit(self, batch: Batch) -> Callable[[], tuple[NDArray[np.float32], ...]]:
        # Whoever had the request before has been waited for: its outputs are free.
        request = self._requests[self._turn]
        self._turn = (self._turn + 1) % len(self._requests)
        request.start_async({0: batch})

        def wait() -> tuple[NDArray[np.float32], ...]:
            request.wait()
            return tuple(np.array(output.data) for output in request.output_tensors)

        return wait
