"""The training behind `finetune_stage`: a linear head, then head and last stage together.

    tuner = StageTuner(data, tensors, spec, options=options, device=device)
    tuner.train_head(deadline)
    tuner.train_stage(deadline)
    tuner.best, tuner.best_epoch, tuner.history

Every epoch ends with the answers to the images that were held out; the best stage so far is kept.
"""

import math
import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from discovery.classifier.frozen_maps import FrozenMaps
from discovery.classifier.last_stage import LastStage, choose_dtype
from discovery.classifier.options import FineTuneOptions
from embeddings.console import get_logger
from embeddings.networks.features import pool_maps
from embeddings.records import ExtractorSpec

Floats = NDArray[np.float32]
State = Mapping[str, torch.Tensor]

_SMOOTHING = 0.05  # of the labels, as the small networks'
_WARM_UP = 0.1  # of the steps: AdamW's first ones are as long as any, and know the least
_CLIP = 1.0  # length of the gradient: one odd picture must not undo ImageNet
_HEAD_BATCH = 256
_TOGETHER = 0.1  # the head's learning rate beside the stage, as a share: it has learned already
_HEAD_DECAY = 1e-2  # thousands of columns for a few hundred rows: the head must stay small
_STAGE_DECAY = 1e-4
_EVAL_BATCH = 64  # without gradients twice the pictures fit
# Of the usual spread of a column: those that hardly vary must not be blown up once they do.
_LEAST_SPREAD = 0.1


class TuningSet:
    """Maps of m images with what is to be learned of them.

    Attributes
    ----------
    held_out, trained : (a,), (m - a,)
        Positions among the m of the images that are held out, and of the others.
    """

    def __init__(
        self,
        frozen: FrozenMaps,
        targets: NDArray[np.intp],
        weights: Floats,
        *,
        held_out: NDArray[np.bool_],
    ) -> None:
        self.copies = frozen.maps.shape[1]
        self.maps = frozen.maps.flatten(0, 1)  # (m * copies, h, w, 1024)
        self.before = frozen.before.flatten(0, 1)  # (m * copies, d)
        self.pretrained = frozen.last.flatten(0, 1)  # (m * copies, 2048)
        self.targets = torch.from_numpy(targets[frozen.which].astype(np.int64))
        self.weights = torch.from_numpy(weights[frozen.which].astype(np.float32))
        self.classes = int(targets.max()) + 1
        self.held_out = np.flatnonzero(held_out[frozen.which])
        self.trained = np.flatnonzero(~held_out[frozen.which])

    def list_rows(self, images: NDArray[np.intp], copies: int) -> torch.Tensor:
        """Return the rows (images * copies,) of the first copies of these images."""
        rows = images[:, None] * self.copies + np.arange(copies)
        return torch.from_numpy(rows.reshape(-1))


class _Head(nn.Module):
    """Features, each column standardised, to the logits of all classes."""

    def __init__(self, rows: torch.Tensor, classes: int) -> None:
        super().__init__()
        spread = rows.std(dim=0)
        self.mean = rows.mean(dim=0)
        self.spread = spread.clamp(min=_LEAST_SPREAD * float(spread.median().clamp(min=1e-8)))
        self.linear = nn.Linear(rows.shape[1], classes, device=rows.device)
        for part in self.linear.parameters():  # zeros: nothing random, and no class is preferred
            nn.init.zeros_(part)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear((rows - self.mean) / self.spread)
        return logits


