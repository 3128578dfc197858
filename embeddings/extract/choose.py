"""Which extractor: what the options say, what the store already holds, what can be had here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings.console import get_logger
from embeddings.errors import StoreError, StoreSpecError, WeightsError
from embeddings.extract.batches import Extractor
from embeddings.extract.normals import hash_normals
from embeddings.extract.options import ExtractOptions
from embeddings.records import COMPARING, ExtractorSpec, Fit, Pooling, Resize
from embeddings.store import Store
from embeddings.weights import (
    DOWNLOAD_SECONDS,
    NAMES,
    bound_sockets,
    hash_weights,
    locate_weights,
)

if TYPE_CHECKING:
    import torch

    from embeddings.pooling import Bank
    from embeddings.resnet import Weights

DEFAULT_LAYERS = ("layer3", "layer4")
COMPARED_LAYERS = ("layer2", "layer3")  # middle ones, as PatchCore: deeper ones know objects
RESIDUAL_LAYERS = (*COMPARED_LAYERS, "layer4")  # which is pooled where the others say
NORMAL_SIZE = 448  # pixels of the longest side
DEFAULT_POOLING: Pooling = "max"
DEFAULT_FIT: Fit = "stretch"
DEFAULT_RESIZE: Resize = "bilinear"
_NO_WEIGHTS = (
    "no ImageNet weights could be had ({reason}): the classical texture descriptors are used, "
    "which find fewer types. Pass --weights FILE for ResNet-50 features."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The spec of a store, where its weights are, and what a user must be told.

    `is_remembered`: the weights are a file's bare name, as the store knows it. `store` keeps the
    patch bank of defect-weighted pooling; `bank` is one that no store keeps yet.
    """

    spec: ExtractorSpec
    weights: str = ""
    is_remembered: bool = False
    warnings: tuple[str, ...] = ()
    store: Store | None = None
    bank: "Bank | None" = None

    @property
    def lacks_bank(self) -> bool:
        """Whether the first pass is still to come: the spec is complete after it."""
        return self.spec.compares and not self.spec.bank_sha256


def choose_extractor(options: ExtractOptions, store: Store | None) -> Choice:
    """Decide the spec: an existing store's own, else what the options say.

    Raises
    ------
    StoreSpecError
        An option asks for something else than the store holds.
    WeightsError, OptionError
        The weights, the device or the precision cannot be had.
    """
    if store is not None:
        return _choose_of_store(options, store)
    if options.extractor == "texture":
        return Choice(spec=_texture_spec(options))
    source = options.weights or "imagenet"
    try:
        with bound_sockets(DOWNLOAD_SECONDS):
            return Choice(spec=_resnet_spec(options, source), weights=source)
    except WeightsError as error:
        if options.extractor == "resnet50" or options.asks_for_network:
            raise
        warning = _NO_WEIGHTS.format(reason=error)
    get_logger().warning("WARNING: %s", warning)
    return Choice(spec=_texture_spec(options), warnings=(warning,))


def make_extractor(choice: Choice, options: ExtractOptions) -> Extractor:
    """Load what the chosen extractor needs; the slow part, left until something is to be computed.

    Raises
    ------
    WeightsError
        The weights are not those the store was made with, or cannot be read.
    StoreSpecError
        The store was made on a GPU and there is none here, or the reverse.
    StoreError
        The patch bank is not the one the spec names.
    """
    if choice.spec.name == "texture":
        from embeddings.texture import TextureExtractor

        return TextureExtractor(choice.spec)
    from embeddings.resnet import ResNet50Extractor

    weights, device = open_weights(choice, options)
    if choice.spec.compares:
        from embeddings.extract.defect import DefectExtractor

        return DefectExtractor(choice.spec, open_bank(choice), weights=(weights, device))
    return ResNet50Extractor(choice.spec, weights, device)


def open_bank(choice: Choice) -> "Bank":
    """Return the patch bank of a choice, or read it from its store.

    Raises
    ------
    StoreError
        The store has none, or another one than its spec says.
    """
    from embeddings.pooling import Bank

    if choice.bank is not None:
        return choice.bank
    arrays = None if choice.store is None else choice.store.load_bank()
    if arrays is None:
        raise StoreError(
            f"--pooling {choice.spec.pooling}: there is no patch bank; make a new store"
        )
    bank = Bank.from_arrays(arrays)
    if bank.sha256 != choice.spec.bank_sha256:
        raise StoreError("the store's patch bank is not the one its spec names: make a new store")
    return bank


