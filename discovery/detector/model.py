"""A detector on disk: MODEL/model.safetensors (tensors) and MODEL/model.json (all the rest).

No pickle: loading runs no code of the file. model.json is written last and holds the sha256 of the
tensors and its own, so a folder is either one whole model or refused with one line.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from discovery.detector.network import build_detector
from discovery.detector.predict import Detector
from discovery.detector.spec import DetectorSpec
from discovery.runs.checkpoint import CHECKPOINT
from embeddings.bounded import check_safetensors, parse_json
from embeddings.errors import ModelError
from embeddings.files import hash_file, is_sealed, seal, write_bytes
from embeddings.litter import is_temporary
from embeddings.locks import JOB_LOCK
from embeddings.paths import takes_paths
from embeddings.records import bars_from_dict, bars_to_dict
from embeddings.versions import advise_version

FORMAT: Final = "defect-discovery-detector"
VERSION: Final = 2
_READS: Final = (1, 2)  # the first knew of no data bars
MODEL_JSON: Final = "model.json"
_NAMES: Final = frozenset(
    {"format", "version", "spec", "threshold", "overlap", "facts", "tensors_sha256"}
)
TENSORS: Final = "model.safetensors"
QUARANTINE: Final = "quarantine.csv"
_OWN: Final = frozenset({TENSORS, QUARANTINE, JOB_LOCK, CHECKPOINT})


def check_detector_folder(folder: Path) -> None:
    """Refuse, before the work, a place where a detector would overwrite something else.

    Raises
    ------
    ModelError
        There is a file, or a folder that holds something and is not a detector.
    """
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not place.is_dir():
        raise ModelError(f"--out {folder}: {place} is a file, expected a folder")
    if place != folder:
        return
    described = folder / MODEL_JSON
    if described.is_file():
        # Looked for in the bytes: a damaged one may be trained again into its place.
        is_ours = FORMAT.encode() in described.read_bytes()
    else:
        # A training that was stopped leaves nothing but files of its own.
        names = [path.name for path in folder.iterdir()]
        is_ours = all(name in _OWN or is_temporary(name) for name in names)
    if not is_ours:
        raise ModelError(f"--out {folder} is not empty and holds no detector: choose a new folder")


@takes_paths
def save_detector(detector: Detector, folder: Path) -> None:
    """Write a detector into a folder, made when absent; model.json commits it.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    tensors = {
        key: value.detach().cpu().contiguous()
        for key, value in detector.network.state_dict().items()
    }
    # As bytes: safetensors' own writer makes a file that only its owner may read.
    write_bytes(folder / TENSORS, save(tensors))
    values = {
        "format": FORMAT,
        "version": VERSION,
        "spec": asdict(detector.spec) | {"bars": bars_to_dict(detector.spec.bars)},
        "threshold": detector.threshold,
        "overlap": detector.overlap,
        "facts": detector.facts,
        "tensors_sha256": hash_file(folder / TENSORS),
    }
    write_bytes(folder / MODEL_JSON, (json.dumps(seal(values), indent=2) + "\n").encode())


@takes_paths
def load_detector(folder: Path, device: torch.device) -> Detector:
    """Read a detector and check that its parts belong together.

    Raises
    ------
    ModelError
        The folder is not a detector, is of another version, is damaged or half-written.
    """
    values = _read_json(folder)
    try:
        spec = _make_spec(values["spec"])
        threshold, overlap = _read_share(values, "threshold"), _read_share(values, "overlap")
        facts, sha256 = dict(values["facts"]), str(values["tensors_sha256"])
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(
            f"{folder / MODEL_JSON} is damaged ({type(error).__name__}: {error}): train again"
        ) from error
    # Built first: tensors of another shape or name than the spec asks for are refused.
    network = build_detector(spec)
    _load_tensors(network, folder, sha256)
    return Detector(
        spec=spec,
        network=network.to(device).eval(),
        device=device,
        threshold=threshold,
        overlap=overlap,
        facts=facts,
    )


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / MODEL_JSON
    try:
        values = parse_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{folder} is not a detector ({MODEL_JSON}: {error.strerror}): give the folder that "
            "`python -m discovery.detect train` made"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path} is damaged ({error}): train again") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        came = values.get("format") if isinstance(values, dict) else type(values).__name__
        raise ModelError(f"{path} has the format {came!r}, expected {FORMAT!r}: not a detector")
    if values.get("version") not in _READS:
        advice = advise_version(values.get("version"), VERSION, otherwise="train again")
        raise ModelError(
            f"{path} has version {values.get('version')!r}, this program reads "
            f"{' and '.join(map(str, _READS))}: {advice}"
        )
    # An early version wrote no checksum, and these names alone: a name more is a flipped bit.
    if not values.keys() <= _NAMES and not is_sealed(values):
        raise ModelError(f"{path} was altered: its sha256 does not match, train the model again")
    return values


def _read_share(values: Mapping[str, Any], name: str) -> float:
    share = float(values[name])
    if not 0 <= share < 1:  # NaN is refused here too
        raise ValueError(f"{name} is {share}, expected a share from 0 to below 1")
    return share


def _make_spec(values: Mapping[str, Any]) -> DetectorSpec:
    held = dict(values)  # JSON has lists where the spec has tuples, which compare unequal
    for name in ("labels", "anchors", "ratios"):
        held[name] = tuple(held[name])
    held["windows"] = {
        kind: (float(low), float(high)) for kind, (low, high) in held["windows"].items()
    }
    held["bars"] = bars_from_dict(held.get("bars", {}))
    return DetectorSpec(**held)


def _load_tensors(network: torch.nn.Module, folder: Path, sha256: str) -> None:
    path = folder / TENSORS
    try:  # the hash before the content: a damaged file may say anything
        found = hash_file(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): train again") from error
    if found != sha256:
        raise ModelError(
            f"{path} has sha256 {found[:12]}, {MODEL_JSON} expects {sha256[:12]}: "
            "it is damaged, or of another training; train again or restore both files"
        )
    try:
        check_safetensors(path)
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, ValueError) as error:
        first_line = str(error).splitlines()[0]  # torch lists every tensor below it
        raise ModelError(f"{path} does not fit {MODEL_JSON} ({first_line}): train again") from error
