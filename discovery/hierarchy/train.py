"""The verb `train_classifier`: from labelled images to a model."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.hierarchy.augment import AugmentOptions
from discovery.hierarchy.cascade import CascadeClassifier
from discovery.hierarchy.describe import (
    Described,
    DescribeOptions,
    describe_images,
    join_described,
)
from discovery.hierarchy.enhance.gate import GateOptions
from discovery.hierarchy.evaluation.answers import judge_answers
from discovery.hierarchy.examples import Examples, describe_faults
from discovery.hierarchy.features import Sight, count_workers, open_sight, widen_sight
from discovery.hierarchy.model import Model
from discovery.hierarchy.options import TrainOptions
from discovery.hierarchy.reading import Reading, read_parts
from discovery.hierarchy.taxonomy import Taxonomy
from discovery.runs import package_versions
from embeddings.console import get_logger, stage
from embeddings.errors import HandoffError

_FEW_IMAGES = 300  # below, varied copies are learned too
_FEW_COPIES = 8
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
    check_types(taxonomy, examples)
    with stage("load extractor") as facts:
        sight = open_sight(
            examples.parts, examples.store, options=options.extract, ignore=options.ignore_store
        )
        facts.update(extractor=sight.spec.name, known=f"{len(sight.known)} vectors")
    with stage("describe images") as facts:
        described, sight = _describe_kinds(examples, sight, options)
        facts.update(images=len(described), copies=described.deep.shape[1])
    learned = _match(examples, described)
    taxonomy = Taxonomy.from_labels(learned.labels.tolist(), definitions=learned.definitions)
    check_types(taxonomy, learned)
    with stage("train") as facts:
        cascade = _fit(learned, described, taxonomy, options=options)
        figures = measure_held_out(cascade, learned.labels)
        facts.update(types=len(taxonomy.leaves), **_say_figures(figures))
    if options.finetune:
        attempt = _finetune(learned, sight, taxonomy, cascade, options=options)
        if attempt is not None:
            sight, described, cascade = attempt
            figures = measure_held_out(cascade, learned.labels) | {"finetuned": 1}
    _warn(learned, described, cascade)
    gate = _make_gate(described, options)
    return Model(
        cascade=cascade,
        spec=sight.spec,
        tensors=sight.tensors,
        windows=sight.windows,
        turns=options.orientations,
        gate=asdict(gate),
        training=_describe_training(learned, described, options, figures)
        | {"warnings": list(sight.warnings)},
    )


def check_types(taxonomy: Taxonomy, examples: Examples) -> None:
    """Refuse labels that leave nothing to tell apart.

    Raises
    ------
    HandoffError
        There is one type.
    """
    if not taxonomy.decision_nodes():
        raise HandoffError(
            f"the labels hold one type ({taxonomy.leaves[0]}, {len(examples)} images), expected "
            "two or more: name another cluster, or label some images no_defect"
        )


def _finetune(
    learned: Examples,
    sight: Sight,
    taxonomy: Taxonomy,
    frozen: CascadeClassifier,
    *,
    options: TrainOptions,
) -> tuple[Sight, Described, CascadeClassifier] | None:
    """Fine-tune and learn again; None where held-out images are not answered better."""
    from discovery.hierarchy.refine import refine_sight

    with stage("fine-tune"):
        refined = refine_sight(sight, learned, _make_reading(sight, options), options=options)
    if refined is None or frozen.held_out_ is None:
        return None
    with stage("describe images again") as facts:
        described = _describe(learned, refined.sight, options)
        facts.update(images=len(described))
    with stage("train again") as facts:
        # Only images that the stage was not tuned on can vouch for what is learned now.
        folds = np.where(refined.held_out, 0, -1).astype(np.int32)
        cascade = _fit(learned, described, taxonomy, options=options, folds=folds)
        before, after = _compare(frozen, cascade, learned.labels)
        facts.update(
            {"right before": int(before.sum()), "right now": int(after.sum()), "of": len(after)}
        )
    return (refined.sight, described, cascade) if after.sum() > before.sum() else None


def _compare(
    frozen: CascadeClassifier, tuned: CascadeClassifier, labels: NDArray[np.str_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which of the images held out of both are answered rightly by each."""
    first, second = frozen.held_out_, tuned.held_out_
    if first is None or second is None:
        return np.zeros(0, bool), np.zeros(0, bool)
    both, at_first, at_second = np.intersect1d(first.which, second.which, return_indices=True)
    return (
        judge_answers(first.paths.forced[at_first], labels[both]),
        judge_answers(second.paths.forced[at_second], labels[both]),
    )


