"""The verb `train_classifier`: from labelled images to a model."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.describe import Described
from discovery.classifier.enhance.gate import GateOptions
from discovery.classifier.examples import Examples, describe_faults
from discovery.classifier.features import open_feature_source
from discovery.classifier.leaks import list_ids
from discovery.classifier.model import Model
from discovery.classifier.options import TrainOptions
from discovery.classifier.refine import finetune_cascade
from discovery.classifier.taxonomy import Taxonomy, check_types
from discovery.classifier.training_data import describe_kinds, fit_cascade, measure_held_out
from discovery.runs import package_versions
from embeddings.console import get_logger, stage
from embeddings.errors import HandoffError

# What training images have may be exceeded by half before an image counts as noisy.
_NOISE_MARGIN = 1.5
_NOISE_FLOOR = 0.02  # of the grey range: below, nothing is lost in noise


def train_classifier(examples: Examples, *, options: TrainOptions | None = None) -> Model:
    """Train the cascade, and the flat baseline beside it, from labelled images.

    Raises
    ------
    HandoffError
        There are fewer than two types, or every image of the table is gone.
    WeightsError, StoreError, OptionError
        The features cannot be made.
    """
    options = options or TrainOptions()
    taxonomy = Taxonomy.from_labels(examples.labels.tolist(), definitions=examples.definitions)
    check_types(taxonomy, len(examples))
    with stage("load extractor") as facts:
        source = open_feature_source(
            examples.parts, examples.store, options=options.extract, ignore=options.ignore_store
        )
        facts.update(extractor=source.spec.name, known=f"{len(source.known)} vectors")
    with stage("describe images") as facts:
        described, source = describe_kinds(examples, source, options)
        facts.update(images=len(described), copies=described.deep.shape[1])
    learned = _match(examples, described)
    taxonomy = Taxonomy.from_labels(learned.labels.tolist(), definitions=learned.definitions)
    with stage("train") as facts:
        cascade = fit_cascade(learned, described, taxonomy, options=options)
        figures = measure_held_out(cascade, learned.labels)
        facts.update(types=len(taxonomy.leaves), **_say_figures(figures))
    if options.finetune:
        attempt = finetune_cascade(learned, source, cascade, taxonomy=taxonomy, options=options)
        if attempt is not None:
            source, described, cascade = attempt
            figures = measure_held_out(cascade, learned.labels) | {"finetuned": 1}
    _warn(learned, described, cascade)
    gate = _make_gate(described, options)
    return Model(
        cascade=cascade,
        spec=source.spec,
        tensors=source.tensors,
        windows=source.windows,
        turns=options.orientations,
        gate=asdict(gate),
        training=_describe_training(learned, described, options, figures)
        | {"warnings": list(source.warnings)},
    )


def _match(examples: Examples, described: Described) -> Examples:
    """Return the examples that could be described, in that order."""
    place = {part.image_id: i for i, part in enumerate(examples.parts)}
    if not len(described):
        raise HandoffError(
            f"none of the {len(examples)} labelled images can be read: "
            f"{describe_faults(described.faults)}"
        )
    return examples.take(np.array([place[name] for name in described.ids.tolist()], np.intp))


def _say_figures(figures: Mapping[str, float | int | None]) -> dict[str, str]:
    if not figures["n"]:
        return {"held out": "none"}
    return {
        "held-out accuracy": f"{figures['accuracy']:.3f}",
        "flat baseline": f"{figures['flat_accuracy']:.3f}",
    }


def _warn(learned: Examples, described: Described, cascade: CascadeClassifier) -> None:
    """Say what a user must know of what was learned."""
    log = get_logger()
    faults = [*learned.faults, *described.faults]
    if faults:
        log.warning(
            "WARNING: %d labelled images could not be used: %s",
            len(faults), describe_faults(faults),
        )  # fmt: skip
    counts = Counter(learned.labels.tolist())
    if single := sorted(label for label, count in counts.items() if count == 1):
        log.warning(
            "WARNING: learned from one image each, so that nothing can vouch for them: %s",
            ", ".join(single),
        )
    if np.isinf(cascade.thresholds_).any():
        log.warning(
            "WARNING: no confidence gives the purity that is asked for (%s) at every level: "
            "answers stop above it; label more images, or lower --target-purity",
            cascade.target_purity,
        )


def _make_gate(described: Described, options: TrainOptions) -> GateOptions:
    threshold = options.noise_threshold
    if threshold is None:
        measured = described.noises[~np.isnan(described.noises)]
        usual = float(np.percentile(measured, 99)) if len(measured) else 0.0
        threshold = min(max(_NOISE_MARGIN * usual, _NOISE_FLOOR), 0.9)
    return GateOptions(threshold=round(threshold, 4), method=options.denoise)


def _describe_training(
    learned: Examples,
    described: Described,
    options: TrainOptions,
    figures: Mapping[str, float | int | None],
) -> dict[str, Any]:
    said = asdict(options)
    del said["extract"]  # the spec says what came of it
    return {
        "source": learned.source,
        "sha256": learned.sha256,
        "digest": learned.digest,
        "image_ids": list_ids([part.image_id for part in learned.parts]),
        "images": len(learned),
        "types": dict(sorted(Counter(learned.labels.tolist()).items())),
        "left_out": learned.left_out,
        "unusable": len(learned.faults) + len(described.faults),
        "weighted": int((learned.weights < 1).sum()),
        "options": said,
        "held_out": dict(figures),
        "versions": package_versions(),
    }
