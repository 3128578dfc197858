"""ResNet-50 as a feature extractor: weights, device, precision, which layers.

`load_weights` reads and checks a state dict; `ResNet50Extractor` turns a batch of prepared
images into unit rows, with the arithmetic of `choose_precision`. The network itself is in
backbone.py.
"""

import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError  # noqa: N812
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import resnet50

from embeddings.backbone import STAGES, Backbone
from embeddings.errors import OptionError, WeightsError
from embeddings.orientations import embed_turned
from embeddings.records import ExtractorSpec, Precision, unit_rows
from embeddings.weights import NAMES, hash_weights, locate_weights

LAYERS = STAGES
# What torch.load raises on bytes that are no state dict, found by feeding it damaged files.
_UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError,
    AttributeError, AssertionError, OverflowError, MemoryError, StructError,
)  # fmt: skip
_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_GEM_POWER = 3.0  # as published; 2 to 5 differ little
# ImageNet's mean and standard deviation, as every torchvision weight was trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A checked ResNet-50 state dict with the name and the sha256 of the file it came from."""

    name: str
    sha256: str
    tensors: Mapping[str, torch.Tensor]


def load_weights(source: str) -> Weights:
    """Read weights by name (download, cached by torchvision) or from a file.

    Parameters
    ----------
    source : str
        ``imagenet`` (IMAGENET1K_V2), ``imagenet-v1``, or a path to a safetensors file or a
        state dict saved by ``torch.save`` (read with ``weights_only``: no code in it runs).

    Raises
    ------
    WeightsError
        The file is absent or unreadable, the download fails, or a tensor does not fit.
    """
    path = locate_weights(source)
    tensors = _read_tensors(path)
    name = source if source in NAMES else path.name
    return Weights(name=name, sha256=hash_weights(path), tensors=check_tensors(tensors, name))


def _read_tensors(path: Path) -> Mapping[str, torch.Tensor]:
    hash_weights(path)  # says so in one line where the file cannot be read at all
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            loaded: Any = load_file(path)
        else:
            with warnings.catch_warnings(action="ignore"):  # torch warns of odd pickle protocols
                loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, *_UNREADABLE) as error:
        first_line = (str(error).splitlines() or ["empty"])[0]
        raise WeightsError(
            f"--weights {path}: not a readable weights file ({first_line}); expected "
            "safetensors, or a plain state dict saved by torch.save"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]  # Lightning and many training scripts wrap it
    if not isinstance(loaded, dict):
        raise WeightsError(
            f"--weights {path}: holds a {type(loaded).__name__}, expected a state dict"
        )
    return {str(key).removeprefix("module."): value for key, value in loaded.items()}


def check_tensors(tensors: Mapping[str, Any], name: str) -> Mapping[str, torch.Tensor]:
    """Check a state dict tensor by tensor against torchvision's ResNet-50; return it in float32.

    The classifier head ``fc`` may be absent or of any size: it is not used.

    Raises
    ------
    WeightsError
        A tensor is missing, left over, of another shape, not floating, or not finite.
    """
    with torch.device("meta"):  # shapes only: nothing is allocated
        expected = resnet50().state_dict()
    wanted = {key: value for key, value in expected.items() if not key.startswith("fc.")}
    # Old checkpoints lack the counters of batch norm; inference does not use them.
    required = {key for key in wanted if not key.endswith("num_batches_tracked")}
    faults = [f"{key} is missing" for key in required if key not in tensors]
    faults += [f"{key} is not part of it" for key in tensors if key not in expected]
    checked: dict[str, torch.Tensor] = {}
    for key in (key for key in wanted if key in tensors):
        fault = _tensor_fault(key, tensors[key], wanted[key])
        faults += [fault] if fault else []
        if not fault:
            checked[key] = tensors[key].float() if key in required else tensors[key]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise WeightsError(
            f"--weights {name}: does not fit torchvision's resnet50: "
            f"{'; '.join(sorted(faults)[:3])}{more}"
        )
    return checked


def _tensor_fault(key: str, came: Any, wanted: torch.Tensor) -> str:
    if not isinstance(came, torch.Tensor):
        return f"{key} is a {type(came).__name__}, not a tensor"
    if came.shape != wanted.shape:
        return f"{key} has shape {tuple(came.shape)}, expected {tuple(wanted.shape)}"
    if wanted.is_floating_point() and not came.is_floating_point():
        return f"{key} has type {came.dtype}, expected floating point"
    if came.is_floating_point() and not bool(torch.isfinite(came.float()).all()):
        return f"{key} holds NaN or infinity"
    return ""


