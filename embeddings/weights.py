"""Where ResNet-50's weights come from: a name (downloaded once) or a file, known by its sha256.

Apart from the network itself, because to recognise weights needs no torch.
"""

import contextlib
import functools
import io
import socket
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from embeddings.console import get_logger
from embeddings.errors import WeightsError
from embeddings.files import hash_file

NAMES = {"imagenet": "IMAGENET1K_V2", "imagenet-v1": "IMAGENET1K_V1"}
DOWNLOAD_SECONDS = 20.0  # a fab's firewall drops packets instead of refusing: do not hang


@contextlib.contextmanager
def bound_sockets(seconds: float) -> Iterator[None]:
    """Bound every socket that a library opens meanwhile, so that a download cannot hang."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def locate_weights(source: str) -> Path:
    """Return the file of weights given by name or by path.

    Raises
    ------
    WeightsError
        A download fails.
    """
    return _fetch(source) if source in NAMES else Path(source)


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
        stat = path.stat()
        return _hash_unchanged(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise WeightsError(
            f"--weights {path}: {error.strerror}; expected {', '.join(NAMES)}, "
            "or a safetensors or state-dict file of ResNet-50"
        ) from error


def _fetch(name: str) -> Path:
    """Return the local file of torchvision's weights, downloading them the first time."""
    import torch
    from torchvision.models import ResNet50_Weights

    url: str = ResNet50_Weights[NAMES[name]].url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.exists():
        get_logger().info("downloading %s to %s", url, path.parent)
        try:
            # torch says so on standard output, where a command's own results belong.
            with contextlib.redirect_stdout(io.StringIO()):
                torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True)
        # URLError is an OSError, a bad hash a RuntimeError, a connection cut short the last.
        except (OSError, RuntimeError, HTTPException) as error:
            raise WeightsError(
                f"--weights {name}: the download of {url} failed ({error}); "
                "pass --weights FILE, or --extractor texture which needs none"
            ) from error
    return path
