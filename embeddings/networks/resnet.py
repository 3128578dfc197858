"""ResNet-50 written out, and its stages as one function of pixels, as fast as the hardware allows.

He, Zhang, Ren and Sun, Deep residual learning for image recognition, CVPR 2016, table 1; the stride
of a stage lies in its first 3x3 convolution, as torchvision has it, whose names the tensors bear.
Written out, since importing torchvision brings in torch's compiler: 1.4 s of every command.

Batch norm is folded into the convolutions (the same function in eval mode), the classifier is
cut off, memory is channels_last.
"""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import nn
from torch.nn.functional import relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

from embeddings.networks.hardware import convolve, has_fused_convolutions, keep_freed_memory

STAGES = {"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}  # channels of each
_BLOCKS = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}
_STEM, _NARROW = 64, 4  # channels; by how much the middle of a block is narrower than its end
_CLASSES = 1000  # of the classifier, which is checked for and not used


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, and the shortcut added to the last before its ReLU."""

    def __init__(self, width: int, out: int, *, stride: int) -> None:
        super().__init__()
        middle = out // _NARROW
        self.conv1 = nn.Conv2d(width, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or width != out:
            conv = nn.Conv2d(width, out, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, width, h, w) to (b, out, h / stride, w / stride), rounded up."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = relu(self.bn1(self.conv1(x)))
        y = relu(self.bn2(self.conv2(y)))
        return relu(self.bn3(self.conv3(y)) + shortcut)

    def run_fused(self, x: torch.Tensor) -> torch.Tensor:
        """Do the same with batch norm folded, each convolution and what follows it as one."""
        # With a shortcut of its own the sum is a new tensor; without, x is overwritten, which only
        # the block before could want, and it ended.
        shortcut = x
        if self.downsample is not None:
            shortcut = convolve(x, cast(nn.Conv2d, self.downsample[0]), "none")
        y = convolve(convolve(x, self.conv1), self.conv2)
        last = self.conv3
        added: torch.Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            shortcut, y, last.weight, last.bias, last.padding, last.stride, last.dilation,
            last.groups, "add", 1.0, "relu", [], "",
        )  # fmt: skip
        return added

    def fold(self) -> None:
        """Fold each batch norm into the convolution before it."""
        for i in (1, 2, 3):
            conv, norm = getattr(self, f"conv{i}"), getattr(self, f"bn{i}")
            setattr(self, f"conv{i}", fuse_conv_bn_eval(conv, norm))
            setattr(self, f"bn{i}", nn.Identity())
        if self.downsample is not None:
            self.downsample = nn.Sequential(fuse_conv_bn_eval(*self.downsample))


class ResNet50(nn.Module):
    """The network, under the names of torchvision's resnet50."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _STEM, 7, 2, 3, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(_STEM)
        width = _STEM
        for name, out in STAGES.items():
            blocks = []
            for number in range(_BLOCKS[name]):
                stride = 2 if number == 0 and name != "layer1" else 1
                blocks.append(Bottleneck(width, out, stride=stride))
                width = out
            setattr(self, name, nn.Sequential(*blocks))
        self.fc: nn.Module = nn.Linear(width, _CLASSES)
        self._pool = nn.MaxPool2d(3, 2, 1)

    def fold(self) -> None:
        """Fold each batch norm into the convolution before it."""
        norm = cast(nn.BatchNorm2d, self.bn1)
        self.conv1, self.bn1 = fuse_conv_bn_eval(self.conv1, norm), nn.Identity()
        for stage in STAGES:
            for block in getattr(self, stage):
                block.fold()

    def forward(
        self, pixels: torch.Tensor, layers: Iterable[str] = ("layer4",), *, is_fused: bool = False
    ) -> dict[str, torch.Tensor]:
        """Return the maps of these stages, and compute nothing deeper; `is_fused` once folded."""
        wanted = set(layers)
        x = convolve(pixels, self.conv1) if is_fused else relu(self.bn1(self.conv1(pixels)))
        x = self._pool(x)
        maps: dict[str, torch.Tensor] = {}
        for stage in STAGES:
            for block in getattr(self, stage):
                x = block.run_fused(x) if is_fused else block(x)
            if stage in wanted:
                maps[stage] = x
            if len(maps) == len(wanted):
                break  # nothing deeper was asked for
        return maps


class ResNet50Network:
    """ResNet-50 up to its last stage, frozen.

    Parameters
    ----------
    tensors : mapping of str to tensor
        A checked state dict of torchvision's resnet50.
    device, dtype
        Where and in which arithmetic it runs.
    """

    def __init__(
        self, tensors: Mapping[str, torch.Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        with torch.device("meta"):  # the values come with the tensors: none is drawn before
            net = ResNet50()
        net.fc = nn.Identity()
        net.load_state_dict(_complete(tensors), assign=True)  # checked before
        net.eval().requires_grad_(requires_grad=False)
        net.fold()
        self._net = net.to(device, dtype).to(memory_format=torch.channels_last)
        self._is_fused = device.type == "cpu" and has_fused_convolutions(dtype)
        if device.type == "cpu":
            keep_freed_memory()

    def __call__(self, pixels: torch.Tensor, layers: Iterable[str]) -> dict[str, torch.Tensor]:
        """Return the (b, channels, h, w) maps of these stages, and compute nothing deeper.

        Parameters
        ----------
        pixels : (b, 3, h, w), normalised, channels_last, of the network's dtype
        """
        maps: dict[str, torch.Tensor] = self._net(pixels, layers, is_fused=self._is_fused)
        return maps


def _complete(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Leave out the classifier, and add the counters of batch norm that old checkpoints lack."""
    found = {name: one for name, one in tensors.items() if not name.startswith("fc.")}
    for name in tensors:
        if name.endswith("running_mean"):
            counter = name.replace("running_mean", "num_batches_tracked")
            found.setdefault(counter, torch.tensor(0))
    return found
