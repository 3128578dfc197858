"""A fitted cascade as arrays and JSON, and back.

The names in the file are those of version 0.1, whatever the attributes are called today.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.blend import Blend, Member
from discovery.classifier.calibration import Calibration
from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.fitted import AnyHead, FittedNetworks
from discovery.classifier.fusion import Fusion
from discovery.classifier.logistic import LogisticHead
from discovery.classifier.networks import Head
from discovery.classifier.novelty import KnownSpace, NoveltyScale
from discovery.classifier.taxonomy import Taxonomy

Arrays = dict[str, NDArray[Any]]

_ONLY = "fused"  # the only member of a node in a file of version 1
_INFINITE = 1e300  # JSON has no infinity: a threshold that nothing reaches


def cascade_to_arrays(cascade: CascadeClassifier) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a fitted cascade by name, and the rest as JSON can hold it."""
    networks, calibration = cascade.networks_, cascade.calibration_
    arrays = _prefix("fusion", networks.fusion.to_arrays())
    arrays |= _prefix("known", networks.known.to_arrays())
    at_nodes = [
        (node, name, head) for node, heads in networks.heads.items() for name, head in heads.items()
    ]
    flats = [(name, name, head) for name, head in networks.flats.items()]
    heads: dict[str, Any] = {}
    # Nodes and members may hold any letters: in the arrays' names they are numbers.
    for kind, group in (("heads", at_nodes), ("flats", flats)):
        heads[kind] = []
        for i, (name, member, head) in enumerate(group):
            arrays |= _prefix(f"{kind}.{i}", head.to_arrays())
            heads[kind].append(_describe_head(name, member, head))
    renamed = {"n_eval_views": "shown"}  # attribute: name in the file
    parameters = {renamed.get(name, name): value for name, value in cascade.get_params().items()}
    settings = {
        "taxonomy": cascade.taxonomy_.to_dict(),
        "cascade": {
            "parameters": dict(sorted(parameters.items())),
            "columns": cascade.n_features_in_,
            "blends": {node: asdict(blend) for node, blend in calibration.blends.items()},
            "flat": asdict(calibration.flat),
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
    blends, flat = _restore_blends(entries)
    cascade.calibration_ = Calibration(
        blends=blends,
        flat=flat,
        thresholds=_restore(entries["thresholds"]),
        scale=NoveltyScale(
            medians=np.array(novelty["medians"]),
            units=np.array(novelty["units"]),
            limit=float(_restore([novelty["limit"]])[0]),
        ),
    )
    # Heads come back in the order they were written, whatever their names.
    heads: dict[str, dict[str, AnyHead]] = {}
    for i, entry in enumerate(entries["heads"]):
        member = entry.get("member", _ONLY)
        heads.setdefault(entry["name"], {})[member] = _restore_head(
            entry, _select(arrays, f"heads.{i}")
        )
    cascade.networks_ = FittedNetworks(
        fusion=Fusion.from_arrays(
            _select(arrays, "fusion"), count=len(cascade.blocks) if cascade.blocks else 1
        ),
        heads=heads,
        flats={
            entry["name"]: _restore_head(entry, _select(arrays, f"flats.{i}"))
            for i, entry in enumerate(entries["flats"])
        },
        known=KnownSpace.from_arrays(_select(arrays, "known")),
    )
    return cascade


def _restore_blends(entries: Mapping[str, Any]) -> tuple[dict[str, Blend], Blend]:
    """Return how answers are blended at the nodes, and by the flat baseline."""
    if "blends" not in entries:  # version 1: one network a node, and a temperature
        alone = Blend.share_equally((_ONLY,))
        temperatures = entries["temperatures"]
        blends = {
            str(node): replace(alone, temperature=float(temperatures[node]))
            for node in temperatures
        }
        return blends, alone
    blends = {str(node): _restore_blend(blend) for node, blend in entries["blends"].items()}
    return blends, _restore_blend(entries["flat"])


def _restore_blend(entry: Mapping[str, Any]) -> Blend:
    def number(value: Any) -> float | None:
        return None if value is None else float(value)

    return Blend(
        members={
            str(name): Member(
                temperature=float(one["temperature"]),
                weight=float(one["weight"]),
                loss=number(one["loss"]),
            )
            for name, one in entry["members"].items()
        },
        temperature=float(entry["temperature"]),
        loss=number(entry["loss"]),
    )


def add_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """Write metadata into the header of a safetensors file, in the order of their names.

    Its own writer puts them in another order each time: the same model would be other bytes.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(data[8:start])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[start:]


def _describe_head(name: str, member: str, head: AnyHead) -> dict[str, Any]:
    return {
        "name": name,
        "member": member,
        "classes": list(head.classes),
        "learned": list(head.trained),  # a model from few images may lack a child
        "span": list(head.span),
        # A line has no hidden layer.
        "hidden": head.hidden if isinstance(head, Head) else None,
    }


def _restore_head(entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> AnyHead:
    start, stop = entry["span"]
    classes, span = tuple(entry["classes"]), (int(start), int(stop))
    trained = tuple(int(i) for i in entry["learned"])
    if entry["hidden"] is None:
        return LogisticHead.from_arrays(arrays, classes=classes, trained=trained, span=span)
    hidden = int(entry["hidden"])
    return Head.from_arrays(arrays, classes=classes, trained=trained, span=span, hidden=hidden)


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