class StageTuner:
    """One call's state: the networks, and the best that they were.

    Attributes
    ----------
    history : list of mappings
        See `FineTuned`.
    best : mapping of str to tensor
        Convolutions of the best epoch; empty for the stage as it came.
    best_epoch : int
    """

    def __init__(
        self,
        data: TuningSet,
        tensors: State,
        spec: ExtractorSpec,
        *,
        options: FineTuneOptions,
        device: torch.device,
    ) -> None:
        self.data, self.options, self.device = data, options, device
        self.pooling = spec.pooling
        self.stage = LastStage(tensors, device=device, dtype=choose_dtype(spec, device))
        # Rows are positions among all copies of all images: image * copies + copy.
        self.rows = data.list_rows(data.trained, data.copies)
        self.held_out_rows = data.list_rows(
            data.held_out, min(options.held_out_copies, data.copies)
        )
        self.head = _Head(self._pretrained_features(self.rows), data.classes)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.history: list[Mapping[str, float]] = []
        self.best: State = {}
        self.best_epoch = 0
        self._first = self._last = self._best = torch.full((len(data.held_out),), math.inf)

    @property
    def p_value(self) -> float:
        """Probability of so much lower held-out losses where nothing was gained."""
        gains = (self._first - self._best).numpy()
        if self.best_epoch == 0 or len(gains) < 2 or not gains.std():
            return 1.0
        return float(stats.ttest_1samp(gains, 0, alternative="greater").pvalue)

    def train_head(self, deadline: float) -> None:
        """Train the head on the pretrained features; its best is epoch 0."""
        options = self.options
        rows, held_out = (
            self._pretrained_features(self.rows),
            self._pretrained_features(self.held_out_rows),
        )
        steps = -(-len(rows) // _HEAD_BATCH)
        optimizer, schedule = self._make_optimizer(
            [(self.head, options.learning_rate_head, _HEAD_DECAY)], steps * options.epochs_head
        )
        kept = {name: value.clone() for name, value in self.head.state_dict().items()}
        best, waited = math.inf, 0
        for _ in range(options.epochs_head):
            for batch in torch.split(self._shuffle(len(rows)), _HEAD_BATCH):
                self._step(self._loss(rows[batch], self.rows[batch]), optimizer, schedule)
            # Stopped at its best, the head leaves the stage nothing to gain by training it longer.
            loss, _ = self._evaluate(held_out)
            waited = 0 if loss < best else waited + 1
            if loss < best:
                best = loss
                kept = {name: value.clone() for name, value in self.head.state_dict().items()}
            if waited > options.patience or time.monotonic() > deadline:
                break
        self.head.load_state_dict(kept)
        self._record(0, math.nan, self._evaluate(held_out))

    def train_stage(self, deadline: float) -> None:
        """Train head and stage together until the held-out images are answered no better."""
        options = self.options
        size = min(options.pictures, len(self.rows))
        steps = -(-size // options.batch_size) * options.epochs_stage
        optimizer, schedule = self._make_optimizer(
            [
                (self.stage, options.learning_rate_stage, _STAGE_DECAY),
                (self.head, _TOGETHER * options.learning_rate_head, _HEAD_DECAY),
            ],
            steps,
        )
        stream = self._stream_rows()
        for epoch in range(1, options.epochs_stage + 1):
            total = 0.0
            rows = torch.tensor([next(stream) for _ in range(size)])
            for batch in torch.split(rows, options.batch_size):
                loss = self._loss(self._features(batch), batch)
                value = loss.item()
                # Before the step: a loss that is no number must not reach the weights.
                if not math.isfinite(value) or time.monotonic() > deadline:
                    self._log_stop(epoch, value)
                    return
                self._step(loss, optimizer, schedule)
                total += value * len(batch)
            self._record(
                epoch, total / size, self._evaluate(self._all_features(self.held_out_rows))
            )
            if epoch - self.best_epoch >= options.patience:
                return

    def _log_stop(self, epoch: int, loss: float) -> None:
        reason = "the time is over" if math.isfinite(loss) else f"the loss is {loss}"
        get_logger().info(
            "fine-tuning stops in epoch %d: %s; epoch %d is kept", epoch, reason, self.best_epoch
        )

    def _record(self, epoch: int, loss: float, scores: tuple[float, float]) -> None:
        """Write the epoch into the history, and keep its stage where it is the best so far."""
        held_out, accuracy = scores
        self.history.append({
            "epoch": epoch, "loss": loss,
            "held_out_loss": held_out, "held_out_accuracy": accuracy,
        })  # fmt: skip
        get_logger().info(
            "fine-tuning epoch %d: loss %.3f, held-out loss %.3f, held-out accuracy %.3f",
            epoch, loss, held_out, accuracy,
        )  # fmt: skip
        if epoch == 0:
            self._first = self._best = self._last
        elif held_out < self.history[self.best_epoch]["held_out_loss"]:
            self.best, self.best_epoch, self._best = self.stage.to_tensors(), epoch, self._last

    def _evaluate(self, features: torch.Tensor) -> tuple[float, float]:
        """Return the held-out images' mean loss and accuracy, their copies' logits averaged."""
        which = torch.from_numpy(self.data.held_out)
        targets, weights = self.data.targets[which], self.data.weights[which]
        with torch.inference_mode():
            # As the cascade answers: the logits of all copies are averaged.
            logits = self.head(features).cpu().view(len(which), -1, self.data.classes).mean(dim=1)
            self._last = nn.functional.cross_entropy(logits, targets, reduction="none")
        right = (logits.argmax(dim=1) == targets).float()
        total = weights.sum()
        return (
            float((self._last * weights).sum() / total),
            float((right * weights).sum() / total),
        )

    def _loss(self, features: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the weighted loss of rows whose features these are."""
        images = rows // self.data.copies
        losses = nn.functional.cross_entropy(
            self.head(features),
            self.data.targets[images].to(self.device),
            reduction="none",
            label_smoothing=_SMOOTHING,
        )
        weights = self.data.weights[images].to(self.device)
        return (losses * weights).sum() / weights.sum()

    def _step(
        self,
        loss: torch.Tensor,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
    ) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [part for group in optimizer.param_groups for part in group["params"]]
        nn.utils.clip_grad_norm_(parameters, _CLIP)
        optimizer.step()
        schedule.step()

    def _make_optimizer(
        self, parts: list[tuple[nn.Module, float, float]], steps: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """Make AdamW over modules, each with its learning rate and decay, and its schedule."""
        groups = [
            {"params": list(part.parameters()), "lr": rate, "weight_decay": decay}
            for part, rate, decay in parts
        ]
        optimizer = torch.optim.AdamW(groups, fused=True)
        warm_up = max(1, round(_WARM_UP * steps))

        def factor(step: int) -> float:
            if step < warm_up:
                return (step + 1) / warm_up
            return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def _features(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the features (b, d) of rows by the stage as it is now."""
        # Kept with channels last, which is the layout that bf16 convolutions want: no copy.
        maps = self.data.maps[rows].to(self.device).permute(0, 3, 1, 2)  # (b, 1024, h, w)
        last = pool_maps(self.stage(maps), self.pooling)
        return torch.cat([self.data.before[rows].to(self.device), last], dim=1)

    @torch.inference_mode()
    def _all_features(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([self._features(batch) for batch in torch.split(rows, _EVAL_BATCH)])

    def _pretrained_features(self, rows: torch.Tensor) -> torch.Tensor:
        both = [self.data.before[rows], self.data.pretrained[rows]]
        return torch.cat(both, dim=1).to(self.device)

    def _shuffle(self, count: int) -> torch.Tensor:
        return torch.randperm(count, generator=self.generator)

    def _stream_rows(self) -> Iterator[int]:
        """Yield trained rows for ever, each once before any comes again."""
        while True:
            yield from self.rows[self._shuffle(len(self.rows))].tolist()
