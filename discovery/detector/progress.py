"""How far the training of a detector is: kept after each epoch, and gone on from bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from discovery.detector.predict import Detector
from discovery.runs.checkpoint import Arrays, Checkpoint

State = Mapping[str, torch.Tensor]

_LAST = "last-epoch"
_NETWORK, _OPTIMIZER = "network.", "optimizer."
_CPU, _CUDA = "random.cpu", "random.cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What came of the epochs so far.

    Attributes
    ----------
    epoch : int
        How many were run.
    steps : int
        Of the optimiser.
    seconds : float
        That they took, in all calls.
    best : Detector or None
        As it was judged; its network trains on.
    tensors : mapping of str to tensor
        Of the best epoch.
    """

    epoch: int = 0
    steps: int = 0
    seconds: float = 0.0
    best: Detector | None = None
    tensors: State = field(default_factory=dict)


def save_progress(
    checkpoint: Checkpoint, progress: Progress, optimizer: torch.optim.Optimizer
) -> None:
    """Keep all that the next epoch depends on."""
    best = progress.best
    if best is None:
        raise ValueError("no epoch was run")
    # Of the best epoch first: what is kept of the last names it.
    if best.facts["epoch"] == progress.epoch:
        checkpoint.save(_name_best(progress.epoch), _to_arrays(progress.tensors), {})
    arrays = _to_arrays(best.network.state_dict(), _NETWORK)
    for position, state in optimizer.state_dict()["state"].items():
        arrays |= _to_arrays(state, f"{_OPTIMIZER}{position}.")
    arrays[_CPU] = torch.get_rng_state().numpy()
    if best.device.type == "cuda":
        arrays[_CUDA] = torch.cuda.get_rng_state(best.device).numpy()
    values = {
        "epoch": progress.epoch,
        "steps": progress.steps,
        "seconds": progress.seconds,
        "threshold": best.threshold,
        "facts": best.facts,
    }
    checkpoint.save(_LAST, arrays, values)
    # Only now are the tensors of an earlier best epoch of no use.
    for epoch in range(1, best.facts["epoch"]):
        checkpoint.drop(_name_best(epoch))


def load_progress(
    checkpoint: Checkpoint, detector: Detector, optimizer: torch.optim.Optimizer
) -> Progress:
    """Bring network, optimiser and random numbers to where they were after the last epoch."""
    last = checkpoint.load(_LAST)
    kept = None if last is None else checkpoint.load(_name_best(last[1]["facts"]["epoch"]))
    if last is None or kept is None:
        return Progress()
    arrays, values = last
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    detector.network.load_state_dict(_select(tensors, _NETWORK))
    _restore_optimizer(optimizer, _select(tensors, _OPTIMIZER))
    torch.set_rng_state(tensors[_CPU])
    if _CUDA in tensors:
        torch.cuda.set_rng_state(tensors[_CUDA], detector.device)
    return Progress(
        epoch=values["epoch"],
        steps=values["steps"],
        seconds=values["seconds"],
        best=replace(detector, threshold=values["threshold"], facts=values["facts"]),
        tensors={name: torch.from_numpy(array) for name, array in kept[0].items()},
    )


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: State) -> None:
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        position, _, key = name.partition(".")
        own = parameters[int(position)]
        # Laid out in memory as the parameter is (channels last): a fused step goes through both
        # by address.
        is_alike = tensor.shape == own.shape
        laid_out = torch.empty_like(own).copy_(tensor) if is_alike else tensor
        state.setdefault(int(position), {})[key] = laid_out
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def _name_best(epoch: int) -> str:
    return f"best-epoch-{epoch}"


def _to_arrays(tensors: State, prefix: str = "") -> dict[str, Any]:
    found: Arrays = {
        prefix + name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()
    }
    return dict(found)


def _select(tensors: State, prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
