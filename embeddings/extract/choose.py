"""Which extractor: what the options say, what the store already holds, what can be had here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings.console import get_logger
from embeddings.errors import StoreError, StoreSpecError, WeightsError
from embeddings.extract.options import ExtractOptions
from embeddings.extract.stated import check_stated, has_named_weights, state_fields
from embeddings.extractors import (
    AUTO,
    Extractor,
    NetworkPlugin,
    SpecRequest,
    find_extractor,
    find_network,
)
from embeddings.records import ExtractorSpec
from embeddings.store import Store
from embeddings.weights import NO_WEIGHTS, Weights, hash_weights

if TYPE_CHECKING:
    from embeddings.pooling import Bank

NORMAL_SIZE = 448  # pixels of the longest side, a multiple of every network's cell
# What a request decides already: `ExtractorPlugin.make_spec` gives these fields.
_MADE = ("name", "layers", "pooling", "precision", "backend", "weights_sha256")
_NO_WEIGHTS = (
    "no ImageNet weights of ResNet-50 could be had: lite (EfficientNet-Lite0) is used, which tells "
    "less apart on some images; --weights FILE takes ResNet-50"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The spec of a store, where its weights are, and what a user must be told.

    `is_remembered`: the weights are the file that the store remembers, or its bare name. `store`
    keeps the patch bank of defect-weighted pooling; `bank` is one that no store keeps yet.
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


def choose_extractor(options: ExtractOptions, store: Store | None, *, tells: bool = True) -> Choice:
    """Decide the spec: an existing store's own, else what the options say.

    Parameters
    ----------
    tells : bool
        Whether a network that takes another's place is told of; of several views one does.

    Raises
    ------
    StoreSpecError
        An option asks for something else than the store holds.
    WeightsError, OptionError
        The weights, the device or the precision cannot be had.
    """
    if store is not None:
        return _choose_of_store(options, store)
    if options.extractor != "auto":
        return _choose_new(options.extractor, options)
    best, spare = AUTO
    try:
        choice = _choose_new(best, options)
    except WeightsError as error:
        # Weights and layers are of one network: another would not be what was asked for.
        if options.weights is not None or options.layers is not None:
            raise
        # Why, and what to do instead, is for those who asked for these very weights.
        get_logger().debug("%s", error)
        if tells:
            get_logger().warning("WARNING: %s", _NO_WEIGHTS)
        return replace(_choose_new(spare, options), warnings=(_NO_WEIGHTS,))
    get_logger().info("extractor: %s, whose weights %s are here", best, choice.spec.weights)
    return choice


def tell_stored(store: Store) -> None:
    """Log whose vectors a store holds: its extractor is taken, and no option has to name it."""
    get_logger().info("extractor: %s, whose vectors %s holds", store.spec.name, store.path)


def _choose_new(name: str, options: ExtractOptions) -> Choice:
    plugin = find_extractor(name)
    pooling = options.pooling or ("defect" if options.asks_for_bank else None)
    if options.normal is not None:
        pooling = "residual"  # what is normal is known: only the rest tells types apart
    spec = plugin.make_spec(
        SpecRequest(
            name=name,
            weights=options.weights,
            layers=options.layers,
            pooling=pooling,
            device=options.device,
            backend=options.backend,
            precision=options.precision,
        )
    )
    if options.normal is not None:
        spec = _see_small_defects(spec, options)
    # Last, so that what a user says wins over every default.
    given = {"data_bar": "auto"} | state_fields(options, spec)
    return Choice(
        spec=replace(spec, **{key: given[key] for key in given if key not in _MADE}),
        weights=options.weights or spec.weights,
    )


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
    weights, device = open_weights(choice, options)
    if choice.spec.compares:
        from embeddings.extract.defect import DefectExtractor

        return DefectExtractor(choice.spec, open_bank(choice), weights=(weights, device))
    return find_extractor(choice.spec.name).load(choice.spec, weights, device)


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


def open_weights(choice: Choice, options: ExtractOptions) -> tuple[Weights, Any]:
    """Load a network's weights, and the torch.device it runs on; else no weights and None.

    Raises
    ------
    WeightsError, StoreSpecError
        See `make_extractor`.
    """
    plugin = find_extractor(choice.spec.name)
    if not plugin.is_network:
        return NO_WEIGHTS, None
    from embeddings.networks.hardware import choose_backend

    # The store says who computes, the options where; on a CPU alone with OpenVINO.
    who = choice.spec.backend.partition("-")[0] if options.device != "cuda" else "torch"
    backend, device = choose_backend(who, options.device)
    if backend != choice.spec.backend:
        raise StoreSpecError(
            f"the store's vectors were computed by {choice.spec.backend} and this machine would "
            f"use {backend}: neighbours would move; pass --device or make a new store"
        )
    if choice.is_remembered:
        _check_remembered(choice)
    return plugin.read_weights(choice.spec.name, choice.weights), device


def _check_remembered(choice: Choice) -> None:
    """Refuse a file that has gone, or is another by now, since the store was made with it."""
    wanted, path = choice.spec.weights_sha256, Path(choice.weights)
    if not path.is_file():
        fault = "which is not here"
    elif (found := hash_weights(path)) != wanted:
        fault = f"which has changed since (its sha256 is {found[:12]} now)"
    else:
        return
    raise WeightsError(
        f"the store was made with the weights file {choice.weights} (sha256 {wanted[:12]}), "
        f"{fault}: say where with --weights FILE"
    )


def locate_file(choice: Choice) -> str:
    """Return the whole path of the weights, where they are a file of the user's; else ""."""
    plugin = find_extractor(choice.spec.name)
    is_file = isinstance(plugin, NetworkPlugin) and choice.weights not in plugin.weight_names
    return str(Path(choice.weights).absolute()) if is_file and choice.weights else ""


def _choose_of_store(options: ExtractOptions, store: Store) -> Choice:
    spec = store.spec
    check_stated(options, store)
    if options.vector_dtype not in (None, store.vector_dtype):
        raise StoreSpecError(
            f"{store.path} keeps {store.vector_dtype} vectors, --vector-dtype "
            f"{options.vector_dtype} was given: leave it out, or make a new store"
        )
    return Choice(
        spec=spec,
        weights=options.weights or store.weights_file or spec.weights,
        is_remembered=options.weights is None and not has_named_weights(spec),
        store=store,
    )


def take_residuals(spec: ExtractorSpec, options: ExtractOptions) -> ExtractorSpec:
    """Return the spec of what patches have more than their golden reference's."""
    plugin = find_network(spec.name)
    layers = options.layers or plugin.default_layers(spec.name, "residual")
    dim = plugin.count_channels(spec.name, layers)
    return replace(spec, pooling="residual", layers=layers, dim=dim)


def _see_small_defects(spec: ExtractorSpec, options: ExtractOptions) -> ExtractorSpec:
    """Return a spec with more pixels, of the picture's own shape.

    Against normals only: a golden image is of one place, and small as it is.
    """
    return replace(spec, input_size=options.size or NORMAL_SIZE, fit=options.fit or "aspect")
