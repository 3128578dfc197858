"""ResNet-50, with torchvision's weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.extractors.network import NetworkPlugin, Triple
from embeddings.networks import Network
from embeddings.records import COMPARING, Pooling
from embeddings.weights import download_weights

if TYPE_CHECKING:
    import torch

# torchvision's, by the names of its releases; asking itself would import all of it.
_ADDRESS = "https://download.pytorch.org/models/"
_FILES = {"imagenet": "resnet50-11ad3fa6.pth", "imagenet-v1": "resnet50-0676ba61.pth"}
_CHANNELS = {"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}


class ResNet50(NetworkPlugin):
    """ResNet-50 (He, Zhang, Ren and Sun, CVPR 2016), trained on ImageNet."""

    name = "resnet50"
    weight_names = tuple(_FILES)
    network_name = "torchvision's resnet50"
    deep_layer = "layer4"
    tuned_layer, tuned_from = "layer4", "layer3"

    def channels(self, name: str) -> Mapping[str, int]:
        """Return the channels of the four stages, of strides 4, 8, 16 and 32."""
        return _CHANNELS

    def default_layers(self, name: str, pooling: Pooling) -> tuple[str, ...]:
        """Return the layers of a new store with this pooling."""
        if pooling not in COMPARING:
            # Texture and shape: each alone finds fewer types, see docs/log.md.
            return "layer3", "layer4"
        compared = ("layer2", "layer3")  # middle ones, as PatchCore: deeper ones know objects
        return (*compared, "layer4") if pooling == "residual" else compared

    def normalisation(self, name: str) -> tuple[Triple, Triple]:
        """Return ImageNet's statistics, as every torchvision weight was trained with."""
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def unused_tensors(self, name: str) -> tuple[str, ...]:
        """Return the prefix of torchvision's classifier."""
        return ("fc.",)

    def make_network(self, name: str) -> "torch.nn.Module":
        """Return the network, under torchvision's names."""
        from embeddings.networks.resnet import ResNet50 as Network

        return Network()

    def build(
        self,
        name: str,
        tensors: "Mapping[str, torch.Tensor]",
        *,
        device: "torch.device",
        dtype: "torch.dtype",
    ) -> Network:
        """Return the stages with batch norm folded and convolutions fused."""
        from embeddings.networks.resnet import ResNet50Network

        return ResNet50Network(tensors, device, dtype)

    def locate_weights(self, name: str, source: str) -> Path:
        """Return a file as it is, or torchvision's weights, downloaded once."""
        if source not in _FILES:
            return Path(source)
        return download_weights(_ADDRESS + _FILES[source], source)


EXTRACTOR = ResNet50()
