"""Build Faster R-CNN: ResNet-50, feature pyramid, anchors and heads sized for small defects.

torchvision's parts (Ren et al. 2015, Faster R-CNN; Lin et al. 2017, Feature Pyramid Networks), put
together by hand: its own builders choose batch norm and trainable layers by whether weights were
given, and enlarge every picture to 800 pixels. Here both are said, and the picture keeps its size.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from discovery.detector.spec import DetectorSpec
from embeddings.console import get_logger
from embeddings.errors import WeightsError
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.weights import OTHER_NETWORK, Weights

_GROUPS = 32  # Wu and He 2018, Group Normalization
_TRAINED_STAGES = {"frozen-batch": 3, "group": 5}  # torchvision's default with weights; all without
_WIDTH = 512  # of the box head: half of torchvision's, enough for tens of types
# Half or less of torchvision's numbers: a tile holds tens of defects, not a street scene.
_PROPOSALS = {
    "rpn_pre_nms_top_n_train": 1000, "rpn_post_nms_top_n_train": 500,
    "rpn_pre_nms_top_n_test": 500, "rpn_post_nms_top_n_test": 300,
    "rpn_batch_size_per_image": 128, "box_batch_size_per_image": 64,
}  # fmt: skip
LOWEST_SCORE = 0.05  # below, a box is no candidate: neither kept nor scored
_MOST_A_TILE = 300  # boxes kept of one tile
NONE = "none"
_NO_WEIGHTS = (
    "WARNING: no ImageNet weights could be had: the detector starts from nothing, which takes "
    "several times as long and more pictures; --weights FILE starts from a ResNet-50"
)


class _FrozenNorm(FrozenBatchNorm2d):
    """Frozen batch norm in one pass, and in the arithmetic of what comes.

    torchvision's takes two passes and answers bf16 in float32: a fifth of a training step.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x times a factor plus an offset, each by channel."""
        factor = self.weight * (self.running_var + self.eps).rsqrt()
        offset = self.bias - self.running_mean * factor
        by_channel = (1, -1, 1, 1)
        return torch.addcmul(
            offset.view(by_channel).to(x.dtype), x, factor.view(by_channel).to(x.dtype)
        )


class _KeepSize(GeneralizedRCNNTransform):
    """Normalise and batch, but leave the size to whoever prepared the picture."""

    def resize(self, image: torch.Tensor, target: Any = None) -> tuple[torch.Tensor, Any]:
        """Return both as they came."""
        return image, target


def build_detector(
    spec: DetectorSpec, backbone: Mapping[str, torch.Tensor] | None = None
) -> FasterRCNN:
    """Build the network of a spec, its weights drawn from torch's random state.

    Parameters
    ----------
    spec : DetectorSpec
    backbone : mapping of str to tensor, optional
        A checked state dict of torchvision's resnet50, see `embeddings.extractors.resnet50`.
    """
    norm = _FrozenNorm if spec.norm == "frozen-batch" else partial(nn.GroupNorm, _GROUPS)
    body = resnet_fpn_backbone(
        backbone_name="resnet50",
        weights=None,
        norm_layer=norm,
        trainable_layers=_TRAINED_STAGES[spec.norm],
    )
    if backbone is not None:
        unused = RESNET50.unused_tensors(RESNET50.name)  # the classes of ImageNet
        tensors = {key: value for key, value in backbone.items() if not key.startswith(unused)}
        body.body.load_state_dict(tensors)
    n_classes = len(spec.labels) + 1  # and the background
    network = FasterRCNN(
        body,
        rpn_anchor_generator=AnchorGenerator(
            tuple((side,) for side in spec.anchors), (spec.ratios,) * len(spec.anchors)
        ),
        # One sample a bin: a bin of a small defect is less than a cell, and pooling's gradient was
        # a quarter of a step. Half of the canonical scale keeps the bins of large ones small too.
        box_roi_pool=MultiScaleRoIAlign(
            ["0", "1", "2", "3"], output_size=7, sampling_ratio=1, canonical_scale=112
        ),
        box_head=TwoMLPHead(body.out_channels * 7 * 7, _WIDTH),  # RoIAlign gives 7 x 7
        box_predictor=FastRCNNPredictor(_WIDTH, n_classes),
        box_score_thresh=LOWEST_SCORE,
        box_detections_per_img=_MOST_A_TILE,
        **_PROPOSALS,
    )
    mean, std = RESNET50.normalisation(RESNET50.name)  # as the weights expect
    network.transform = _KeepSize(0, 0, list(mean), list(std))
    return network.to(memory_format=torch.channels_last)


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
        try:
            return RESNET50.read_weights(RESNET50.name, source)
        except WeightsError as error:
            # A detector is made of a ResNet-50 and of nothing else.
            said = str(error)
            other = f", or --weights {NONE}" if said.endswith(OTHER_NETWORK) else ""
            raise WeightsError(said.removesuffix(OTHER_NETWORK) + other) from error
    try:
        return RESNET50.read_weights(RESNET50.name, "imagenet")
    except WeightsError as error:
        get_logger().debug("%s", error)
        get_logger().warning(_NO_WEIGHTS)
        return None
