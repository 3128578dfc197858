"""The classifier as a folder: safetensors and JSON, no pickle; read back only where all fits.

    MODEL/
      model.json                      what it is; replacing it atomically is the commit
      cascade-<sha>.safetensors       the networks, the fused space, the known images
      backbone-<sha>.safetensors      the network, as it was fine-tuned; absent where there is none

The safetensors files say which taxonomy, extractor and handoff they belong to: files of two
models do not mix.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.serialization import (
    add_metadata,
    cascade_from_arrays,
    cascade_to_arrays,
)
from discovery.runs.checkpoint import CHECKPOINT
from embeddings.bounded import check_safetensors, parse_json
from embeddings.errors import HandoffError, ModelError, StoreError
from embeddings.files import hash_bytes, hash_file, hash_json, is_sealed, seal, write_bytes
from embeddings.litter import is_temporary, sweep_temporary
from embeddings.locks import JOB_LOCK
from embeddings.paths import takes_paths
from embeddings.records import DataBars, ExtractorSpec, bars_from_dict, bars_to_dict
from embeddings.versions import advise_version

if TYPE_CHECKING:
    import torch

MODEL_JSON = "model.json"
FORMAT = "defect-discovery-classifier"
VERSION = 2  # what is written; of version 1 each node has one network
READ_VERSIONS = (1, VERSION)
_SHA = 16  # digits of a hash in a file's name
# What settings and arrays raise that do not fit each other, whatever their seals say.
_UNREADABLE = (
    LookupError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError, MemoryError,
    StopIteration,
)  # fmt: skip
_MOST_COLUMNS = 1_000_000  # features of an image
_OWN = re.compile(rf"(cascade|backbone)-[0-9a-f]{{{_SHA}}}\.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All that answers need.

    Attributes
    ----------
    cascade : CascadeClassifier
        Fitted.
    spec : ExtractorSpec
    tensors : mapping of str to tensor
        The extractor's state dict; empty for what is no network.
    windows : mapping of kind to (low, high)
        Grey levels shown as black and white.
    bars : DataBars
        The microscopes' data bars, which are not looked at.
    orientations : int
        Orientations that an image is seen in.
    gate : mapping
        Options of the noise gate.
    training : mapping
        JSON-ready: handoff and its sha256, counts, options, seed, versions, held-out figures.
    """

    cascade: CascadeClassifier
    spec: ExtractorSpec
    tensors: "Mapping[str, torch.Tensor]" = field(default_factory=dict)
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bars: DataBars = field(default_factory=dict)
    orientations: int
    gate: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


def check_model_folder(folder: Path) -> None:
    """Refuse a place where a model would overwrite something else, before the work.

    Raises
    ------
    ModelError
        There is a file, or a folder that holds something and is not a model, or nothing can be
        written there.
    """
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not place.is_dir():
        raise ModelError(f"--out {folder}: {place} is a file, expected a folder")
    if not os.access(place, os.W_OK):
        raise ModelError(f"--out {folder}: {place} cannot be written to, choose another place")
    if place == folder and not _may_replace(folder):
        raise ModelError(f"--out {folder} is not empty and holds no model: choose a new folder")


def _may_replace(folder: Path) -> bool:
    if (folder / MODEL_JSON).is_file():
        # Looked for in the bytes: a damaged model may be trained again into its place.
        return FORMAT.encode() in (folder / MODEL_JSON).read_bytes()
    # A first save that was interrupted leaves nothing but files of its own.
    return all(_is_own(path.name) for path in folder.iterdir())


def _is_own(name: str) -> bool:
    """Tell whether a file is one that a training writes, whole or interrupted."""
    return is_temporary(name) or name in (JOB_LOCK, CHECKPOINT) or bool(_OWN.fullmatch(name))


@takes_paths
def save_model(model: Model, folder: Path) -> None:
    """Write a model; one that is there stays whole until the new one is.

    Raises
    ------
    ModelError
        See `check_model_folder`.
    """
    check_model_folder(folder)
    if folder.is_dir():
        sweep_temporary(folder)
    arrays, settings = cascade_to_arrays(model.cascade)
    # Tensor files first: they have names of their own, and model.json is the commit.
    belongs = _describe_belonging(
        settings["taxonomy"], model.spec.to_dict(), str(model.training.get("sha256", ""))
    )
    files = {"cascade": _write_tensors(folder, "cascade", arrays, belongs)}
    if model.tensors:
        weights = {name: value.cpu().numpy() for name, value in model.tensors.items()}
        files["backbone"] = _write_tensors(folder, "backbone", weights, belongs)
    content = {
        "format": FORMAT,
        "version": VERSION,
        **settings,
        "spec": model.spec.to_dict(),
        "windows": {kind: list(window) for kind, window in sorted(model.windows.items())},
        **({"data_bars": bars_to_dict(model.bars)} if model.bars else {}),
        "turns": model.orientations,  # the file's names are those of version 0.1
        "gate": dict(model.gate),
        "training": dict(model.training),
        "files": files,
    }
    write_bytes(folder / MODEL_JSON, _format(seal(content)))
    # What the model before had is of no use now; a crash here leaves files that do no harm.
    kept = {entry["name"] for entry in files.values()}
    for stale in folder.glob("*.safetensors"):
        if _OWN.fullmatch(stale.name) and stale.name not in kept:
            stale.unlink()  # a user's own files stay


