"""A Ray cluster: connected to, or started on this machine, and what it has."""

import os
import socket
from dataclasses import dataclass
from typing import Any

from embeddings.errors import MissingExtraError, OptionError

_KNOCK_SECONDS = 10.0
_OBJECT_BYTES = 500_000_000  # shared memory of a cluster that is started here
TEXTS = 300  # letters of what Ray says


def connect(address: str | None) -> Any:
    """Return the module `ray`, connected to a cluster; nothing happens where it is already.

    Parameters
    ----------
    address : str or None
        Of the cluster; None is the one that `RAY_ADDRESS` names, else one of this machine alone,
        which ends with this process.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    OptionError
        No cluster answers there.
    """
    # Images and their names are nobody's outside: a cluster started here reports nothing.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Members that take no GPU keep sight of none, now and in later versions of Ray.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is not None:
        _probe(address)
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        how |= {"include_dashboard": False, "object_store_memory": _OBJECT_BYTES}
    try:
        ray.init(address=address, **how)
    except Exception as error:  # a machine that is too slow to start is a bare Exception of Ray's
        raise _tell_silence(address or "local", error) from error
    return ray


def _probe(address: str) -> None:
    """Knock at HOST:PORT: Ray itself asks for minutes before it says that nobody is there."""
    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit() or "/" in host:
        raise OptionError(
            f"--ray-address {address}: expected HOST:PORT, as `ray start --head` prints it, or auto"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _tell_silence(address, error) from error


def _tell_silence(address: str, error: Exception) -> OptionError:
    return OptionError(
        f"--ray-address {address}: no Ray cluster answers ({' '.join(str(error).split())[:TEXTS]}"
        "); expected HOST:PORT, as `ray start --head` prints it"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a cluster has: GPUs, and the processors of each machine that is there."""

    gpus: int
    cpus: tuple[int, ...]

    def count(self, cpus: int) -> int:
        """Return how many members of so many processors it bears."""
        return sum(one // cpus for one in self.cpus)


def measure_capacity(ray: Any) -> Capacity:
    """Return what the cluster has now."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = tuple(int(one.get("CPU", 0)) for one in alive)
    gpus = sum(int(one.get("GPU", 0)) for one in alive)
    return Capacity(gpus=gpus, cpus=tuple(one for one in cpus if one))
