"""AdamW with a warm-up and a cosine over modules that learn at rates of their own."""

import math
from collections.abc import Sequence

import torch
from torch import nn

_WARM_UP = 0.1  # of the steps: AdamW's first ones are as long as any, and know the least
_CLIP = 1.0  # length of the gradient: one odd picture must not undo ImageNet


class StageOptimizer:
    """The optimiser, and how many of its steps are done.

    Parameters
    ----------
    parts : sequence of (module, rate, decay)
        The highest learning rate of each, and its weight decay.
    steps : int
        Of the whole training.

    Attributes
    ----------
    optimizer : torch.optim.Optimizer
    done : int
        Steps so far; set where a training goes on.
    """

    def __init__(self, parts: Sequence[tuple[nn.Module, float, float]], steps: int) -> None:
        groups = [
            {"params": list(part.parameters()), "lr": rate, "weight_decay": decay}
            for part, rate, decay in parts
        ]
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.done = 0
        self._rates = [rate for _, rate, _ in parts]
        self._steps, self._warm_up = steps, max(1, round(_WARM_UP * steps))

    def step(self, loss: torch.Tensor) -> None:
        """Go down the slope of a loss, at the rate of this step."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        share = self._share()
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        parameters = [part for group in self.optimizer.param_groups for part in group["params"]]
        nn.utils.clip_grad_norm_(parameters, _CLIP)
        self.optimizer.step()
        self.done += 1

    def _share(self) -> float:
        """Return the share of its highest learning rate that this step takes."""
        if self.done < self._warm_up:
            return (self.done + 1) / self._warm_up
        left = max(1, self._steps - self._warm_up)
        return 0.5 * (1 + math.cos(math.pi * (self.done - self._warm_up) / left))
