"""Networks written out or wrapped: pixels in, feature maps out, and how maps become vectors."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class Network(Protocol):
    """A frozen network, cut off after its last feature map."""

    def __call__(
        self, pixels: "torch.Tensor", layers: Iterable[str]
    ) -> "Mapping[str, torch.Tensor]":
        """Return the (b, channels, h, w) maps of these layers, and compute nothing deeper.

        Parameters
        ----------
        pixels : (b, 3, h, w), normalised, channels_last, of the network's dtype
        """
        ...
