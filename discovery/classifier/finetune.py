"""Fine-tune a pretrained network on the user's own types: the head first, then the last stage.

    refined = finetune_source(source, examples, options=TrainOptions())
    refined.source  # its extractor's last stage is tuned; `refined` is None where nothing is gained

A linear head is trained on the features as they are; then head and stage together, at a small
learning rate with batch norm frozen (its statistics from a few hundred pictures would be worse
than ImageNet's). A fifth of the images is held out of it: they say when to stop and whether it was
worth it at all, and only they can vouch for what is learned on the tuned features.
"""

import hashlib
import itertools
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.classifier.augment import list_orientations, turn_picture
from discovery.classifier.examples import Examples
from discovery.classifier.features import FeatureSource
from discovery.classifier.folds import assign_folds
from discovery.classifier.frozen_maps import Copies, MapPlan, gather_maps
from discovery.classifier.options import FineTuneOptions, TrainOptions
from discovery.classifier.stage_tuner import StageTuner
from discovery.classifier.taxonomy import Taxonomy
from discovery.classifier.tunable import check_shapes, check_targets, check_tunable
from discovery.classifier.tuning_progress import (
    TuningState,
    load_result,
    load_state,
    save_result,
    save_state,
)
from discovery.classifier.tuning_set import TuningSet
from discovery.runs.checkpoint import NO_CHECKPOINT, Checkpoint
from discovery.runs.tensors import State
from embeddings.console import get_logger
from embeddings.extractors import find_extractor
from embeddings.networks.hardware import choose_device
from embeddings.reader import Preparation, read_parts
from embeddings.records import ExtractorSpec
from embeddings.weights import Weights

Floats = NDArray[np.float32]

