"""The best epoch of a training, kept in its checkpoint beside what the last one left.

It is saved before what is kept of the last epoch, which names it, and earlier ones go after.
"""

from discovery.runs.checkpoint import Checkpoint
from discovery.runs.tensors import State, to_arrays, to_tensors


def save_best(checkpoint: Checkpoint, epoch: int, tensors: State) -> None:
    """Keep the tensors of an epoch that is the best so far."""
    checkpoint.save(_name(epoch), to_arrays(tensors), {})


def load_best(checkpoint: Checkpoint, epoch: int) -> State | None:
    """Return the tensors of the best epoch; None where they are not there."""
    kept = checkpoint.load(_name(epoch))
    return None if kept is None else to_tensors(kept[0])


def drop_best(checkpoint: Checkpoint, *, before: int) -> None:
    """Remove what was kept of earlier epochs."""
    for epoch in range(1, before):
        checkpoint.drop(_name(epoch))


def _name(epoch: int) -> str:
    return f"best-epoch-{epoch}"