def choose_device(device: Device) -> torch.device:
    """Resolve ``auto`` to CUDA when there is a GPU.

    Raises
    ------
    OptionError
        ``cuda`` was asked for and there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise OptionError("--device cuda: no CUDA device is visible; use --device cpu or auto")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def choose_precision(precision: str, device: torch.device) -> Precision:
    """Resolve ``auto``: fp16 on a GPU, bf16 on a CPU that multiplies it in hardware, else float32.

    On GPUs fp16 keeps three bits more of the mantissa than bf16 at the same speed.

    Raises
    ------
    OptionError
        fp16 on a CPU: it is emulated there, slower than float32.
    """
    if precision == "auto":
        if device.type == "cuda":
            return "fp16"
        return "bf16" if _has_fast_bf16() else "float32"
    if precision == "fp16" and device.type == "cpu":
        raise OptionError("--precision fp16 needs a GPU; on a CPU use bf16 or float32")
    if precision not in _DTYPES:
        raise OptionError(f"--precision {precision}: expected auto, float32, bf16 or fp16")
    return precision  # type: ignore[return-value]  # narrowed by the line above


def _has_fast_bf16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def make_spec(
    name: str, sha256: str, *, layers: Sequence[str], precision: Precision, device: torch.device
) -> ExtractorSpec:
    """Return the spec of a mean-pooled ResNet-50; the caller replaces what differs.

    Raises
    ------
    OptionError
        A layer that ResNet-50 does not have.
    """
    for layer in layers:
        if layer not in LAYERS:
            raise OptionError(f"--layers {layer}: expected one or more of {', '.join(LAYERS)}")
    if not layers or len(set(layers)) != len(layers):
        raise OptionError(f"--layers {' '.join(layers)}: expected each layer once, one at least")
    return ExtractorSpec(
        name="resnet50",
        weights=name,
        weights_sha256=sha256,
        layers=tuple(layers),
        backend=f"torch-{device.type}",
        precision=precision,
        dim=sum(LAYERS[layer] for layer in layers),
    )


def _pool_mean(maps: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) -> (b, c) float32."""
    return maps.float().mean(dim=(2, 3))


def _pool_max(maps: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) -> (b, c) float32: a small defect counts as much as a large one."""
    return maps.amax(dim=(2, 3)).float()


def _pool_gem(maps: torch.Tensor) -> torch.Tensor:
    """Generalised mean (Radenovic, Tolias and Chum 2019): between mean and maximum.

    A defect that fills a hundredth of the picture is a hundredth of the mean; cubed, it counts.
    """
    cubes = maps.float().clamp(min=1e-6) ** _GEM_POWER
    return cubes.mean(dim=(2, 3)) ** (1 / _GEM_POWER)


_POOLINGS = {"mean": _pool_mean, "max": _pool_max, "gem": _pool_gem}


class ResNet50Extractor:
    """Prepared images in, unit rows out, for one spec.

    Parameters
    ----------
    spec : ExtractorSpec
    weights : Weights
        Their sha256 must be the spec's.
    device : torch.device
    """

    fills_batches = True  # kernels are chosen by a batch's size, and round differently

    def __init__(self, spec: ExtractorSpec, weights: Weights, device: torch.device) -> None:
        if weights.sha256 != spec.weights_sha256:
            raise WeightsError(
                f"--weights {weights.name} has sha256 {weights.sha256[:12]}, the extractor was "
                f"made with {spec.weights} ({spec.weights_sha256[:12]}): pass that file"
            )
        if spec.pooling not in _POOLINGS:
            raise OptionError(
                f"--pooling {spec.pooling} needs the patch bank that only a store has: make one "
                "with `python -m embeddings.extract`, or use --pooling max here"
            )
        self.spec = spec
        self.device = device
        self._dtype = _DTYPES[spec.precision]
        self._backbone = Backbone(weights.tensors, device, self._dtype)
        stats = torch.tensor([_MEAN, _STD], device=device)  # (2, 3)
        self._mean, self._std = stats[0].view(1, 3, 1, 1), stats[1].view(1, 3, 1, 1)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
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

    def _embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            maps = self.feature_maps(batch)
            parts = [_POOLINGS[self.spec.pooling](maps[layer]) for layer in self.spec.layers]
            parts = [nn.functional.normalize(part, dim=1) for part in parts]
            values = torch.cat(parts, dim=1).cpu().numpy()  # (b, dim)
        return unit_rows(values)

    def feature_maps(
        self, batch: NDArray[np.float32], layers: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the (b, channels, h, w) maps of the spec's layers, still on the device.

        Of other layers where these are given: nothing deeper than the deepest is computed.
        """
        pixels = torch.from_numpy(batch).to(self.device, non_blocking=True)
        pixels = (pixels.expand(-1, 3, -1, -1) - self._mean) / self._std  # (b, 3, h, w)
        x = pixels.to(self._dtype, memory_format=torch.channels_last)
        return self._backbone(x, self.spec.layers if layers is None else layers)
