"""What all networks have in common: weights that are checked, layers, and a spec made of both."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from embeddings.errors import OptionError, WeightsError
from embeddings.extractors.plugin import NETWORK_OPTIONS, Extractor, ExtractorPlugin, SpecRequest
from embeddings.networks import Network
from embeddings.records import COMPARING, ExtractorSpec, Pooling
from embeddings.weights import Weights, check_tensors, hash_weights, read_tensors

if TYPE_CHECKING:
    import torch

    from embeddings.networks.features import NetworkExtractor

DEFAULT_SIZE = 224  # pixels: what nearly all networks were trained on
Triple = tuple[float, float, float]


class NetworkPlugin(ExtractorPlugin):
    """A network: feature maps of named layers, pooled over the picture or patch by patch.

    Attributes
    ----------
    weight_names : tuple of str
        Weights that need no file; the first is taken where the user says nothing.
    network_name : str
        Whose state dict `--weights` must be, for error texts; by default the spec's name.
    deep_layer : str
        With residual pooling this layer beside others is not compared but pooled where they
        say: it knows objects, not textures. Empty where all are compared.
    """

    is_network = True
    takes = NETWORK_OPTIONS
    weight_names: ClassVar[tuple[str, ...]]
    network_name: ClassVar[str] = ""
    deep_layer: ClassVar[str] = ""

    @abstractmethod
    def channels(self, name: str) -> Mapping[str, int]:
        """Return the channels of each layer, from the picture inwards."""

    @abstractmethod
    def default_layers(self, name: str, pooling: Pooling) -> tuple[str, ...]:
        """Return the layers of a new store with this pooling."""

    @abstractmethod
    def normalisation(self, name: str) -> tuple[Triple, Triple]:
        """Return the mean and the standard deviation (R, G, B) that pixels in [0, 1] had."""

    def cell(self, name: str) -> int:
        """Return the pixels of a place in the coarsest map: sides are multiples of it."""
        return 32

    def input_size(self, name: str) -> int:
        """Return the side in pixels of a new store's pictures."""
        return DEFAULT_SIZE

    @abstractmethod
    def unused_tensors(self, name: str) -> tuple[str, ...]:
        """Return the prefixes of tensors that a state dict may lack: the classifier's."""

    @abstractmethod
    def make_network(self, name: str) -> "torch.nn.Module":
        """Return the network as its authors define it, the shapes of `read_weights`."""

    @abstractmethod
    def build(
        self,
        name: str,
        tensors: "Mapping[str, torch.Tensor]",
        *,
        device: "torch.device",
        dtype: "torch.dtype",
    ) -> Network:
        """Return the network ready to run on a device in an arithmetic."""

    @abstractmethod
    def locate_weights(self, name: str, source: str) -> Path:
        """Return the file of weights given by name or by path.

        Raises
        ------
        WeightsError
            A name is not known here, or its download fails.
        """

    def read_weights(self, name: str, source: str) -> Weights:
        """Read and check weights, tensor by tensor.

        Raises
        ------
        WeightsError
            They are absent or unreadable, or do not fit.
        """
        path = self.locate_weights(name, source)
        sha256 = hash_weights(path)  # says so in one line where the file cannot be read at all
        label = self.label_weights(source)  # shown to people: the sha256 is what counts
        checked = self.check_tensors(name, read_tensors(path), label=label)
        return Weights(name=label, sha256=sha256, tensors=checked)

    def check_tensors(
        self, name: str, tensors: Mapping[str, Any], *, label: str
    ) -> "Mapping[str, torch.Tensor]":
        """Return a state dict in float32, without the classifier head.

        Raises
        ------
        WeightsError
            A tensor does not fit the network.
        """
        import torch

        with torch.device("meta"):  # shapes only: nothing is allocated
            expected = self.make_network(name).state_dict()
        return check_tensors(
            self.rename_tensors(tensors),
            expected,
            label=label,
            network=self.network_name or name,
            unused=self.unused_tensors(name),
        )

    def rename_tensors(self, tensors: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a state dict under the names that `make_network` has."""
        return tensors

    def label_weights(self, source: str) -> str:
        """Return what a store calls weights: their name, or their file's."""
        return source if source in self.weight_names else Path(source).name

    def make_spec(self, request: SpecRequest) -> ExtractorSpec:
        """Return the spec of a new store.

        Raises
        ------
        OptionError
            A layer, the device or the precision is not there.
        WeightsError
            The weights are not there.
        """
        source = request.weights or self.weight_names[0]
        # The file is looked for before torch is asked for anything: a wrong path is told at once.
        sha256 = hash_weights(self.locate_weights(request.name, source))
        pooling: Pooling = request.pooling or "max"
        layers = request.layers or self.default_layers(request.name, pooling)
        from embeddings.networks.hardware import choose_backend, choose_precision

        backend, device = choose_backend(request.backend, request.device)
        return ExtractorSpec(
            name=request.name,
            weights=self.label_weights(source),
            weights_sha256=sha256,
            layers=tuple(layers),
            pooling=pooling,
            input_size=self.input_size(request.name),
            # Padding and nearest neighbours were worse on real sets, see docs/log.md.
            fit="stretch",
            resize="bilinear",
            backend=backend,
            precision=choose_precision(request.precision, device),
            cell=self.cell(request.name),
            dim=self.count_channels(request.name, layers),
        )

    def count_channels(self, name: str, layers: Iterable[str]) -> int:
        """Return the length of these layers' vectors side by side.

        Raises
        ------
        OptionError
            The network does not have a layer, or a layer comes twice.
        """
        layers, channels = tuple(layers), self.channels(name)
        for layer in layers:
            if layer not in channels:
                raise OptionError(
                    f"--layers {layer}: expected one or more of {', '.join(channels)}"
                )
        if not layers or len(set(layers)) != len(layers):
            raise OptionError(
                f"--layers {' '.join(layers)}: expected each layer once, one at least"
            )
        return sum(channels[layer] for layer in layers)

    def load(self, spec: ExtractorSpec, weights: Weights, device: Any) -> Extractor:
        """Return the network with its pooling over the whole picture.

        Raises
        ------
        OptionError
            The pooling compares patches, and only a store has what they are compared with.
        """
        if spec.pooling in COMPARING:
            raise OptionError(
                f"--pooling {spec.pooling} needs the patch bank that only a store has: make one "
                "with `python -m embeddings.extract`, or use --pooling max here"
            )
        return self.load_maps(spec, weights, device)

    def load_maps(
        self, spec: ExtractorSpec, weights: Weights, device: "torch.device"
    ) -> "NetworkExtractor":
        """Return what makes feature maps, whatever the spec's pooling.

        Raises
        ------
        WeightsError
            The weights are others than the spec's.
        """
        from embeddings.networks.features import NetworkExtractor
        from embeddings.networks.hardware import DTYPES, OPENVINO

        if weights.sha256 != spec.weights_sha256:
            raise WeightsError(
                f"--weights {weights.name} has sha256 {weights.sha256[:12]}, the extractor was "
                f"made with {spec.weights} ({spec.weights_sha256[:12]}): pass that file"
            )
        normalisation = self.normalisation(spec.name)
        if spec.backend == OPENVINO:
            return self._load_openvino(spec, weights, normalisation)
        dtype = DTYPES[spec.precision]
        network = self.build(spec.name, weights.tensors, device=device, dtype=dtype)
        return NetworkExtractor(spec, network, device, normalisation=normalisation)

    def _load_openvino(
        self, spec: ExtractorSpec, weights: Weights, normalisation: tuple[Triple, Triple]
    ) -> "NetworkExtractor":
        import torch

        from embeddings.networks.by_openvino import OpenVinoExtractor
        from embeddings.networks.hardware import plain_convolutions

        device = torch.device("cpu")
        with plain_convolutions():
            network = self.build(spec.name, weights.tensors, device=device, dtype=torch.float32)
        return OpenVinoExtractor(spec, network, device, normalisation=normalisation)
