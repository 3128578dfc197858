"""How far fine-tuning is: kept after each epoch, and gone on from bit for bit.

The maps of the frozen stages are not kept, they are gigabytes: they are made again, of the same
pictures by the same network, and are the same. What all of it came to is kept, too, so that a
training that is stopped later, while it describes its images anew, tunes nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from discovery.runs.best_epoch import drop_best, load_best, save_best
from discovery.runs.checkpoint import Checkpoint
from discovery.runs.tensors import State, to_arrays, to_tensors

_LAST, _DONE = "last-epoch", "all-epochs"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningState:
    """What the next epoch depends on.

    Attributes
    ----------
    epoch : int
        How many were run; 0: the head alone.
    arrays : mapping of str to array
        Networks, optimiser, random numbers.
    values : mapping
        Ready for JSON: the history, steps, seconds.
    best : mapping of str to tensor
        The stage of the best epoch; empty where that is epoch 0.
    best_epoch : int
    """

    epoch: int
    arrays: Mapping[str, NDArray[Any]]
    values: Mapping[str, Any]
    best: State = field(default_factory=dict)
    best_epoch: int


def save_state(checkpoint: Checkpoint, state: TuningState) -> None:
    """Keep what the next epoch depends on."""
    # Of the best epoch first: what is kept of the last names it.
    if state.best_epoch and state.best_epoch == state.epoch:
        save_best(checkpoint, state.epoch, state.best)
    own = {"epoch": state.epoch, "best_epoch": state.best_epoch}
    checkpoint.save(_LAST, state.arrays, {**state.values, **own})
    drop_best(checkpoint, before=state.best_epoch)


def load_state(checkpoint: Checkpoint) -> TuningState | None:
    """Return what was kept after the last epoch; None where there is nothing."""
    kept = checkpoint.load(_LAST)
    if kept is None:
        return None
    arrays, values = kept
    best = load_best(checkpoint, values["best_epoch"]) if values["best_epoch"] else {}
    if best is None:
        return None
    return TuningState(
        epoch=values["epoch"],
        arrays=arrays,
        values=values,
        best=best,
        best_epoch=values["best_epoch"],
    )


def save_result(checkpoint: Checkpoint, best: State, values: Mapping[str, Any]) -> None:
    """Keep what all epochs came to; what the next would have needed goes."""
    checkpoint.save(_DONE, to_arrays(best), values)
    checkpoint.drop(_LAST)
    drop_best(checkpoint, before=len(values["history"]))


def load_result(checkpoint: Checkpoint) -> tuple[State, dict[str, Any]] | None:
    """Return the best stage and the values; None where not all epochs were run."""
    kept = checkpoint.load(_DONE)
    return None if kept is None else (to_tensors(kept[0]), kept[1])
