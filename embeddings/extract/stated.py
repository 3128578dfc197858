"""What options state of an extractor, and whether a store that is there can follow it."""

from dataclasses import replace
from typing import Any

from embeddings.errors import StoreSpecError
from embeddings.extract.normals import hash_normals
from embeddings.extract.options import ExtractOptions
from embeddings.extractors import AUTO, NetworkPlugin, find_extractor, find_network
from embeddings.records import ExtractorSpec
from embeddings.store import Store
from embeddings.weights import hash_weights

# The options that a user types to say a field, where they have other names.
_FLAGS = {
    "name": "--extractor", "weights_sha256": "--weights", "normals_sha256": "--normal",
    "orientations": "--turns", "input_size": "--size", "backend": "--backend or --device",
}  # fmt: skip


def check_stated(options: ExtractOptions, store: Store) -> None:
    """Hold what is asked for now against a store's own spec.

    Raises
    ------
    StoreSpecError
        It is something else; each difference is named with its option.
    """
    differs = store.spec.differences(replace(store.spec, **state_fields(options, store.spec)))
    if not differs:
        return
    fields = [one.partition(":")[0] for one in differs]
    flags = [_FLAGS.get(field, f"--{field.replace('_', '-')}") for field in fields]
    told = "; ".join(f"{one}, {flag}" for one, flag in zip(differs, flags, strict=True))
    raise StoreSpecError(
        f"{store.path} holds vectors of another extractor ({told}): leave out "
        f"{', '.join(flags)}, as the store's own is taken, or use another store"
    )


def state_fields(options: ExtractOptions, spec: ExtractorSpec) -> dict[str, Any]:
    """Return the spec fields that the options state, to be held against the store's."""
    # Residuals are what defect-weighted means are where it is known what is normal.
    is_umbrella = options.pooling == "defect" and spec.pooling == "residual"
    values: dict[str, Any] = {
        "pooling": None if is_umbrella else options.pooling,
        "tau": options.tau,
        "normals_sha256": None if options.normal is None else hash_normals(options),
        "orientations": options.turns,
        "input_size": options.size,
        "fit": options.fit,
        "resize": options.resize,
        "view": options.view,
        "level": options.level,
        # Whether each picture must have a bar moves no vector.
        "data_bar": "auto" if options.data_bar == "crop" else options.data_bar,
        "window": options.window,
        "layers": options.layers,
        "name": None if options.extractor == "auto" else options.extractor,
        "precision": None if options.precision == "auto" else options.precision,
        "backend": _state_backend(options, spec),
    }
    is_network = find_extractor(spec.name).is_network
    if options.weights is not None:
        # What has no weights is another extractor than the one that is asked for.
        named = spec.name if is_network else AUTO[0]
        values["weights_sha256"] = _hash_source(options.weights, spec, named)
        values["name"] = values["name"] or named
    if not is_network and values["name"] in (None, spec.name):
        del values["precision"], values["backend"]  # they do not touch what has no network
    return {name: value for name, value in values.items() if value is not None}


def _state_backend(options: ExtractOptions, spec: ExtractorSpec) -> str | None:
    """Return the backend that options name, with what the spec says where they leave it open."""
    if options.backend == "auto" and options.device == "auto":
        return None
    who, _, where = spec.backend.partition("-")
    if options.device != "auto":
        where = options.device
    if options.backend != "auto":
        who = options.backend
    # OpenVINO runs on a CPU alone.
    who = "torch" if where == "cuda" and options.backend == "auto" else who
    return f"{who}-cpu" if who == "openvino" else f"{who}-{where}"


def _hash_source(source: str, spec: ExtractorSpec, name: str) -> str:
    if source == spec.weights and has_named_weights(spec):
        return spec.weights_sha256  # known by name: no need to have them here
    return hash_weights(find_network(name).locate_weights(name, source))


def has_named_weights(spec: ExtractorSpec) -> bool:
    """Tell whether a spec's weights are found by name, and not in a file of the user's."""
    plugin = find_extractor(spec.name)
    return isinstance(plugin, NetworkPlugin) and spec.weights in plugin.weight_names
