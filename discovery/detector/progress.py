"""How far the training of a detector is: kept after each epoch, and gone on from bit for bit."""

from dataclasses import dataclass, field, replace

import torch

from discovery.detector.predict import Detector
from discovery.runs.best_epoch import drop_best, load_best, save_best
from discovery.runs.checkpoint import Checkpoint
from discovery.runs.tensors import (
    State,
    optimizer_to_arrays,
    restore_optimizer,
    to_arrays,
    to_tensors,
)

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
        save_best(checkpoint, progress.epoch, progress.tensors)
    arrays = to_arrays(best.network.state_dict(), _NETWORK)
    arrays |= optimizer_to_arrays(optimizer, _OPTIMIZER)
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
    drop_best(checkpoint, before=best.facts["epoch"])


def load_progress(
    checkpoint: Checkpoint, detector: Detector, optimizer: torch.optim.Optimizer
) -> Progress:
    """Bring network, optimiser and random numbers to where they were after the last epoch."""
    last = checkpoint.load(_LAST)
    tensors = None if last is None else load_best(checkpoint, last[1]["facts"]["epoch"])
    if last is None or tensors is None:
        return Progress()
    arrays, values = last
    detector.network.load_state_dict(to_tensors(arrays, _NETWORK))
    restore_optimizer(optimizer, to_tensors(arrays, _OPTIMIZER))
    torch.set_rng_state(torch.from_numpy(arrays[_CPU]))
    if _CUDA in arrays:
        torch.cuda.set_rng_state(torch.from_numpy(arrays[_CUDA]), detector.device)
    return Progress(
        epoch=values["epoch"],
        steps=values["steps"],
        seconds=values["seconds"],
        best=replace(detector, threshold=values["threshold"], facts=values["facts"]),
        tensors=tensors,
    )