@takes_paths
def load_model(folder: Path) -> Model:
    """Read a model, every byte of it checked.

    Raises
    ------
    ModelError
        The folder is not a model, is of another version, a file is missing or altered, or its
        files belong to different models.
    """
    content = _read_json(folder)
    try:
        belongs = _describe_belonging(
            content["taxonomy"], content["spec"], str(content["training"].get("sha256", ""))
        )
        arrays = _read_tensors(folder, content["files"]["cascade"], belongs)
        cascade = cascade_from_arrays(arrays, content)
        spec = ExtractorSpec.from_dict(content["spec"])
        # Parts that do not fit each other are told now, and not at the first picture.
        _try_out(cascade)
        tensors = _load_backbone(folder, content["files"], belongs)
        return Model(
            cascade=cascade,
            spec=spec,
            tensors=tensors,
            windows={
                kind: (float(low), float(high)) for kind, (low, high) in content["windows"].items()
            },
            bars=bars_from_dict(content.get("data_bars", {})),
            orientations=_check_turns(content["turns"]),
            gate=dict(content["gate"]),
            training=dict(content["training"]),
        )
    # The hashes fit, so this is no damage but a file that another version wrote.
    except (*_UNREADABLE, StoreError, HandoffError) as error:
        raise ModelError(
            f"{folder} cannot be read ({error}): it was made by another version, train it again"
        ) from error


def _try_out(cascade: CascadeClassifier) -> None:
    if not 0 < cascade.n_features_in_ <= _MOST_COLUMNS:
        raise ValueError(f"{cascade.n_features_in_} columns, expected 1 to {_MOST_COLUMNS}")
    with np.errstate(all="ignore"):
        cascade.predict_proba(np.zeros((1, cascade.n_features_in_), np.float32))


def _check_turns(turns: Any) -> int:
    if turns not in (1, 2, 4, 8):
        raise ValueError(f"turns is {turns!r:.40}, expected 1, 2, 4 or 8")
    return int(turns)


def _describe_belonging(
    taxonomy: Mapping[str, Any], spec: Mapping[str, Any], handoff: str
) -> dict[str, str]:
    """Return what each tensor file says of the model it is part of."""
    return {
        "taxonomy": hash_json(taxonomy),
        "spec": hash_json(spec),
        "handoff": handoff,
    }


def _format(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _write_tensors(
    folder: Path, kind: str, arrays: Mapping[str, NDArray[Any]], belongs: Mapping[str, str]
) -> dict[str, str]:
    from safetensors.numpy import save

    # Not ascontiguousarray, which makes single numbers arrays of one.
    whole = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    # As bytes: the hash is in the file's name, and the write is atomic.
    data = add_metadata(save(whole), belongs)
    sha256 = hash_bytes(data)
    name = f"{kind}-{sha256[:_SHA]}.safetensors"
    write_bytes(folder / name, data)
    return {"name": name, "sha256": sha256}


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / MODEL_JSON
    try:
        data = path.read_bytes()
        content = parse_json(data)
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} is not a model (no {MODEL_JSON}): make one with discovery.classify train"
        ) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{path} is damaged ({error}): train the model again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(f"{path} is not of the format {FORMAT}: give the folder of a classifier")
    if content.get("version") not in READ_VERSIONS:
        advice = advise_version(content.get("version"), VERSION, otherwise="train the model again")
        readable = " and ".join(map(str, READ_VERSIONS))
        raise ModelError(
            f"{path} has version {content.get('version')}, this program reads {readable}: {advice}"
        )
    is_whole = data == _format(content)  # blanks and the writing of numbers count, too
    if not is_sealed(content) or not is_whole:
        raise ModelError(f"{path} was altered: its sha256 does not match, train the model again")
    return content


def _read_tensors(
    folder: Path, entry: Mapping[str, str], belongs: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    from safetensors import safe_open

    path = folder / entry["name"]
    if not path.is_file():
        raise ModelError(f"{path} is missing: copy the whole folder of the model")
    if hash_file(path) != entry["sha256"]:
        raise ModelError(f"{path} was altered: its sha256 does not match, train the model again")
    check_safetensors(path)
    with safe_open(path, framework="numpy") as file:
        if (file.metadata() or {}) != dict(belongs):
            raise ModelError(
                f"{path} is of a model with another taxonomy, extractor or handoff: copy the "
                "whole folder of one model"
            )
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def _load_backbone(
    folder: Path, files: Mapping[str, Mapping[str, str]], belongs: Mapping[str, str]
) -> "Mapping[str, torch.Tensor]":
    if "backbone" not in files:
        return {}
    import torch

    arrays = _read_tensors(folder, files["backbone"], belongs)
    return {name: torch.from_numpy(value) for name, value in arrays.items()}
