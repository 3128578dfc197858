"""Train a detector: AdamW, warm-up and cosine, the best epoch on held-out pictures.

A training is a function of its pictures, options and seed; only `max_minutes` brings the clock in:
then the learning rate falls by the time that is gone, so that a training cut short has still
settled.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.detector.boxes import Boxes, join_boxes
from discovery.detector.dataset import Example, Split, split_examples
from discovery.detector.evaluate import validate_detector
from discovery.detector.network import build_detector
from discovery.detector.options import DetectorTrainOptions
from discovery.detector.pictures import PictureCache
from discovery.detector.predict import Detector, arithmetic
from discovery.detector.progress import Progress, load_progress, save_progress
from discovery.detector.samples import Sample, list_crops, make_sample
from discovery.detector.spec import DetectorSpec
from discovery.detector.tiling import choose_overlap
from discovery.runs.checkpoint import NO_CHECKPOINT, Checkpoint
from embeddings.console import get_logger, track
from embeddings.errors import OptionError
from embeddings.reader import run_ahead

Keep = Callable[[Detector], None]

# Of AdamW; features that are learned from nothing bear twice the rate of pretrained ones.
_LR = {"frozen-batch": 2e-4, "group": 4e-4}
# Steps that a training takes where the user does not say: with weights, AP at IoU .5 of 600
# synthetic pictures was .98 after 640 (docs/log.md); without, the features are learned too.
_STEPS = {"frozen-batch": 1000, "group": 2500}
_LEAST_EPOCHS = 8  # also where 1,000 steps are fewer: the best epoch needs some to choose from
_DECAY = 1e-4  # of the weights a step: Loshchilov and Hutter 2019, AdamW
_WARM_UP = 0.05  # of the training: the first gradients of a new head are wild
_MOST_GRADIENT = 10.0  # norm to which gradients are clipped
# The first part of a training sees crops around defects, at a third of the time each: what small
# defects look like needs no surroundings. The last part sees whole tiles, as in use.
_SMALL_CROP, _SMALL_UNTIL = 0.6, 0.6
_AHEAD = 2  # threads that prepare samples while the network computes


def train_detector(
    items: Sequence[Example],
    pictures: PictureCache,
    spec: DetectorSpec,
    *,
    options: DetectorTrainOptions,
    backbone: Mapping[str, torch.Tensor] | None,
    device: torch.device,
    keep: Keep | None = None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Detector:
    """Train a detector on pictures and their boxes.

    Parameters
    ----------
    items : sequence of Example
    pictures : PictureCache
        The pictures of the items.
    spec : DetectorSpec
    options : DetectorTrainOptions
        Epochs, time, batch size, learning rate, share held out, patience and seed are used.
    backbone : mapping of str to tensor, optional
        Checked weights of ResNet-50; None starts from nothing.
    device : torch.device
    keep : callable, optional
        Called with the detector after each epoch that is the best so far, to save it: a training
        of hours that is stopped is not lost.
    checkpoint : Checkpoint, optional
        Of these pictures, spec and options: kept after each epoch, and gone on from.

    Returns
    -------
    Detector
        Of the epoch with the best held-out figures (average precision at IoU .5 less the count
        error a defect), with the threshold at which held-out counts err least.

    Raises
    ------
    OptionError
        The loss is not finite: the learning rate is too high.
    """
    split = split_examples(items, options.holdout, seed=options.seed)
    boxes = [item.boxes for item in items]
    lengths = join_boxes([boxes[i] for i in split.learned]).lengths
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(options.seed)
        detector = Detector(
            spec=spec,
            network=build_detector(spec, backbone).to(device),
            device=device,
            threshold=0.5,  # until held-out pictures choose one
            overlap=choose_overlap(lengths, spec.tile),
            facts={"learnt": len(split.learned), "held_out": len(split.held_out)},
        )
        return _fit(
            detector, boxes, pictures, split=split, options=options, keep=keep,
            checkpoint=checkpoint,
        )  # fmt: skip


def _fit(
    detector: Detector,
    boxes: Sequence[Boxes],
    pictures: PictureCache,
    *,
    split: Split,
    options: DetectorTrainOptions,
    keep: Keep | None,
    checkpoint: Checkpoint,
) -> Detector:
    crops = list_crops(split.learned, pictures.sizes, detector.spec.tile)  # (n, 2)
    schedule = _Schedule(detector, n=len(crops), options=options)
    progress = load_progress(checkpoint, detector, schedule.optimizer)
    if progress.epoch:
        get_logger().info("goes on after epoch %d, which was kept", progress.epoch)
        schedule.go_on(progress.steps, progress.seconds)
    while not _is_over(progress, schedule, options):
        epoch = progress.epoch
        order = np.random.default_rng([options.seed, epoch]).permutation(crops)
        share = _SMALL_CROP if schedule.share < _SMALL_UNTIL else 1.0

        def make(crop: NDArray[np.int64], *, epoch: int = epoch, share: float = share) -> Sample:
            index, number = (int(v) for v in crop)
            # Seeded by what it is of: samples do not depend on the thread that makes them.
            rng = np.random.default_rng([options.seed, epoch, index, number])
            return make_sample(pictures[index], boxes[index], detector.spec, rng=rng, share=share)

        # A bounded number waits, so that memory does not grow where the network is slower.
        samples = run_ahead(make, order, workers=_AHEAD, ahead=4 * _AHEAD, name="samples")
        loss = _run_epoch(schedule, track(samples, total=len(order), what=f"epoch {epoch + 1}"))
        validated = validate_detector(
            detector, [boxes[i] for i in split.held_out], (pictures[i] for i in split.held_out)
        )
        validated = replace(validated, facts=validated.facts | {"epoch": epoch + 1, "loss": loss})
        _log_epoch(validated, schedule)
        progress = _advance(progress, validated, schedule)
        if progress.best is validated and keep is not None:
            keep(validated)
        save_progress(checkpoint, progress, schedule.optimizer)
    detector.network.load_state_dict(progress.tensors)
    if progress.best is None:
        raise ValueError("no epoch was run")
    return progress.best


def _advance(progress: Progress, validated: Detector, schedule: "_Schedule") -> Progress:
    """Count an epoch; where it is the best so far, keep its tensors: the network trains on."""
    done = replace(
        progress, epoch=progress.epoch + 1, steps=schedule.done, seconds=schedule.seconds
    )
    if progress.best is not None and _rank(validated) <= _rank(progress.best):
        return done
    tensors = copy.deepcopy(validated.network.state_dict())
    return replace(done, best=validated, tensors=tensors)


def _is_over(progress: Progress, schedule: "_Schedule", options: DetectorTrainOptions) -> bool:
    """Tell whether no further epoch is run: all are, the time is gone, or none gets better."""
    if progress.best is None:
        return False
    waited = progress.epoch - progress.best.facts["epoch"]
    return progress.epoch >= schedule.epochs or schedule.is_over or waited >= options.patience


class _Schedule:
    """The optimiser, and how far the training is: by steps, or by the clock where that is ahead."""

    def __init__(self, detector: Detector, *, n: int, options: DetectorTrainOptions) -> None:
        self.detector = detector
        self.batch_size = options.batch_size
        self.highest = options.lr or _LR[detector.spec.norm]
        steps = math.ceil(n / options.batch_size)  # of one epoch
        usual = max(_LEAST_EPOCHS, math.ceil(_STEPS[detector.spec.norm] / steps))
        self.epochs = options.epochs or usual
        self._steps = self.epochs * steps
        self._max_seconds = options.max_minutes * 60 if options.max_minutes else math.inf
        self.done, self._start = 0, time.monotonic()
        trained = [p for p in detector.network.parameters() if p.requires_grad]
        self.parameters = trained
        self.optimizer = torch.optim.AdamW(trained, self.highest, weight_decay=_DECAY, fused=True)

    def go_on(self, steps: int, seconds: float) -> None:
        """Start where an earlier call stopped."""
        self.done, self._start = steps, time.monotonic() - seconds

    @property
    def share(self) -> float:
        """How much of the training is done, in [0, 1]."""
        return min(1.0, max(self.done / self._steps, self.seconds / self._max_seconds))

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or all the time is gone."""
        return self.share >= 1

    def step(self) -> None:
        """Set the learning rate of this step, and take it."""
        self.done += 1
        share = self.share
        # Half a cosine (Loshchilov and Hutter 2017, SGDR without restarts) after a linear rise.
        warm = min(1.0, share / _WARM_UP)
        rate = self.highest * warm * 0.5 * (1 + math.cos(math.pi * share))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(self.parameters, _MOST_GRADIENT)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def _run_epoch(schedule: _Schedule, samples: Iterator[Sample]) -> float:
    """Learn from the samples until they or the time run out; returns the mean loss."""
    losses: list[float] = []
    batch: list[Sample] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == schedule.batch_size:
            losses.append(_learn(schedule, batch))
            batch = []
        if schedule.is_over:
            break
    if batch and not schedule.is_over:  # the rest of an epoch is a smaller step
        losses.append(_learn(schedule, batch))
    return float(np.mean(losses)) if losses else math.nan