def open_weights(choice: Choice, options: ExtractOptions) -> "tuple[Weights, torch.device]":
    """Load a network's weights, and say where it runs.

    Raises
    ------
    WeightsError, StoreSpecError
        See `make_extractor`.
    """
    from embeddings.resnet import choose_device, load_weights

    device = choose_device(options.device)
    backend = f"torch-{device.type}"
    if backend != choice.spec.backend:
        raise StoreSpecError(
            f"the store's vectors were computed by {choice.spec.backend} and this machine would "
            f"use {backend}: neighbours would move; pass --device or make a new store"
        )
    if choice.is_remembered and not Path(choice.weights).is_file():
        raise WeightsError(
            f"the store was made with the weights file {choice.weights} (sha256 "
            f"{choice.spec.weights_sha256[:12]}), which is not here: say where with --weights FILE"
        )
    return load_weights(choice.weights), device


def _choose_of_store(options: ExtractOptions, store: Store) -> Choice:
    spec = store.spec
    store.check_spec(replace(spec, **_given(options, spec)))
    if options.vector_dtype not in (None, store.vector_dtype):
        raise StoreSpecError(
            f"{store.path} keeps {store.vector_dtype} vectors, --vector-dtype "
            f"{options.vector_dtype} was given: leave it out, or make a new store"
        )
    return Choice(
        spec=spec,
        weights=options.weights or spec.weights,
        is_remembered=options.weights is None and spec.weights not in NAMES,
        store=store,
    )


def _given(options: ExtractOptions, spec: ExtractorSpec) -> dict[str, Any]:
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
        "window": options.window,
        "layers": options.layers,
        "name": None if options.extractor == "auto" else options.extractor,
        "precision": None if options.precision == "auto" else options.precision,
        "backend": None if options.device == "auto" else f"torch-{options.device}",
    }
    if options.weights is not None:
        values["weights_sha256"] = _hash_source(options.weights, spec)
        values["name"] = "resnet50"
    if spec.name == "texture" and options.extractor != "resnet50":
        del values["precision"], values["backend"]  # they do not touch the descriptors
    return {name: value for name, value in values.items() if value is not None}


def _hash_source(source: str, spec: ExtractorSpec) -> str:
    if source == spec.weights and source in NAMES:
        return spec.weights_sha256  # known by name: no need to have them here
    return hash_weights(locate_weights(source))


def _resnet_spec(options: ExtractOptions, source: str) -> ExtractorSpec:
    # The file is looked for before torch is asked for anything: a wrong path is told at once.
    path = locate_weights(source)
    sha256 = hash_weights(path)
    from embeddings.resnet import choose_device, choose_precision, make_spec

    pooling: Pooling = options.pooling or ("defect" if options.asks_for_bank else DEFAULT_POOLING)
    device = choose_device(options.device)
    spec = make_spec(
        source if source in NAMES else path.name,
        sha256,
        layers=options.layers or (COMPARED_LAYERS if pooling in COMPARING else DEFAULT_LAYERS),
        precision=choose_precision(options.precision, device),
        device=device,
    )
    spec = replace(spec, pooling=pooling, fit=DEFAULT_FIT, resize=DEFAULT_RESIZE)
    if pooling == "residual" or options.normal is not None:
        spec = take_residuals(spec, options)
    given = _given(options, spec)
    return replace(spec, **{key: given[key] for key in given if key not in ("name", "layers")})


def take_residuals(spec: ExtractorSpec, options: ExtractOptions) -> ExtractorSpec:
    """Return the spec of what the patches have more than normal ones; what is given stays given."""
    from embeddings.resnet import LAYERS

    layers = options.layers or RESIDUAL_LAYERS
    spec = replace(
        spec, pooling="residual", layers=layers, dim=sum(LAYERS[layer] for layer in layers)
    )
    if options.normal is None:
        return spec
    # Small defects in the picture's own shape; a golden image is of one place, and small as it is.
    return replace(spec, input_size=options.size or NORMAL_SIZE, fit=options.fit or "aspect")


def _texture_spec(options: ExtractOptions) -> ExtractorSpec:
    from embeddings.texture import make_spec

    given: dict[str, Any] = {
        "input_size": options.size,
        "resize": options.resize,
        "level": options.level,
        "window": options.window,
    }
    return replace(make_spec(), **{key: value for key, value in given.items() if value is not None})
