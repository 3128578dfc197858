"""What a training that was interrupted goes on from: files beside the model, gone at its end.

    checkpoint = Checkpoint(folder / CHECKPOINT, key=hash_json(values))
    kept = checkpoint.load("fold-1")  # None: not done, or of other data or options
    checkpoint.save("fold-1", arrays, values)
    checkpoint.remove()

Numbers come back bit for bit, so that a training that goes on ends where it would have ended.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.console import get_logger, note_kept
from embeddings.errors import InputError
from embeddings.files import hash_bytes, write_bytes

CHECKPOINT = "checkpoint"  # in a model's folder
_KEY = "key"
_ENDING = ".part"
_SHA = 64  # characters before the tensors: their sha256

Arrays = Mapping[str, NDArray[Any]]
Kept = tuple[dict[str, NDArray[Any]], dict[str, Any]]


class Checkpoint:
    """Named parts of one training, each whole or not there.

    Parameters
    ----------
    folder : Path or None
        Where they are kept; None keeps nothing.
    key : str
        Of all that decides the result: parts of another key are removed with the first that is
        saved, and never read.
    """

    def __init__(self, folder: Path | None, *, key: str, prefix: str = "") -> None:
        self._folder, self._key, self._prefix = folder, key, prefix

    @property
    def keeps(self) -> bool:
        """Whether there is a place to keep anything."""
        return self._folder is not None

    def within(self, prefix: str) -> "Checkpoint":
        """Return the same checkpoint for parts whose names begin so."""
        return Checkpoint(self._folder, key=self._key, prefix=f"{self._prefix}{prefix}-")

    @property
    def is_begun(self) -> bool:
        """Whether there is something to go on from."""
        return self._folder is not None and self._read_key() == self._key

    def load(self, name: str) -> Kept | None:
        """Return the arrays and the JSON-ready values of a part; None where there is none."""
        from safetensors.numpy import load

        if self._folder is None or not self.is_begun:
            return None
        path = self._folder / self._name(name)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hash_bytes(data[_SHA:]) != data[:_SHA].decode(errors="replace"):
            get_logger().warning("WARNING: %s is damaged, and is made again", path)
            return None
        # Copies: arrays of a file may not be written, and torch warns of such.
        arrays = {key: np.array(value) for key, value in load(data[_SHA:]).items()}
        values = json.loads(arrays.pop("").tobytes())
        return arrays, values

    def save(self, name: str, arrays: Arrays, values: Mapping[str, Any]) -> None:
        """Keep a part.

        Raises
        ------
        InputError
            The folder cannot be written to.
        """
        from safetensors.numpy import save

        if self._folder is None:
            return
        if not self.is_begun:
            self.remove()
            write_bytes(self._folder / _KEY, self._key.encode())
        text = np.frombuffer(json.dumps(dict(values)).encode(), np.uint8)
        # Not ascontiguousarray, which makes single numbers arrays of one.
        whole = {key: np.asarray(value, order="C") for key, value in arrays.items()}
        data = save({**whole, "": text})
        write_bytes(self._folder / self._name(name), hash_bytes(data).encode() + data)
        note_kept(f"{self._prefix}{name} in {self._folder.parent}; the same command goes on there")

    def drop(self, name: str) -> None:
        """Remove a part that is of no use any more."""
        if self._folder is not None:
            (self._folder / self._name(name)).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all parts: the training is done."""
        if self._folder is None or not self._folder.is_dir():
            return
        try:
            # The key first: what a crash leaves of the rest is then of no training.
            (self._folder / _KEY).unlink(missing_ok=True)
            for path in self._folder.glob(f"*{_ENDING}"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {self._folder}: {error.strerror}") from error
        # What else is there is not ours, and stays.
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}{_ENDING}"

    def _read_key(self) -> str:
        if self._folder is None:
            return ""
        try:
            return (self._folder / _KEY).read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""


NO_CHECKPOINT = Checkpoint(None, key="")
