"""Where the backbone's weights come from: what was asked for, or the best that can be had here."""

from embeddings.console import get_logger
from embeddings.errors import WeightsError
from embeddings.resnet import Weights, load_weights
from embeddings.weights import DOWNLOAD_SECONDS, bound_sockets

NONE = "none"
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
        with bound_sockets(DOWNLOAD_SECONDS):
            return load_weights("imagenet")
    except WeightsError as error:
        get_logger().warning(_NO_WEIGHTS, error)
        return None
