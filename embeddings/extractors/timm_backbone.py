"""Any backbone of timm with feature maps or tokens: ``timm:resnet18``, ``timm:convnext_tiny``, ...

Layers are the modules that timm lists in a model's ``feature_info``: stages of a convolutional
network, blocks of a transformer. Tokens are laid out as maps of one place a patch.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from embeddings.errors import OptionError, WeightsError
from embeddings.extractors.network import DEFAULT_SIZE, NetworkPlugin, Triple
from embeddings.networks import Network
from embeddings.records import COMPARING, Pooling

if TYPE_CHECKING:
    import torch

_FILES = ("model.safetensors", "pytorch_model.bin")  # what the hub keeps, the safer one first


class TimmBackbone(NetworkPlugin):
    """A network of the package timm (Wightman 2019), with its own weights or a file's.

    Attributes
    ----------
    model : str
        timm's name of the one model that a subclass is an extractor of; empty where the user
        names one behind the colon.
    """

    model: ClassVar[str] = ""
    name = "timm"
    argument = "NAME"
    weight_names = ("pretrained",)

    def channels(self, name: str) -> Mapping[str, int]:
        """Return the channels of the modules that timm lists as features."""
        return {part["module"]: int(part["num_chs"]) for part in _list_features(self._key(name))}

    def default_layers(self, name: str, pooling: Pooling) -> tuple[str, ...]:
        """Return the last two stages, or the two before the last where patches are compared.

        Of a transformer, whose blocks are all of one size: the last and one at two thirds, or
        those at a half and at three quarters.
        """
        layers = tuple(self.channels(name))
        if _has_tokens(self._key(name)):
            n = len(layers)
            places = (n // 2 - 1, 3 * n // 4 - 1) if pooling in COMPARING else (2 * n // 3 - 1, -1)
        else:
            places = (-3, -2) if pooling in COMPARING and len(layers) > 2 else (-2, -1)
        return tuple(dict.fromkeys(layers[place] for place in places))

    def normalisation(self, name: str) -> tuple[Triple, Triple]:
        """Return the statistics of the model's configuration."""
        config = _make_model(self._key(name)).pretrained_cfg
        return tuple(config["mean"]), tuple(config["std"])

    def cell(self, name: str) -> int:
        """Return the coarsest feature's stride: a transformer's patch size."""
        return max(int(part["reduction"]) for part in _list_features(self._key(name)))

    def input_size(self, name: str) -> int:
        """Return the usual side in whole cells, or the model's own where it takes no other."""
        model = _make_model(self._key(name))
        patches = getattr(model, "patch_embed", None)
        if getattr(patches, "strict_img_size", False):
            return int(model.pretrained_cfg["input_size"][-1])
        cell = self.cell(name)
        return round(DEFAULT_SIZE / cell) * cell

    def unused_tensors(self, name: str) -> tuple[str, ...]:
        """Return the prefixes of the classifier's tensors."""
        heads = _make_model(self._key(name)).pretrained_cfg.get("classifier") or ()
        return tuple(f"{head}." for head in ((heads,) if isinstance(heads, str) else heads))

    def make_network(self, name: str) -> "torch.nn.Module":
        """Return timm's model with random weights."""
        model: torch.nn.Module = _make_model.__wrapped__(self._key(name))
        return model

    def build(
        self,
        name: str,
        tensors: "Mapping[str, torch.Tensor]",
        *,
        device: "torch.device",
        dtype: "torch.dtype",
    ) -> Network:
        """Return the model frozen, its intermediate results as maps."""
        import torch

        model = self.make_network(name)
        model.load_state_dict(dict(tensors), strict=False)  # checked before; no classifier
        model.eval().requires_grad_(requires_grad=False)
        model.to(device, dtype).to(memory_format=torch.channels_last)
        return _TimmNetwork(self._key(name), model, tuple(self.channels(name)))

    def locate_weights(self, name: str, source: str) -> Path:
        """Return a file as it is, or timm's own weights from the hub's cache, downloaded once."""
        _make_model(
            self._key(name)
        )  # a name that timm does not know is told before a download is tried
        if source not in self.weight_names:
            return Path(source)
        import timm
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        config = timm.get_pretrained_cfg(_strip(self._key(name)))
        hub = None if config is None else config.hf_hub_id
        if not hub:
            raise WeightsError(
                f"--extractor {name}: timm has no weights of it; pass --weights FILE"
            )
        for file in _FILES:  # without a word to the network, where they are here
            if isinstance(path := try_to_load_from_cache(hub, file), str):
                return Path(path)
        try:
            # Of the newest revision, which timm does not pin: a safetensors file, in which nothing
            # can run, and whose sha256 becomes part of the store's spec.
            downloaded = hf_hub_download(hub, _FILES[0])  # nosec B615 # as said above
            return Path(downloaded)
        # What the hub raises is one of these, or derives from them.
        except (OSError, RuntimeError, ValueError) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise WeightsError(
                f"--extractor {name}: the download of {hub} failed ({first_line}); pass --weights "
                "FILE with a state dict of timm's model"
            ) from error

    def _key(self, name: str) -> str:
        """Return the extractor as ``timm:NAME``, whatever a subclass calls it."""
        return f"timm:{self.model}" if self.model else name


class _TimmNetwork:
    """A timm model as a function of pixels and layers."""

    def __init__(self, name: str, model: Any, layers: tuple[str, ...]) -> None:
        self._name, self._model, self._layers = name, model, layers
        # Tokens inside a transformer are not scaled: its last norm is what makes them features.
        self._options = {"norm": True} if _has_tokens(name) else {}

    def __call__(self, pixels: "torch.Tensor", layers: Any) -> "Mapping[str, torch.Tensor]":
        """Return the (b, channels, h, w) maps of these layers."""
        wanted = sorted(self._layers.index(layer) for layer in set(layers))
        try:
            maps = self._model.forward_intermediates(
                pixels, indices=wanted, stop_early=True, intermediates_only=True, **self._options
            )
        except AssertionError as error:  # how timm refuses the sides of a picture
            height, width = pixels.shape[2:]
            raise OptionError(
                f"--extractor {self._name} does not take pictures of {width} x {height} pixels "
                f"({error}): choose another --size or --fit"
            ) from error
        return {self._layers[i]: one for i, one in zip(wanted, maps, strict=True)}


def _strip(name: str) -> str:
    """Return timm's own name of a model."""
    return name.partition(":")[2]


@functools.lru_cache(maxsize=2)
def _make_model(name: str) -> Any:
    """Make a model with random weights; kept, since all that is asked of it is how it is made."""
    try:
        import timm
    except ImportError as error:
        raise OptionError(
            f"--extractor {name}: the package timm is not installed; run "
            "`pip install 'defect-discovery[timm]'`"
        ) from error
    if not timm.is_model(_strip(name)):
        raise OptionError(f"--extractor {name}: timm {timm.__version__} has no model of that name")
    try:
        model = timm.create_model(_strip(name), dynamic_img_size=True)
    except TypeError:  # not a transformer: any size will do
        model = timm.create_model(_strip(name))
    if not hasattr(model, "forward_intermediates"):
        raise OptionError(f"--extractor {name}: timm gives no intermediate features of it")
    return model


def _list_features(name: str) -> list[dict[str, Any]]:
    found = _make_model(name).feature_info
    return list(found if isinstance(found, list) else found.info)


def _has_tokens(name: str) -> bool:
    """Tell whether all features are of one stride: a transformer's blocks."""
    return len({part["reduction"] for part in _list_features(name)}) == 1


EXTRACTOR = TimmBackbone()
