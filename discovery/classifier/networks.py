"""The small networks of the cascade: what a node with a choice answers by, and the flat baseline.

Arrays of copies: an image comes as c rows (its orientations); networks learn all of them and
their logits are averaged over them.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from discovery.classifier.node_head import Arrays, Floats, NodeHead

_HIDDEN = 256  # units
_BATCH = 256  # rows
_SMOOTHING = 0.05  # of the labels: clusters were named by majority, some of their images wrongly
_LEAST_STEPS = 400  # sixty images would else see a hundred steps, and stay half trained
_DROPOUT = 0.3
_WEIGHT_DECAY = 1e-3
_LEARNING_RATE = 2e-3  # the highest of the cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long each network is trained, and from which seed."""

    epochs: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(NodeHead):
    """A network of one hidden layer with batch norm and dropout.

    Trained by AdamW on one cycle of the learning rate (Smith and Topin 2019).

    Attributes
    ----------
    net : torch.nn.Sequential
        (n, p) to (n, t).
    """

    net: nn.Sequential

    @classmethod
    def fit(
        cls,
        fused: Floats,
        targets: NDArray[np.intp],
        weights: Floats,
        *,
        classes: tuple[str, ...],
        span: tuple[int, int] | None = None,
        schedule: Schedule,
    ) -> Self:
        """Train on those of the images (n, c, p) that have a class.

        Parameters
        ----------
        targets : (n,)
            Positions in `classes`, -1 for none of them.
        weights : (n,)
            Above 0.
        """
        span = span or (0, fused.shape[2])
        inside = np.flatnonzero(targets >= 0)
        copies = fused.shape[1]
        rows = fused[inside, :, slice(*span)].reshape(len(inside) * copies, -1)  # (m * c, p)
        trained, outputs = np.unique(targets[inside], return_inverse=True)
        net = _make_net(rows.shape[1], _HIDDEN, len(trained), seed=schedule.seed)
        data = (rows, np.repeat(outputs, copies), np.repeat(weights[inside], copies))
        return cls(
            classes=classes,
            trained=tuple(trained.tolist()),
            span=span,
            net=_train(net, data, schedule),
        )

    @property
    def hidden(self) -> int:
        """Units of the hidden layer."""
        return len(self.net.state_dict()["0.bias"])

    def logits(self, fused: Floats) -> Floats:
        """Return the logits (n, k) of images (n, c, p), averaged over the copies."""
        n, copies, _ = fused.shape
        rows = fused[:, :, slice(*self.span)].reshape(n * copies, -1)
        # Averaged as logits, not as probabilities: a temperature is fitted to them after.
        with torch.inference_mode():
            outputs = self.net(torch.from_numpy(rows)).numpy()
        return self.spread_outputs(outputs.reshape(n, copies, -1).mean(axis=1))

    def to_arrays(self) -> Arrays:
        """Return the network's weights as named arrays, for a file."""
        return {name: value.numpy() for name, value in self.net.state_dict().items()}

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        *,
        classes: tuple[str, ...],
        trained: tuple[int, ...],
        span: tuple[int, int],
        hidden: int,
    ) -> Self:
        """Take back what `to_arrays` gave.

        Raises
        ------
        KeyError, RuntimeError
            An array is missing or has another shape.
        """
        net = _make_net(arrays["0.weight"].shape[1], hidden, len(trained), seed=0)
        # Copied: arrays of a file may not be writable, and torch warns of such.
        state = {name: torch.from_numpy(np.array(arrays[name])) for name in net.state_dict()}
        net.load_state_dict(state)
        return cls(classes=classes, trained=trained, span=span, net=net.eval())


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: on matrices this small, waiting for others costs more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _make_net(width: int, hidden: int, classes: int, *, seed: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # a GPU's generator stays as it is
        return nn.Sequential(
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(hidden, classes),
        )


def _train(
    net: nn.Sequential, data: tuple[Floats, NDArray[np.intp], Floats], schedule: Schedule
) -> nn.Sequential:
    """Train on rows (m, p), targets (m,) and weights (m,); a small set gets more epochs."""
    rows, targets, weights = (torch.from_numpy(np.ascontiguousarray(part)) for part in data)
    steps_an_epoch = -(-len(rows) // _BATCH)
    epochs = max(schedule.epochs, -(-_LEAST_STEPS // steps_an_epoch))
    optimizer = torch.optim.AdamW(net.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    # Warms up and cools down once, over all steps (Smith and Topin 2019).
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=epochs * steps_an_epoch
    )
    net.train()
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.default_generator.manual_seed(schedule.seed)
        for _ in range(epochs):
            for batch in torch.split(torch.randperm(len(rows)), _BATCH):
                if len(batch) > 1:  # batch norm has no spread over one row
                    losses = nn.functional.cross_entropy(
                        net(rows[batch]),
                        targets[batch],
                        reduction="none",
                        label_smoothing=_SMOOTHING,
                    )
                    share = weights[batch]
                    loss = (losses * share).sum() / share.sum().clamp(min=1e-6)
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                rates.step()
    return net.eval()