_FOLDS = 5  # one of them is held out of the tuning
_BATCH = 16  # images that are read at a time
# Below it, held-out images are answered better by the tuned stage than by luck.
_MOST_P_VALUE = 0.05
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
    p_value : float
        Probability that held-out losses fall as much where nothing was gained (one-sided paired
        t-test between epoch 0 and the best); 1 where epoch 0 is the best. A little too small,
        since the best of several epochs was picked on the same images.
    seconds : float
    """

    tensors: Mapping[str, torch.Tensor]
    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    p_value: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """A tuned extractor, and the images (n,) that were held out of the tuning."""

    source: FeatureSource
    held_out: NDArray[np.bool_]


def finetune_source(
    source: FeatureSource,
    examples: Examples,
    *,
    options: TrainOptions,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Refined | None:
    """Fine-tune the extractor's last stage on the examples; None where nothing is gained.

    Parameters
    ----------
    examples : Examples
        Those that can be read; pictures of one shape.
    options : TrainOptions
    checkpoint : Checkpoint, optional
        Of these examples and options: kept after each epoch, and gone on from.

    Raises
    ------
    OptionError
        The features do not use the last stage.
    """
    files = np.array([part.image_id[:16] for part in examples.parts], dtype=np.str_)
    folds = assign_folds(examples.labels, count=_FOLDS, seed=options.seed, groups=files)
    held_out = folds == 0  # -1, the only image of a type, is learned
    leaves = Taxonomy.from_labels(examples.labels.tolist()).leaves
    place = {leaf: i for i, leaf in enumerate(leaves)}
    tuned = finetune_stage(
        _stack_batches(
            examples, source.prepare(options.extract), orientations=options.orientations
        ),
        # A label above the leaves says nothing of which leaf: not learned here.
        np.array([place.get(label, -1) for label in examples.labels.tolist()], np.intp),
        examples.weights,
        held_out=held_out,
        tensors=source.tensors,
        spec=source.spec,
        options=FineTuneOptions(max_minutes=options.finetune_minutes, seed=options.seed),
        device=choose_device(options.extract.device),
        checkpoint=checkpoint,
    )
    if not _is_worth_it(tuned):
        return None
    return Refined(source=_make_tuned_source(source, tuned), held_out=held_out)


def _is_worth_it(tuned: FineTuned) -> bool:
    worth = tuned.best_epoch > 0 and tuned.p_value < _MOST_P_VALUE
    get_logger().info(
        "fine-tuning: best epoch %d of %d, held-out images gain by chance with p %.3f: %s (%.0f s)",
        tuned.best_epoch, max(len(tuned.history) - 1, 0), tuned.p_value,
        "tried" if worth else "left as it came", tuned.seconds,
    )  # fmt: skip
    return worth


def _stack_batches(
    examples: Examples, reading: Preparation, *, orientations: int
) -> Iterator[Copies]:
    """Yield (b, copies, c, h, w) pictures in the order of the examples."""
    images = (image for file in read_parts(examples.parts, reading) for _, image in file.images)
    while batch := list(itertools.islice(images, _BATCH)):
        yield np.stack(
            [
                [turn_picture(image, k) for k in list_orientations(image)[:orientations]]
                for image in batch
            ]
        )


def _make_tuned_source(source: FeatureSource, tuned: FineTuned) -> FeatureSource:
    # Its vectors are others than the pretrained network's, and so is its identity.
    sha256 = _hash_tensors(tuned)
    spec: ExtractorSpec = replace(
        source.spec, weights=f"{source.spec.weights}, fine-tuned", weights_sha256=sha256
    )
    weights = Weights(name=spec.weights, sha256=sha256, tensors=tuned.tensors)
    device = choose_device("cuda" if "cuda" in spec.backend else "cpu")
    return replace(
        source,
        extractor=find_extractor(spec.name).load(spec, weights, device),
        tensors=tuned.tensors,
        known={},  # a store's vectors were made by the stage as it came
    )


def _hash_tensors(tuned: FineTuned) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tuned.tensors.items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


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
    checkpoint: Checkpoint = NO_CHECKPOINT,
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
    checkpoint : Checkpoint, optional
        Of these pictures, spec and options: kept after each epoch, and gone on from.

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
    check_tunable(spec)
    check_shapes(targets, weights, held_out)
    if result := load_result(checkpoint):
        return _put_together(tensors, *result)
    wanted = (targets >= 0) & (weights > 0)
    # Before the maps, which take minutes; and again after, as not all of them may have fitted.
    check_targets(targets[wanted & ~held_out], targets[wanted & held_out])
    kept = load_state(checkpoint)
    start = time.monotonic()
    plan = MapPlan(
        wanted=wanted,
        max_bytes=options.max_map_bytes,
        # They were made in time once, and are made again whatever that takes.
        deadline=math.inf if kept else start + 60 * _MAPS_SHARE * options.max_minutes,
        seed=options.seed,
    )
    frozen = gather_maps(pictures, tensors, spec, plan=plan, device=device)
    if frozen is None:
        get_logger().warning(
            "WARNING: fine-tuning was given up: %g minutes are too few for these pictures",
            options.max_minutes,
        )
        result = {}, _summarise(None, time.monotonic() - start)
        save_result(checkpoint, *result)
        return _put_together(tensors, *result)
    tuning_set = TuningSet(frozen, targets, weights, held_out=held_out)
    check_targets(
        tuning_set.targets[tuning_set.trained].numpy(),
        tuning_set.targets[tuning_set.held_out].numpy(),
    )
    tuner = StageTuner(tuning_set, tensors, spec, options=options, device=device)
    if kept:
        get_logger().info("fine-tuning goes on after epoch %d, which was kept", kept.epoch)
        tuner.go_on(kept)
        start = time.monotonic() - kept.values["seconds"]  # in all calls

    def keep(state: TuningState) -> None:
        seconds = {"seconds": time.monotonic() - start}
        save_state(checkpoint, replace(state, values={**state.values, **seconds}))

    tuner.train(start + 60 * options.max_minutes, keep=keep if checkpoint.keeps else None)
    result = tuner.best, _summarise(tuner, time.monotonic() - start)
    save_result(checkpoint, *result)
    return _put_together(tensors, *result)


def _summarise(tuner: StageTuner | None, seconds: float) -> dict[str, Any]:
    return {
        "history": list(tuner.history) if tuner else [],
        "best_epoch": tuner.best_epoch if tuner else 0,
        "p_value": tuner.p_value if tuner else 1.0,
        "seconds": seconds,
    }


def _put_together(
    tensors: Mapping[str, torch.Tensor], best: State, values: Mapping[str, Any]
) -> FineTuned:
    return FineTuned(
        tensors={**tensors, **best},
        history=tuple(values["history"]),
        best_epoch=values["best_epoch"],
        p_value=values["p_value"],
        seconds=values["seconds"],
    )
