"""ResNet-50's stages as one function of pixels, as fast as the hardware allows.

Batch norm is folded into the convolutions (the same function in eval mode), the classifier is
cut off, memory is channels_last.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet, resnet50

from embeddings.networks.hardware import convolve, has_fused_convolutions, keep_freed_memory

STAGES = {"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}  # channels of each


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
        net = resnet50()
        net.load_state_dict(dict(tensors), strict=False)  # checked before; fc is not used
        net.fc = nn.Identity()
        net.eval().requires_grad_(requires_grad=False)
        _fold_batch_norm(net)
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
        wanted = set(layers)
        net = self._net
        run = _run_fused_block if self._is_fused else _run_block
        x = convolve(pixels, net.conv1) if self._is_fused else net.relu(net.conv1(pixels))
        x = net.maxpool(x)
        maps: dict[str, torch.Tensor] = {}
        for stage in STAGES:
            for block in getattr(net, stage):
                x = run(block, x)
            if stage in wanted:
                maps[stage] = x
            if len(maps) == len(wanted):
                break  # nothing deeper was asked for
        return maps


def _run_block(block: Any, x: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = block(x)
    return y


def _run_fused_block(block: Any, x: torch.Tensor) -> torch.Tensor:
    """Run a bottleneck: 1x1, 3x3, 1x1, and the shortcut added to the last before its ReLU."""
    # With a shortcut of its own the sum is a new tensor; without, x is overwritten, which only
    # the block before could want, and it ended.
    shortcut = x if block.downsample is None else convolve(x, block.downsample[0], "none")
    y = convolve(convolve(x, block.conv1), block.conv2)
    conv = block.conv3
    added: torch.Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
        shortcut, y, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation,
        conv.groups, "add", 1.0, "relu", [], "",
    )  # fmt: skip
    return added


def _fold_batch_norm(net: ResNet) -> None:
    """Fold each batch norm into the convolution before it."""
    net.conv1, net.bn1 = fuse_conv_bn_eval(net.conv1, net.bn1), nn.Identity()
    for stage in STAGES:
        for block in getattr(net, stage):
            for i in (1, 2, 3):
                conv, norm = getattr(block, f"conv{i}"), getattr(block, f"bn{i}")
                setattr(block, f"conv{i}", fuse_conv_bn_eval(conv, norm))
                setattr(block, f"bn{i}", nn.Identity())
            if block.downsample is not None:
                block.downsample = nn.Sequential(fuse_conv_bn_eval(*block.downsample))
