"""What an extractor says about itself: its name, its options, how it is loaded."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.records import ExtractorSpec, Pooling
from embeddings.weights import NO_WEIGHTS, Weights

# Options of extraction that an extractor may lack; all others are about reading and storing.
NETWORK_OPTIONS = frozenset(
    ("weights", "layers", "pooling", "normal", "tau", "turns", "fit", "view", "check_precision")
)


class Extractor(Protocol):
    """Prepared pictures in, unit rows out.

    `fills_batches`: its arithmetic depends on the size of a batch, as matrix kernels do.
    """

    spec: ExtractorSpec
    fills_batches: bool

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed (b, c, h, w) float32 in [0, 1] to (b, dim) float32 unit rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecRequest:
    """What a user says that decides how a spec is made; None is left to the extractor.

    Attributes
    ----------
    name : str
        The extractor's name, with its argument.
    device, backend, precision : str
        As the options of these names; "auto" is the best that is here.
    """

    name: str
    weights: str | None = None
    layers: tuple[str, ...] | None = None
    pooling: Pooling | None = None
    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"


class ExtractorPlugin(ABC):
    """One way of making vectors of prepared pictures.

    Attributes
    ----------
    name : str
        What `--extractor` and `ExtractorSpec.name` call it.
    argument : str
        What must follow the name after a colon, as help texts show it; empty for nothing.
    takes : frozenset of str
        Which of `NETWORK_OPTIONS` it has.
    is_network : bool
        Whether it is a `NetworkPlugin`: has weights, a device and feature maps, and sees a
        turned picture as another one.
    tuned_layer, tuned_from : str
        The stage that `discovery.classify --finetune` trains, and the one whose maps it takes;
        empty where it cannot be trained.
    """

    name: ClassVar[str]
    argument: ClassVar[str] = ""
    takes: ClassVar[frozenset[str]] = frozenset()
    is_network: ClassVar[bool] = False
    tuned_layer: ClassVar[str] = ""
    tuned_from: ClassVar[str] = ""

    @property
    def usage(self) -> str:
        """How a user writes its name."""
        return f"{self.name}:{self.argument}" if self.argument else self.name

    @abstractmethod
    def make_spec(self, request: SpecRequest) -> ExtractorSpec:
        """Return the spec of a new store; the caller replaces what else the user says.

        Raises
        ------
        OptionError, WeightsError
            What is asked for cannot be had.
        """

    def read_weights(self, name: str, source: str) -> Weights:
        """Return the weights of `--weights`; none where the extractor has none."""
        return NO_WEIGHTS

    @abstractmethod
    def load(self, spec: ExtractorSpec, weights: Weights, device: Any) -> Extractor:
        """Return what computes the vectors of a spec.

        Parameters
        ----------
        spec : ExtractorSpec
        weights : Weights
            As `read_weights` gave them.
        device : torch.device or None
            None where the extractor is no network.
        """
