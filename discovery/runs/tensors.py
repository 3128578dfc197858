"""Tensors and optimisers as the arrays that a checkpoint keeps, and back, bit for bit."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

State = Mapping[str, torch.Tensor]


def to_arrays(tensors: State, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return tensors as arrays on the CPU, each name with the prefix before it."""
    return {prefix + name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def to_tensors(arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> dict[str, torch.Tensor]:
    """Return the arrays whose names begin with the prefix, without it."""
    return {
        name.removeprefix(prefix): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def optimizer_to_arrays(
    optimizer: torch.optim.Optimizer, prefix: str = ""
) -> dict[str, NDArray[Any]]:
    """Return what an optimiser has learned of each parameter; not its rates, which are given."""
    arrays: dict[str, NDArray[Any]] = {}
    for position, state in optimizer.state_dict()["state"].items():
        arrays |= to_arrays(state, f"{prefix}{position}.")
    return arrays


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: State) -> None:
    """Bring an optimiser to where it was; `tensors` as `to_tensors` gives them back."""
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
