"""EfficientNet-Lite0, written out: inverted bottlenecks without squeeze-and-excitation, ReLU6.

Tan and Le, EfficientNet, ICML 2019; the Lite variants replace swish by ReLU6 and leave out
squeeze-and-excitation. Padding is TensorFlow's "same", as the weights were trained: with stride 2
an odd pixel goes to the right and to the bottom.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import nn
from torch.nn.functional import hardtanh, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from embeddings.networks.hardware import convolve, has_fused_convolutions, keep_freed_memory

# Blocks, kernel, stride of the first block, expansion, channels: table 1 of the paper.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280  # channels
LAYERS = (*(f"stage{i}" for i in range(1, len(_STAGES) + 1)), "head")
_NORM_EPS = 1e-3  # TensorFlow's batch norm, ten times torch's at least
_SIX = (0.0, 6.0)  # the bounds of ReLU6


class Unit(nn.Module):
    """A convolution, its batch norm, and ReLU6 or nothing."""

    def __init__(
        self, width: int, out: int, *, kernel: int = 1, stride: int = 1, is_linear: bool = False,
        is_depthwise: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        groups = width if is_depthwise else 1
        # With stride 1 "same" is even; with stride 2 it depends on the picture, see `_pad_same`.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(width, out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=_NORM_EPS)
        self.is_linear = is_linear
        self.is_folded = self.is_fused = False

    def fold(self, *, is_fused: bool) -> None:
        """Fold the batch norm into the convolution; fuse that with ReLU6 where torch can."""
        self.conv = fuse_conv_bn_eval(self.conv, self.norm)
        self.is_folded, self.is_fused = True, is_fused

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, width, h, w) to (b, out, h / stride, w / stride), rounded up."""
        if self.conv.stride[0] > 1:
            x = _pad_same(x, self.conv.kernel_size[0], self.conv.stride[0])
        if self.is_fused:
            return convolve(x, self.conv, "none" if self.is_linear else "hardtanh", scalars=_SIX)
        x = self.conv(x) if self.is_folded else self.norm(self.conv(x))
        return x if self.is_linear else hardtanh(x, *_SIX)


class Block(nn.Module):
    """An inverted bottleneck: expand, filter each channel by itself, project."""

    def __init__(self, width: int, out: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = width * expansion
        self.expand = Unit(width, inner) if expansion > 1 else None
        self.depthwise = Unit(inner, inner, kernel=kernel, stride=stride, is_depthwise=True)
        self.project = Unit(inner, out, is_linear=True)
        self.has_shortcut = stride == 1 and width == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, width, h, w) to (b, out, h / stride, w / stride)."""
        inner = x if self.expand is None else self.expand(x)
        y: torch.Tensor = self.project(self.depthwise(inner))
        # Not in place: x may be a map that was asked for.
        return y + x if self.has_shortcut else y


class EfficientNetLite0(nn.Module):
    """The network up to its head, without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Unit(3, _STEM, kernel=3, stride=2)
        self.stages = nn.ModuleList()
        width = _STEM
        for blocks, kernel, stride, expansion, out in _STAGES:
            stage = nn.Sequential()
            for number in range(blocks):
                first = stride if number == 0 else 1
                stage.append(Block(width, out, kernel=kernel, stride=first, expansion=expansion))
                width = out
            self.stages.append(stage)
        self.head = Unit(width, _HEAD)

    def forward(self, pixels: torch.Tensor, layers: Iterable[str]) -> dict[str, torch.Tensor]:
        """Return the (b, channels, h, w) maps of these layers, and compute nothing deeper."""
        wanted = set(layers)
        maps: dict[str, torch.Tensor] = {}
        x = self.stem(pixels)
        for name, part in zip(LAYERS, (*self.stages, self.head), strict=True):
            x = part(x)
            if name in wanted:
                maps[name] = x
            if len(maps) == len(wanted):
                break
        return maps


def build_lite0(
    tensors: Mapping[str, torch.Tensor], device: torch.device, dtype: torch.dtype
) -> EfficientNetLite0:
    """Return the network frozen, folded and ready to run.

    Parameters
    ----------
    tensors : mapping of str to tensor
        A checked state dict of `EfficientNetLite0`.
    """
    network = EfficientNetLite0()
    network.load_state_dict(dict(tensors))
    network.eval().requires_grad_(requires_grad=False)
    is_fused = device.type == "cpu" and has_fused_convolutions(dtype)
    for part in network.modules():
        if isinstance(part, Unit):
            part.fold(is_fused=is_fused)
    if device.type == "cpu":
        keep_freed_memory()
    return network.to(device, dtype).to(memory_format=torch.channels_last)


def _pad_same(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Pad so that the output has as many places as the input has strides, rounded up."""
    sides: list[int] = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        sides += [total // 2, total - total // 2]
    return pad(x, sides)
