"""Fine-tune a pretrained ResNet-50 on the user's own types: the head first, then the last stage.

    tuned = finetune_stage(batches, targets, weights, held_out=held_out, tensors=tensors,
                           spec=spec, options=FineTuneOptions(), device=device)
    tuned.tensors  # as they came, but for layer4's convolutions

A linear head is trained on the features as they are; then head and stage together, at a small
learning rate with batch norm frozen (its statistics from a few hundred pictures would be worse
than ImageNet's). Images that were held out say when to stop, and whether it was worth it at all.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.classifier.finetune_options import FineTuneOptions
from discovery.classifier.frozen_maps import Copies, MapPlan, gather_maps
from discovery.classifier.tuning import StageTuner, TuningSet
from embeddings.console import get_logger
from embeddings.errors import HandoffError, OptionError
from embeddings.extractors import find_network
from embeddings.networks.features import POOLINGS
from embeddings.records import ExtractorSpec

__all__ = ["FineTuneOptions", "FineTuned", "finetune_stage"]

Floats = NDArray[np.float32]

_MAPS_SHARE = 0.6  # of the time: where the frozen stages take more, nothing is left to learn in


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuned:
    """What fine-tuning came to.

    Attributes
    ----------
    tensors : mapping of str to tensor
        The state dict that came, with layer4's convolutions of the best epoch.
    history : tuple of mappings
        ``epoch``, ``loss`` (of the training; NaN for epoch 0), ``held_out_loss`` and
        ``held_out_accuracy``; epoch 0 is the pretrained stage under its own best head. Empty
        where the time was over before.
    best_epoch : int
        0: nothing was better than the pretrained stage, and the tensors are as they came.
    chance : float
        Probability that held-out losses fall as much where nothing was gained (one-sided paired
        t-test between epoch 0 and the best); 1 where epoch 0 is the best. A little too small,
        since the best of several epochs was picked on the same images.
    seconds : float
    """

    tensors: Mapping[str, torch.Tensor]
    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    chance: float
    seconds: float


def finetune_stage(
    pictures: Iterable[Copies],
    targets: NDArray[np.intp],
    weights: Floats,
    *,
    held_out: NDArray[np.bool_],
    tensors: Mapping[str, torch.Tensor],
    spec: ExtractorSpec,
    options: FineTuneOptions | None = None,
    device: torch.device,
) -> FineTuned:
    """Fine-tune ResNet-50's last stage on labelled pictures.

    Parameters
    ----------
    pictures : iterable of (b, copies, c, h, w) float32
        In [0, 1], prepared as for the extractor; n images in all, read once, batch by batch.
    targets : (n,)
        Position of each image's class; negative: not learned.
    weights : (n,) float32
        How much an image counts; those of 0 are not learned.
    held_out : (n,) bool
        Images that are never learned; they choose the epoch.
    tensors : mapping of str to tensor
        A checked state dict of torchvision's resnet50.
    spec : ExtractorSpec
        Of the extractor that will use the tensors: its layers, pooling and precision.
    options : FineTuneOptions, optional
    device : torch.device

    Raises
    ------
    OptionError
        The spec does not use the last stage, or pools in a way that cannot be trained.
    HandoffError
        There is no image to hold out, or fewer than two types to learn.
    ValueError
        The arrays do not fit.

    Notes
    -----
    The same seed gives the same tensors on one machine, unless `max_minutes` ends the training.
    """
    options = options or FineTuneOptions()
    start = time.monotonic()
    _check(targets, weights, held_out, spec)
    wanted = (targets >= 0) & (weights > 0)
    _check_types(targets[wanted & ~held_out], targets[wanted & held_out])
    plan = MapPlan(
        wanted=wanted,
        max_bytes=options.max_map_bytes,
        deadline=start + 60 * _MAPS_SHARE * options.max_minutes,
        seed=options.seed,
    )
    frozen = gather_maps(pictures, tensors, spec, plan=plan, device=device)
    if frozen is None:
        get_logger().warning(
            "WARNING: fine-tuning was given up: %g minutes are too few for these pictures",
            options.max_minutes,
        )
        return FineTuned(
            tensors=dict(tensors),
            history=(),
            best_epoch=0,
            chance=1.0,
            seconds=time.monotonic() - start,
        )
    tuning_set = TuningSet(frozen, targets, weights, held_out=held_out)
    _check_types(
        tuning_set.targets[tuning_set.learned].numpy(), tuning_set.targets[tuning_set.asked].numpy()
    )
    tuner = StageTuner(tuning_set, tensors, spec, options=options, device=device)
    tuner.train_head(start + 60 * options.max_minutes)
    tuner.train_stage(start + 60 * options.max_minutes)
    return FineTuned(
        tensors={**tensors, **tuner.best},
        history=tuple(tuner.history),
        best_epoch=tuner.best_epoch,
        chance=tuner.chance,
        seconds=time.monotonic() - start,
    )


def _check(
    targets: NDArray[np.intp],
    weights: Floats,
    held_out: NDArray[np.bool_],
    spec: ExtractorSpec,
) -> None:
    stage = find_network(spec.name).tuned_layer
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
    if not targets.shape == weights.shape == held_out.shape or targets.ndim != 1:
        raise ValueError(
            f"targets {targets.shape}, weights {weights.shape}, held_out {held_out.shape}: "
            "expected one of each an image"
        )


def _check_types(learned: NDArray[np.integer], asked: NDArray[np.integer]) -> None:
    """Refuse targets that leave nothing to learn or nothing to judge by."""
    types = len(np.unique(learned))
    if types < 2 or not len(asked):
        raise HandoffError(
            f"fine-tuning with {types} types to learn and {len(asked)} images held out: expected "
            "two types and one image at least; label more images, or do not fine-tune"
        )
