"""The training behind `finetune_stage`: a linear head, then head and last stage together.

    tuner = StageTuner(data, tensors, spec, options=options, device=device)
    tuner.train(deadline, keep=keep)
    tuner.best, tuner.best_epoch, tuner.history

Every epoch ends with the answers to the images that were held out; the best stage so far is kept.
A tuner that is given the state after an epoch goes on as if it had run the epochs itself.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from scipy import stats
from torch import nn

from discovery.classifier.last_stage import LastStage, choose_dtype
from discovery.classifier.linear_head import LinearHead
from discovery.classifier.options import FineTuneOptions
from discovery.classifier.stage_optimizer import StageOptimizer
from discovery.classifier.tuning_progress import TuningState
from discovery.classifier.tuning_set import TuningSet
from discovery.runs.tensors import (
    State,
    optimizer_to_arrays,
    restore_optimizer,
    to_arrays,
    to_tensors,
)
from embeddings.console import get_logger
from embeddings.networks.features import pool_maps
from embeddings.records import ExtractorSpec

Keep = Callable[[TuningState], None]

_SMOOTHING = 0.05  # of the labels, as the small networks'
_HEAD_BATCH = 256
_TOGETHER = 0.1  # the head's learning rate beside the stage, as a share: it has learned already
_HEAD_DECAY = 1e-2  # thousands of columns for a few hundred rows: the head must stay small
_STAGE_DECAY = 1e-4
_EVAL_BATCH = 64  # without gradients twice the pictures fit
_STAGE, _HEAD, _OPTIMIZER = "stage.", "head.", "optimizer."
_RANDOM, _WAITING, _FIRST, _BEST = "random", "waiting", "first", "best"


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
        self.head = LinearHead(self._pretrained_features(self.rows), data.classes)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.history: list[Mapping[str, float]] = []
        self.best: State = {}
        self.best_epoch = 0
        # Positions of one epoch: each picture once, unless there are too many for one.
        self._size = min(options.pictures, len(self.rows))
        self._optimizer = StageOptimizer(
            [
                (self.stage, options.learning_rate_stage, _STAGE_DECAY),
                (self.head, _TOGETHER * options.learning_rate_head, _HEAD_DECAY),
            ],
            -(-self._size // options.batch_size) * options.epochs_stage,
        )
        self._waiting = torch.empty(0, dtype=torch.int64)  # rows that are next, in that order
        self._first = self._last = self._best = torch.full((len(data.held_out),), math.inf)

    @property
    def p_value(self) -> float:
        """Probability of so much lower held-out losses where nothing was gained."""
        gains = (self._first - self._best).numpy()
        if self.best_epoch == 0 or len(gains) < 2 or not gains.std():
            return 1.0
        return float(stats.ttest_1samp(gains, 0, alternative="greater").pvalue)

    def go_on(self, state: TuningState) -> None:
        """Take over what was kept after an epoch."""
        arrays, values = state.arrays, state.values
        self.stage.load_state_dict(to_tensors(arrays, _STAGE))
        self.head.load_state_dict(to_tensors(arrays, _HEAD))
        restore_optimizer(self._optimizer.optimizer, to_tensors(arrays, _OPTIMIZER))
        self._optimizer.done = values["steps"]
        self.generator.set_state(torch.from_numpy(arrays[_RANDOM]))
        self._waiting = torch.from_numpy(arrays[_WAITING])
        self._first, self._best = (torch.from_numpy(arrays[name]) for name in (_FIRST, _BEST))
        self.history = list(values["history"])
        self.best, self.best_epoch = state.best, state.best_epoch

    def train(self, deadline: float, *, keep: Keep | None = None) -> None:
        """Train the head, then head and stage, until held-out images are answered no better.

        Parameters
        ----------
        deadline : float
            In seconds of `time.monotonic`. One for both: a slow head leaves the stage less.
        keep : callable, optional
            Called with the state after each epoch; the head is epoch 0.
        """
        if not self.history:
            self._train_head(deadline)
            self._hand_over(keep)
        while not self._is_over and self._train_epoch(deadline):
            self._hand_over(keep)

    @property
    def _is_over(self) -> bool:
        epoch, options = len(self.history) - 1, self.options
        return epoch >= options.epochs_stage or epoch - self.best_epoch >= options.patience

    def _hand_over(self, keep: Keep | None) -> None:
        if keep is None:
            return
        arrays: dict[str, Any] = {
            **to_arrays(self.stage.state_dict(), _STAGE),
            **to_arrays(self.head.state_dict(), _HEAD),
            **optimizer_to_arrays(self._optimizer.optimizer, _OPTIMIZER),
        }
        own = {_WAITING: self._waiting, _FIRST: self._first, _BEST: self._best}
        arrays |= to_arrays({**own, _RANDOM: self.generator.get_state()})
        keep(
            TuningState(
                epoch=len(self.history) - 1,
                arrays=arrays,
                values={"history": list(self.history), "steps": self._optimizer.done},
                best=self.best,
                best_epoch=self.best_epoch,
            )
        )

    def _train_head(self, deadline: float) -> None:
        """Train the head on the pretrained features; its best is epoch 0."""
        options = self.options
        rows, held_out = (
            self._pretrained_features(self.rows),
            self._pretrained_features(self.held_out_rows),
        )
        steps = -(-len(rows) // _HEAD_BATCH)
        optimizer = StageOptimizer(
            [(self.head, options.learning_rate_head, _HEAD_DECAY)], steps * options.epochs_head
        )
        kept = {name: value.clone() for name, value in self.head.state_dict().items()}
        best, waited = math.inf, 0
        for _ in range(options.epochs_head):
            for batch in torch.split(self._shuffle(len(rows)), _HEAD_BATCH):
                optimizer.step(self._loss(rows[batch], self.rows[batch]))
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

    def _train_epoch(self, deadline: float) -> bool:
        """Train head and stage together for an epoch; False where it had to stop in its midst."""
        epoch, total = len(self.history), 0.0
        for batch in torch.split(self._draw_rows(), self.options.batch_size):
            loss = self._loss(self._features(batch), batch)
            value = loss.item()
            # Before the step: a loss that is no number must not reach the weights.
            if not math.isfinite(value) or time.monotonic() > deadline:
                self._log_stop(epoch, value)
                return False
            self._optimizer.step(loss)
            total += value * len(batch)
        scores = self._evaluate(self._all_features(self.held_out_rows))
        self._record(epoch, total / self._size, scores)
        return True

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

    def _draw_rows(self) -> torch.Tensor:
        """Return the trained rows of one epoch, each once before any comes again."""
        while len(self._waiting) < self._size:
            self._waiting = torch.cat([self._waiting, self.rows[self._shuffle(len(self.rows))]])
        drawn, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        return drawn
