"""Examples become rows, and rows become a cascade: what training and fine-tuning share."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.augment import AugmentOptions
from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.describe import (
    Described,
    DescribeOptions,
    describe_images,
    join_described,
)
from discovery.classifier.evaluation.correctness import judge_answers
from discovery.classifier.examples import Examples
from discovery.classifier.features import FeatureSource, add_windows
from discovery.classifier.options import TrainOptions
from discovery.classifier.taxonomy import Taxonomy
from embeddings.reader import Preparation, read_parts

_FEW_IMAGES = 300  # below, varied copies are learned too
_FEW_COPIES = 8


def make_reading(source: FeatureSource, options: TrainOptions) -> Preparation:
    """Return how pictures are brought to what the extractor sees."""
    return Preparation(
        spec=source.spec,
        windows=source.windows,
        max_pixels=options.extract.max_pixels,
        workers=options.extract.threads,
    )


def describe_kinds(
    examples: Examples, source: FeatureSource, options: TrainOptions
) -> tuple[Described, FeatureSource]:
    """Describe all, and choose windows for kinds of pictures that the first sample missed."""
    varied = _count_varied(examples, options)
    described = describe_examples(examples, source, options)
    while described.deferred:
        source = add_windows(source, described.deferred, max_pixels=options.extract.max_pixels)
        late = {part.image_id for part in described.deferred}
        left = [i for i, part in enumerate(examples.parts) if part.image_id in late]
        again = describe_examples(
            examples.take(np.array(left, np.intp)), source, replace(options, varied=varied)
        )
        described = join_described(described, again)
    return described, source


def _count_varied(examples: Examples, options: TrainOptions) -> int:
    if options.varied is not None:
        return options.varied
    return _FEW_COPIES if len(examples) < _FEW_IMAGES else 0


def describe_examples(
    examples: Examples, source: FeatureSource, options: TrainOptions
) -> Described:
    """Describe the examples in every orientation; where they are few, in varied copies too."""
    varied = _count_varied(examples, options)
    upright = options.orientations == 1
    return describe_images(
        read_parts(examples.parts, make_reading(source, options)),
        source.extractor,
        options=DescribeOptions(
            turns=options.orientations,
            augment=AugmentOptions(copies=varied, flips=not upright, quarter_turns=not upright)
            if varied
            else None,
            seed=options.seed,
        ),
        known=source.known,
        batch_size=options.extract.batch_size,
        total=len({part.path for part in examples.parts}),
    )


def fit_cascade(
    learned: Examples,
    described: Described,
    taxonomy: Taxonomy,
    *,
    options: TrainOptions,
    folds: NDArray[np.int32] | None = None,
) -> CascadeClassifier:
    """Learn described examples; `folds` says which are held out together (default: in turn)."""
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


def compare_held_out(
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