def _make_reading(sight: Sight, options: TrainOptions) -> Reading:
    return Reading(
        spec=sight.spec,
        windows=sight.windows,
        max_pixels=options.extract.max_pixels,
        workers=count_workers(options.extract),
    )


def _describe_kinds(
    examples: Examples, sight: Sight, options: TrainOptions
) -> tuple[Described, Sight]:
    """Describe all, and choose windows for kinds of pictures that the first sample missed."""
    varied = _count_varied(examples, options)
    described = _describe(examples, sight, options)
    while described.deferred:
        sight = widen_sight(sight, described.deferred, max_pixels=options.extract.max_pixels)
        late = {part.image_id for part in described.deferred}
        left = [i for i, part in enumerate(examples.parts) if part.image_id in late]
        again = _describe(
            examples.take(np.array(left, np.intp)), sight, replace(options, varied=varied)
        )
        described = join_described(described, again)
    return described, sight


def _count_varied(examples: Examples, options: TrainOptions) -> int:
    if options.varied is not None:
        return options.varied
    return _FEW_COPIES if len(examples) < _FEW_IMAGES else 0


def _describe(examples: Examples, sight: Sight, options: TrainOptions) -> Described:
    varied = _count_varied(examples, options)
    upright = options.orientations == 1
    return describe_images(
        read_parts(examples.parts, _make_reading(sight, options)),
        sight.extractor,
        options=DescribeOptions(
            turns=options.orientations,
            augment=AugmentOptions(copies=varied, flips=not upright, quarter_turns=not upright)
            if varied
            else None,
            seed=options.seed,
        ),
        known=sight.known,
        batch_size=options.extract.batch_size,
        total=len({part.path for part in examples.parts}),
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


def _fit(
    learned: Examples,
    described: Described,
    taxonomy: Taxonomy,
    *,
    options: TrainOptions,
    folds: NDArray[np.int32] | None = None,
) -> CascadeClassifier:
    cascade = CascadeClassifier(
        blocks=described.blocks if len(described.blocks) > 1 else None,
        shown=min(options.orientations, described.deep.shape[1]),
        target_purity=options.target_purity,
        max_rejection=options.max_rejection,
        false_alarms=options.false_alarms,
        epochs=options.epochs,
        random_state=options.seed,
    )
    # Pages, tiles and crops of one file are held out together: they show the same surface.
    files = np.array([part.image_id[:16] for part in learned.parts], dtype=np.str_)
    return cascade.fit(
        described.rows,
        learned.labels,
        learned.weights,
        groups=files,
        folds=folds,
        taxonomy=taxonomy,
    )


def measure_held_out(
    cascade: CascadeClassifier, labels: NDArray[np.str_]
) -> dict[str, float | int | None]:
    """Score the answers to the training images while each was held out."""
    held = cascade.held_out_
    if held is None:
        return {"n": 0, "accuracy": None, "flat_accuracy": None}
    truth = labels[held.which]
    return {
        "n": len(truth),
        "accuracy": float(judge_answers(held.paths.forced, truth).mean()),
        "flat_accuracy": float(judge_answers(held.flat, truth).mean()),
    }


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
        "images": len(learned),
        "types": dict(sorted(Counter(learned.labels.tolist()).items())),
        "left_out": learned.left_out,
        "unusable": len(learned.faults) + len(described.faults),
        "weighted": int((learned.weights < 1).sum()),
        "options": said,
        "held_out": dict(figures),
        "versions": package_versions(),
    }
