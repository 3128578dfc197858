"""A fitted cascade as arrays and JSON, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.fusion import Fusion
from discovery.classifier.heads import Head
from discovery.classifier.learned import FittedNetworks
from discovery.classifier.network import FusedNetwork
from discovery.classifier.novelty import KnownSpace, NoveltyScale
from discovery.classifier.taxonomy import Taxonomy

Arrays = dict[str, NDArray[Any]]

_INFINITE = 1e300  # JSON has no infinity: a threshold that nothing reaches


def cascade_to_arrays(cascade: CascadeClassifier) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a fitted cascade by name, and the rest as JSON can hold it."""
    learned = cascade.networks_
    arrays = _prefix("fusion", learned.fusion.to_arrays())
    arrays |= _prefix("known", learned.known.to_arrays())
    heads: dict[str, Any] = {}
    for kind, group in (("heads", learned.heads), ("flats", learned.flats)):
        heads[kind] = []
        for i, (name, head) in enumerate(group.items()):
            arrays |= _prefix(f"{kind}.{i}", head.network.to_arrays())
            heads[kind].append(_describe_head(str(name), head))
    settings = {
        "taxonomy": cascade.taxonomy_.to_dict(),
        "cascade": {
            "parameters": {
                **cascade.get_params(),
                "blocks": None if cascade.blocks is None else list(cascade.blocks),
            },
            "columns": cascade.n_features_in_,
            "temperatures": cascade.temperatures_,
            "thresholds": [min(float(t), _INFINITE) for t in cascade.thresholds_],
            "novelty": {
                "medians": cascade.scale_.medians.tolist(),
                "units": cascade.scale_.units.tolist(),
                "limit": min(cascade.scale_.limit, _INFINITE),
            },
            **heads,
        },
    }
    return arrays, settings


def cascade_from_arrays(
    arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
) -> CascadeClassifier:
    """Return the cascade that `cascade_to_arrays` took apart; `held_out_` is not kept.

    Raises
    ------
    KeyError, TypeError, ValueError, RuntimeError
        Something is missing or does not fit.
    """
    said = settings["cascade"]
    blocks = said["parameters"]["blocks"]
    parameters = {**said["parameters"], "blocks": None if blocks is None else tuple(blocks)}
    cascade = CascadeClassifier(**parameters)
    cascade.taxonomy_ = Taxonomy.from_dict(settings["taxonomy"])
    cascade.classes_ = np.array(cascade.taxonomy_.leaves, dtype=np.str_)
    cascade.n_features_in_ = int(said["columns"])
    cascade.temperatures_ = {str(k): float(v) for k, v in said["temperatures"].items()}
    cascade.thresholds_ = _restore(said["thresholds"])
    novelty = said["novelty"]
    cascade.scale_ = NoveltyScale(
        medians=np.array(novelty["medians"]),
        units=np.array(novelty["units"]),
        limit=float(_restore([novelty["limit"]])[0]),
    )
    cascade.held_out_ = None
    fusion = Fusion(blocks=cascade.blocks, random_state=cascade.random_state)
    groups = {
        kind: {
            entry["name"]: _restore_head(entry, _select(arrays, f"{kind}.{i}"))
            for i, entry in enumerate(said[kind])
        }
        for kind in ("heads", "flats")
    }
    cascade.networks_ = FittedNetworks(
        fusion=fusion.from_arrays(_select(arrays, "fusion")),
        heads=groups["heads"],
        flats=groups["flats"],
        known=KnownSpace.from_arrays(_select(arrays, "known")),
    )
    return cascade


def _describe_head(name: str, head: Head) -> dict[str, Any]:
    return {
        "name": name,
        "classes": list(head.classes),
        "learned": [int(i) for i in head.network.classes_],
        "span": list(head.span),
        "hidden": head.network.hidden,
    }


def _restore_head(entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Head:
    network = FusedNetwork(hidden=int(entry["hidden"]))
    start, stop = entry["span"]
    return Head(
        classes=tuple(entry["classes"]),
        span=(int(start), int(stop)),
        network=network.from_arrays(arrays, np.array(entry["learned"], np.intp)),
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
