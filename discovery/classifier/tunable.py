"""What can be fine-tuned: refused before the work where it cannot."""

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import HandoffError, OptionError
from embeddings.extractors import find_extractor
from embeddings.networks.features import POOLINGS
from embeddings.records import ExtractorSpec


def check_tunable(spec: ExtractorSpec) -> None:
    """Refuse an extractor that cannot be fine-tuned.

    Raises
    ------
    OptionError
        It has no stage that can be trained, does not use it, or pools in a way that has no slope.
    """
    stage = find_extractor(spec.name).tuned_layer
    if not stage:
        raise OptionError(
            f"fine-tuning knows ResNet-50's last stage, and the extractor is {spec.name}: "
            "use --extractor resnet50, or do not fine-tune"
        )
    if stage not in spec.layers:
        raise OptionError(
            f"fine-tuning trains {stage}, and the extractor uses {', '.join(spec.layers)}: "
            f"add {stage} to its layers, or do not fine-tune"
        )
    if spec.pooling not in POOLINGS:
        raise OptionError(
            f"fine-tuning through {spec.pooling} pooling: expected {', '.join(POOLINGS)}"
        )


def check_targets(trained: NDArray[np.integer], held_out: NDArray[np.integer]) -> None:
    """Refuse targets that leave nothing to learn or nothing to judge by.

    Raises
    ------
    HandoffError
        There are fewer than two types to learn, or no image is held out.
    """
    types = len(np.unique(trained))
    if types < 2 or not len(held_out):
        raise HandoffError(
            f"fine-tuning with {types} types to learn and {len(held_out)} images held out: "
            "expected two types and one image at least; label more images, or do not fine-tune"
        )


def check_shapes(
    targets: NDArray[np.intp], weights: NDArray[np.float32], held_out: NDArray[np.bool_]
) -> None:
    """Refuse arrays that are not one value an image.

    Raises
    ------
    ValueError
        Their shapes differ.
    """
    if not targets.shape == weights.shape == held_out.shape or targets.ndim != 1:
        raise ValueError(
            f"targets {targets.shape}, weights {weights.shape}, held_out {held_out.shape}: "
            "expected one of each an image"
        )
