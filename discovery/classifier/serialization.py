"""A fitted cascade as arrays and JSON, and back.

The names in the file are those of version 0.1, whatever the attributes are called today.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.calibration import Calibration
from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.fusion import Fusion
from discovery.classifier.networks import FittedNetworks, Head
from discovery.classifier.novelty import KnownSpace, NoveltyScale
from discovery.classifier.taxonomy import Taxonomy

Arrays = dict[str, NDArray[Any]]

_INFINITE = 1e300  # JSON has no infinity: a threshold that nothing reaches


def cascade_to_arrays(cascade: CascadeClassifier) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a fitted cascade by name, and the rest as JSON can hold it."""
    networks, calibration = cascade.networks_, cascade.calibration_
    arrays = _prefix("fusion", networks.fusion.to_arrays())
    arrays |= _prefix("known", networks.known.to_arrays())
    heads: dict[str, Any] = {}
    # Nodes and variants may hold any letters: in the arrays' names they are numbers.
    for kind, group in (("heads", networks.heads), ("flats", networks.flats)):
        heads[kind] = []
        for i, (name, head) in enumerate(group.items()):
            arrays |= _prefix(f"{kind}.{i}", head.to_arrays())
            heads[kind].append(_describe_head(str(name), head))
    renamed = {"n_eval_views": "shown"}  # attribute: name in the file
    parameters = {renamed.get(name, name): value for name, value in cascade.get_params().items()}
    settings = {
        "taxonomy": cascade.taxonomy_.to_dict(),
        "cascade": {
            "parameters": dict(sorted(parameters.items())),
            "columns": cascade.n_features_in_,
            "temperatures": calibration.temperatures,
            "thresholds": [min(float(t), _INFINITE) for t in calibration.thresholds],
            "novelty": {
                "medians": calibration.scale.medians.tolist(),
                "units": calibration.scale.units.tolist(),
                "limit": min(calibration.scale.limit, _INFINITE),
            },
            **heads,
        },
    }
    return arrays, settings


def cascade_from_arrays(
    arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
) -> CascadeClassifier:
    """Return the cascade that `cascade_to_arrays` took apart; answers held out are not kept.

    Raises
    ------
    KeyError, TypeError, ValueError, RuntimeError
        Something is missing or does not fit.
    """
    entries = settings["cascade"]
    # `get_params` and the constructor agree: a parameter that is missing or new is an error.
    parameters = dict(entries["parameters"])
    parameters["n_eval_views"] = parameters.pop("shown")
    blocks = parameters.pop("blocks")
    cascade = CascadeClassifier(**parameters, blocks=None if blocks is None else tuple(blocks))
    cascade.taxonomy_ = Taxonomy.from_dict(settings["taxonomy"])
    cascade.classes_ = np.array(cascade.taxonomy_.leaves, dtype=np.str_)
    cascade.n_features_in_ = int(entries["columns"])
    novelty = entries["novelty"]
    cascade.calibration_ = Calibration(
        temperatures={str(k): float(v) for k, v in entries["temperatures"].items()},
        thresholds=_restore(entries["thresholds"]),
        scale=NoveltyScale(
            medians=np.array(novelty["medians"]),
            units=np.array(novelty["units"]),
            limit=float(_restore([novelty["limit"]])[0]),
        ),
    )
    # Networks come back in the order they were written, whatever their names.
    groups = {
        kind: {
            entry["name"]: _restore_head(entry, _select(arrays, f"{kind}.{i}"))
            for i, entry in enumerate(entries[kind])
        }
        for kind in ("heads", "flats")
    }
    cascade.networks_ = FittedNetworks(
        fusion=Fusion.from_arrays(
            _select(arrays, "fusion"), count=len(cascade.blocks) if cascade.blocks else 1
        ),
        heads=groups["heads"],
        flats=groups["flats"],
        known=KnownSpace.from_arrays(_select(arrays, "known")),
    )
    return cascade


def add_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """Write metadata into the header of a safetensors file, in the order of their names.

    Its own writer puts them in another order each time: the same model would be other bytes.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(data[8:start])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[start:]


def _describe_head(name: str, head: Head) -> dict[str, Any]:
    return {
        "name": name,
        "classes": list(head.classes),
        "learned": list(head.trained),  # a model from few images may lack a child
        "span": list(head.span),
        "hidden": head.hidden,
    }


def _restore_head(entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Head:
    start, stop = entry["span"]
    return Head.from_arrays(
        arrays,
        classes=tuple(entry["classes"]),
        trained=tuple(int(i) for i in entry["learned"]),
        span=(int(start), int(stop)),
        hidden=int(entry["hidden"]),
    )


def _prefix(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {f"{prefix}.{name}": np.asarray(value) for name, value in arrays.items()}


def _select(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    start = prefix + "."
    return {
        name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)
    }


def _restore(values: list[float]) -> NDArray[np.float64]:
    numbers = np.array(values, dtype=np.float64)
    return np.where(numbers >= _INFINITE, np.inf, numbers)
