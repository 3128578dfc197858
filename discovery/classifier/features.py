"""Which extractor a classifier sees by: the handoff's store's own, else what the options say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embeddings.console import get_logger
from embeddings.errors import HandoffError
from embeddings.extract import ExtractOptions
from embeddings.extract.choose import Choice, choose_extractor, open_weights
from embeddings.extract.data_bars import survey_bars
from embeddings.extractors import Extractor, find_extractor
from embeddings.reader import BarSurvey, Part, Preparation, choose_windows
from embeddings.records import DataBars, ExtractorSpec
from embeddings.store import Store, open_store, store_exists
from embeddings.weights import NO_WEIGHTS, Weights

if TYPE_CHECKING:
    import torch

Window = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSource:
    """An extractor with all that belongs to it.

    Attributes
    ----------
    tensors : mapping
        Its weights; empty for what is no network.
    windows : mapping of kind to (low, high)
    bars : DataBars
    known : mapping of image id to (d,)
        Vectors that a store already holds.
    warnings : tuple of str
    """

    extractor: Extractor
    tensors: "Mapping[str, torch.Tensor]" = field(default_factory=dict)
    windows: Mapping[str, Window] = field(default_factory=dict)
    bars: DataBars = field(default_factory=dict)
    known: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def spec(self) -> ExtractorSpec:
        """The extractor's spec."""
        return self.extractor.spec

    def prepare(self, options: ExtractOptions) -> Preparation:
        """Return how pictures are brought to what the extractor sees."""
        return Preparation(
            spec=self.spec,
            windows=self.windows,
            bars=self.bars,
            max_pixels=options.max_pixels,
            workers=options.threads,
        )


def open_feature_source(
    parts: Sequence[Part], store: Mapping[str, Any], *, options: ExtractOptions, ignore: bool
) -> FeatureSource:
    """Load the extractor for these images.

    Parameters
    ----------
    parts : sequence of Part
    store : mapping
        The store that the handoff names; empty where there is none.
    ignore : bool
        Do not use it.

    Raises
    ------
    HandoffError
        The store is not the one the handoff was made with.
    StoreSpecError, WeightsError, OptionError
        An option asks for another extractor than the store's, or weights cannot be had.
    """
    # The store's extractor wins over the default: its vectors and the model's must be alike.
    opened = None if ignore else _open_named(store)
    choice = choose_extractor(options, opened)
    extractor, tensors = _load_extractor(choice, options)
    source = FeatureSource(
        extractor=extractor,
        tensors=tensors,
        windows=dict(opened.windows) if opened is not None else {},
        bars=dict(opened.bars) if opened is not None else {},
        known=_load_known(opened, parts),
        warnings=choice.warnings,
    )
    return add_windows(source, parts, options=options)


def add_windows(
    source: FeatureSource, parts: Sequence[Part], *, options: ExtractOptions
) -> FeatureSource:
    """Choose windows for the kinds of pictures among these images that have none yet.

    The data bars of sizes that have not been looked at yet are found too.
    """
    if not parts:
        return source
    # Sorted: the sample, and so the windows, depend on the files alone.
    paths = sorted({part.path for part in parts})
    spec, windows, bars = source.spec, dict(source.windows), source.bars
    survey = None if spec.data_bar == "keep" else BarSurvey(bars)
    if spec.window is None:  # else one was given for every kind
        windows |= choose_windows(
            paths,
            windows,
            level=spec.level,
            max_pixels=options.max_pixels,
            reading=spec.reading,
            cut=survey.look if survey is not None else lambda page: page,
        )
    if survey is not None:
        bars = survey_bars(survey, paths, options)
    return replace(source, windows=windows, bars=bars)


def reopen_feature_source(
    spec: ExtractorSpec, tensors: "Mapping[str, torch.Tensor]", *, options: ExtractOptions
) -> FeatureSource:
    """Load a model's extractor, on the device that is here.

    Raises
    ------
    OptionError
        The device is not there.
    """
    plugin = find_extractor(spec.name)
    if not plugin.is_network:
        return FeatureSource(extractor=plugin.load(spec, NO_WEIGHTS, None))
    from embeddings.networks.by_openvino import has_openvino
    from embeddings.networks.hardware import OPENVINO, choose_backend, choose_precision

    # The weights travel in the model: neither a file nor the network is asked for.
    is_here = spec.backend == OPENVINO and options.device != "cuda" and has_openvino()
    backend, device = choose_backend("openvino" if is_here else "torch", options.device)
    here = spec
    if backend != spec.backend:
        precision = choose_precision("auto", device)
        here = replace(spec, backend=backend, precision=precision)
        get_logger().warning(
            "WARNING: the model was trained with %s on %s and answers here with %s on %s: "
            "confidences may differ in the second digit",
            spec.precision, spec.backend, precision, backend,
        )  # fmt: skip
    weights = Weights(name=spec.weights, sha256=spec.weights_sha256, tensors=tensors)
    return FeatureSource(extractor=plugin.load(here, weights, device), tensors=tensors)


def _open_named(named: Mapping[str, Any]) -> Store | None:
    """Open the store that a handoff names; None where there is none any more."""
    if not named.get("path"):
        return None
    path = Path(str(named["path"]))
    if not store_exists(path):
        get_logger().info("the handoff's store %s is not here: features are made anew", path)
        return None
    store = open_store(path)
    # Another run may have embedded anew into the same folder: those vectors were not clustered.
    if store.spec.hash != named.get("spec_hash"):
        raise HandoffError(
            f"the handoff was made with the store {path} of the extractor "
            f"{str(named.get('spec_hash'))[:8]}, which now holds vectors of {store.spec.hash[:8]} "
            f"({store.spec.name}): run discovery.cluster into its run again, or pass --ignore-store"
        )
    return store


def _load_known(store: Store | None, parts: Sequence[Part]) -> dict[str, NDArray[np.float32]]:
    if store is None:
        return {}
    # Images that came after the run have no vector yet; they are described like any other.
    there = set(store.ids().tolist())
    ids = [part.image_id for part in parts if part.image_id in there]
    if not ids:
        return {}
    vectors = store.load_vectors(ids)
    return dict(zip(vectors.ids.tolist(), np.asarray(vectors.values), strict=True))


def _load_extractor(
    choice: Choice, options: ExtractOptions
) -> "tuple[Extractor, Mapping[str, torch.Tensor]]":
    """Load the extractor with the weights it was made of; what is no network has none."""
    weights, device = open_weights(choice, options)
    plugin = find_extractor(choice.spec.name)
    return plugin.load(choice.spec, weights, device), weights.tensors
