"""Where the backbone's weights come from: what was asked for, or the best that can be had here."""

import contextlib
import socket
from collections.abc import Iterator

from embeddings.console import get_logger
from embeddings.errors import WeightsError
from embeddings.resnet import Weights, load_weights

NONE = "none"
_DOWNLOAD_SECONDS = 20.0  # a firewall that drops packets must not hang the training
_NO_WEIGHTS = (
    "WARNING: no ImageNet weights could be had (%s): the detector starts from nothing, with group "
    "normalisation. It needs several times the training time and more pictures. Pass --weights "
    "FILE for a ResNet-50 to start from."
)


def find_backbone(source: str | None) -> Weights | None:
    """Return the weights asked for; without a wish ImageNet's, or None where they cannot be had.

    Parameters
    ----------
    source : str or None
        imagenet, imagenet-v1, a file, or "none" for none.

    Raises
    ------
    WeightsError
        The weights asked for cannot be had: they are never replaced by others.
    """
    if source == NONE:
        return None
    if source is not None:
        return load_weights(source)
    try:
        with _bounded_sockets(_DOWNLOAD_SECONDS):
            return load_weights("imagenet")
    except WeightsError as error:
        get_logger().warning(_NO_WEIGHTS, error)
        return None


@contextlib.contextmanager
def _bounded_sockets(seconds: float) -> Iterator[None]:
    """Bound every socket that a library opens meanwhile."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
