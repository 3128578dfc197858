"""Weights of networks: files known by their sha256, downloaded once, read without running code.

To recognise weights needs no torch: it is loaded only where tensors are read.
"""

import contextlib
import errno
import functools
import io
import socket
import stat
import threading
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 # the name of an error of torch.load
from struct import error as StructError  # noqa: N812
from typing import TYPE_CHECKING, Any

from embeddings.bounded import check_safetensors, check_torch_file
from embeddings.console import get_logger
from embeddings.errors import WeightsError
from embeddings.files import hash_file

if TYPE_CHECKING:
    import torch

# A fab's firewall drops packets instead of refusing: neither may hang.
PROBE_SECONDS = 5.0  # whether the address answers at all
DOWNLOAD_SECONDS = 20.0  # of silence, once it has answered
# Ends what is said of a download that failed; a command that has no such option leaves it out.
OTHER_NETWORK = ", or --extractor lite, whose weights are installed"
_SHOWN_FAULTS = 3  # tensors named in an error: a wrong file has hundreds
# What torch.load raises on bytes that are no state dict, found by feeding it damaged files.
_UNREADABLE = (
    UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError,
    AttributeError, AssertionError, OverflowError, MemoryError, StructError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A checked state dict with the name and the sha256 of the file it came from."""

    name: str
    sha256: str
    tensors: "Mapping[str, torch.Tensor]"


NO_WEIGHTS = Weights(name="", sha256="", tensors={})  # of an extractor that is no network


@functools.lru_cache(maxsize=8)
def _hash_unchanged(path: Path, _size: int, _mtime_ns: int) -> str:
    return hash_file(path)


def hash_weights(path: Path) -> str:
    """Return the sha256 of a weights file, as ``sha256sum`` prints it.

    Raises
    ------
    WeightsError
        The file cannot be read.
    """
    try:
        status = path.stat()
        _check_file(status.st_mode)
        return _hash_unchanged(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise WeightsError(
            f"--weights {path}: {error.strerror}; expected imagenet, imagenet-v1 (ResNet-50), "
            "or a safetensors or state-dict file of the extractor's network"
        ) from error


def _check_file(mode: int) -> None:
    if not stat.S_ISREG(mode):  # a pipe would block for ever
        raise OSError(errno.EINVAL, "not a file")


def download_weights(url: str, asked: str) -> Path:
    """Return the local file of weights that torch keeps, downloading them the first time.

    Parameters
    ----------
    url : str
        Its file name ends in the first digits of its sha256, which are checked.
    asked : str
        What the user calls them, for error texts.

    Raises
    ------
    WeightsError
        The download fails.
    """
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.exists():
        try:
            if barrier := _find_barrier(url, str(urllib.request.getproxies())):
                raise ConnectionError(barrier)
            get_logger().info("downloading %s to %s", url, path.parent)
            # torch says so on standard output, where a command's own results belong.
            with contextlib.redirect_stdout(io.StringIO()), _bound_sockets(DOWNLOAD_SECONDS):
                torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True)
        # URLError is an OSError, a bad hash a RuntimeError, a connection cut short the last.
        except (OSError, RuntimeError, HTTPException) as error:
            raise WeightsError(
                f"--weights {asked}: the download of {url} failed ({error}); "
                f"pass --weights FILE{OTHER_NETWORK}"
            ) from error
    return path


@functools.lru_cache(maxsize=8)
def _find_barrier(url: str, _proxies: str) -> str:
    """Return why an address does not answer, empty where it does; asked once a process.

    In a thread that is left behind: the time that a name server takes cannot be bounded.
    """
    found: list[str] = []

    def ask() -> None:
        try:
            # The address is an extractor's own, an https one; none is ever taken from outside.
            with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # nosec B310 # as said above
                found.append("")
        except (OSError, HTTPException) as error:
            found.append(str(error))

    thread = threading.Thread(target=ask, name="probe", daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return found[0] if found else f"no answer within {PROBE_SECONDS:g} seconds"


@contextlib.contextmanager
def _bound_sockets(seconds: float) -> Iterator[None]:
    """Bound every socket that a library opens meanwhile, so that a download cannot hang."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read_tensors(path: Path) -> Mapping[str, Any]:
    """Read a state dict: safetensors, or what ``torch.save`` wrote (no code in it runs).

    Raises
    ------
    WeightsError
        The file holds none.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            check_safetensors(path)
            loaded: Any = load_file(path)
        else:
            check_torch_file(path)
            with warnings.catch_warnings(action="ignore"):  # torch warns of odd pickle protocols
                loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, *_UNREADABLE) as error:
        first_line = (str(error).splitlines() or ["empty"])[0]
        raise WeightsError(
            f"--weights {path}: not a readable weights file ({first_line}); expected "
            "safetensors, or a plain state dict saved by torch.save"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]  # Lightning and many training scripts wrap it
    if not isinstance(loaded, dict):
        raise WeightsError(
            f"--weights {path}: holds a {type(loaded).__name__}, expected a state dict"
        )
    return {str(key).removeprefix("module."): value for key, value in loaded.items()}


def check_tensors(
    tensors: Mapping[str, Any],
    expected: "Mapping[str, torch.Tensor]",
    *,
    label: str,
    network: str,
    unused: tuple[str, ...],
) -> "Mapping[str, torch.Tensor]":
    """Check a state dict tensor by tensor against a network's own; return it in float32.

    Parameters
    ----------
    expected : mapping of str to tensor
        Shapes and types count, values do not.
    label, network : str
        What the weights and the network are called, for error texts.
    unused : tuple of str
        Tensors whose names begin so, the classifier head's, may be absent or of any size.

    Raises
    ------
    WeightsError
        A tensor is missing, left over, of another shape, not floating, or not finite.
    """
    wanted = {key: value for key, value in expected.items() if not key.startswith(unused)}
    # Old checkpoints lack the counters of batch norm; inference does not use them.
    required = {key for key in wanted if not key.endswith("num_batches_tracked")}
    faults = [f"{key} is missing" for key in required if key not in tensors]
    faults += [f"{key} is not part of it" for key in tensors if key not in expected]
    checked: dict[str, torch.Tensor] = {}
    for key in (key for key in wanted if key in tensors):
        fault = _find_fault(key, tensors[key], wanted[key])
        faults += [fault] if fault else []
        if not fault:
            checked[key] = tensors[key].float() if key in required else tensors[key]
    if faults:
        rest = len(faults) - _SHOWN_FAULTS
        more = f" and {rest} more" if rest > 0 else ""
        raise WeightsError(
            f"--weights {label}: does not fit {network}: "
            f"{'; '.join(sorted(faults)[:_SHOWN_FAULTS])}{more}"
        )
    return checked


def _find_fault(key: str, came: Any, wanted: "torch.Tensor") -> str:
    import torch

    if not isinstance(came, torch.Tensor):
        return f"{key} is a {type(came).__name__}, not a tensor"
    if came.shape != wanted.shape:
        return f"{key} has shape {tuple(came.shape)}, expected {tuple(wanted.shape)}"
    if wanted.is_floating_point() and not came.is_floating_point():
        return f"{key} has type {came.dtype}, expected floating point"
    if came.is_floating_point() and not bool(torch.isfinite(came.float()).all()):
        return f"{key} holds NaN or infinity"
    return ""
