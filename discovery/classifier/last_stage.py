"""ResNet-50's last stage as a function that can be trained while its batch norm stays frozen.

    stage = LastStage(tensors, device=device, dtype=torch.bfloat16)
    pooled = pool_maps(stage(maps), "max")  # (b, 2048), with gradients to the convolutions

A frozen batch norm is a scale and a shift of each channel: the scale is multiplied into the
convolution's weight at every step (a few million products), so that it costs no pass over the
maps, and the weights that are trained are still those of torchvision's state dict.
"""

from collections.abc import Mapping

import torch
from torch import nn

from embeddings.records import ExtractorSpec

STAGE = "layer4"
_BLOCKS = 3
_STRIDE = 2  # of the first block's 3x3 convolution and of its shortcut
_NORM_EPS = 1e-5  # torchvision's batch norm


class LastStage(nn.Module):
    """The three bottlenecks of layer4; only the convolutions' weights are parameters.

    Parameters
    ----------
    tensors : mapping of str to tensor
        A checked state dict of torchvision's resnet50.
    device
    dtype
        Of the arithmetic; the parameters are float32.
    """

    def __init__(
        self,
        tensors: Mapping[str, torch.Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.weights = nn.ParameterDict()  # "0 conv1" -> (out, in, h, w)
        self._scales: dict[str, torch.Tensor] = {}
        self._shifts: dict[str, torch.Tensor] = {}
        for name, (conv, norm) in _name_convolutions().items():
            weight = tensors[conv].detach().to(device, torch.float32, copy=True)
            self.weights[name] = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
            scale, shift = _freeze_norm(tensors, norm)
            self._scales[name] = scale.to(device).view(-1, 1, 1, 1)
            self._shifts[name] = shift.to(device, dtype)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the maps (b, 2048, h / 2, w / 2) of the stage before's (b, 1024, h, w)."""
        x = maps.to(self.dtype)
        for block in range(_BLOCKS):
            shortcut = x if block else self._convolve(x, "0 downsample", stride=_STRIDE)
            y = torch.relu(self._convolve(x, f"{block} conv1"))
            stride = 1 if block else _STRIDE
            y = torch.relu(self._convolve(y, f"{block} conv2", stride=stride, padding=1))
            x = torch.relu(self._convolve(y, f"{block} conv3") + shortcut)
        return x

    def _convolve(
        self, x: torch.Tensor, name: str, *, stride: int = 1, padding: int = 0
    ) -> torch.Tensor:
        weight = (self.weights[name] * self._scales[name]).to(self.dtype)
        return nn.functional.conv2d(x, weight, self._shifts[name], stride, padding)

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """Return the convolutions' weights under torchvision's names, copied, on the CPU."""
        # to() returns the very tensor where nothing changes: what is trained on must not move it.
        return {
            conv: self.weights[name].detach().to("cpu", copy=True).contiguous()
            for name, (conv, _) in _name_convolutions().items()
        }


def _name_convolutions() -> dict[str, tuple[str, str]]:
    """Map each convolution to torchvision's names of its weight and of its batch norm."""
    names = {"0 downsample": (f"{STAGE}.0.downsample.0.weight", f"{STAGE}.0.downsample.1")}
    for block in range(_BLOCKS):
        for i in (1, 2, 3):
            prefix = f"{STAGE}.{block}"
            names[f"{block} conv{i}"] = (f"{prefix}.conv{i}.weight", f"{prefix}.bn{i}")
    return names


def _freeze_norm(
    tensors: Mapping[str, torch.Tensor], norm: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scale and the shift (channels,) that a batch norm in eval mode comes to."""
    part = {
        key: tensors[f"{norm}.{key}"].detach().float()
        for key in ("weight", "bias", "running_mean", "running_var")
    }
    scale = part["weight"] / torch.sqrt(part["running_var"] + _NORM_EPS)
    return scale, part["bias"] - part["running_mean"] * scale


def choose_dtype(spec: ExtractorSpec, device: torch.device) -> torch.dtype:
    """Return the arithmetic of training: bf16 where the hardware multiplies it, else float32.

    Never fp16: its gradients would need to be scaled.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if spec.precision == "bf16" else torch.float32