def _learn(schedule: _Schedule, batch: Sequence[Sample]) -> float:
    device = schedule.detector.device
    network = schedule.detector.network.train()
    images = [sample.image.to(device) for sample in batch]
    targets = [{key: value.to(device) for key, value in sample.target.items()} for sample in batch]
    with arithmetic(device):
        parts: dict[str, torch.Tensor] = network(images, targets)
    # Classes and edges of proposals and of boxes: four losses, added as torchvision adds them.
    loss = torch.stack(list(parts.values())).sum()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise OptionError(
            f"the loss became {value} after {schedule.done} steps: give a smaller --lr than "
            f"{schedule.highest:g}"
        )
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
    schedule.step()
    return value


def _rank(validated: Detector) -> float:
    """Average precision at IoU .5 less the count error a defect: a detector is for both."""
    figures = validated.facts["held_out_figures"]
    # A share on either side: counts off by every defect cost as much as no precision at all.
    errors: float = figures["count_mae"] * figures["images"] / figures["boxes"]
    return (figures["ap50"] or 0.0) - errors


def _log_epoch(validated: Detector, schedule: _Schedule) -> None:
    figures = validated.facts["held_out_figures"]
    get_logger().info(
        "epoch %d: loss %.3f, held-out AP50 %.3f, count error %.2f a picture at threshold %.2f, "
        "%.0f %% of the training, %.1f min",
        validated.facts["epoch"], validated.facts["loss"], figures["ap50"] or 0.0,
        figures["count_mae"], validated.threshold, 100 * schedule.share,
        schedule.seconds / 60,
    )  # fmt: skip
