"""From labelled images to a model: features, the cascade, and fine-tuning where it helps."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.augment import AugmentOptions
from discovery.classifier.calibration import compare_held_out
from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.describe import (
    Described,
    DescribeOptions,
    describe_images,
    join_described,
)
from discovery.classifier.examples import Examples, describe_faults
from discovery.classifier.features import FeatureSource, add_windows, open_feature_source
from discovery.classifier.finetune import finetune_source
from discovery.classifier.model import Model
from discovery.classifier.noise_limit import choose_gate
from discovery.classifier.options import TrainOptions
from discovery.classifier.progress import describe_chunks, make_training_key
from discovery.classifier.taxonomy import Taxonomy, check_types
from discovery.classifier.trained import (
    Trained,
    format_scores,
    summarise_training,
    warn_of_training,
)
from discovery.classifier.tunable import check_tunable
from discovery.runs.checkpoint import Checkpoint
from embeddings.console import stage
from embeddings.errors import HandoffError
from embeddings.paths import takes_paths
from embeddings.reader import read_parts

_FEW_IMAGES = 300  # below, varied copies are learned too
_FEW_COPIES = 8


@takes_paths
def train_classifier(
    examples: Examples, *, options: TrainOptions | None = None, folder: Path | None = None
) -> Model:
    """Train the cascade, and the flat baseline beside it, from labelled images.

    Parameters
    ----------
    examples : Examples
    options : TrainOptions, optional
    folder : Path, optional
        Where described images and the answers of each fold are kept: a call with the same
        examples and options goes on from there, and comes to the very same model. They stay
        until `Checkpoint.remove`, so that a model that cannot be written is not lost.

    Raises
    ------
    HandoffError
        There are fewer than two types, or every image of the table is gone.
    WeightsError, StoreError, OptionError
        The features cannot be made.
    """
    options = options or TrainOptions()
    # Before the work: one type alone is refused.
    check_types(Taxonomy.from_labels(examples.labels.tolist()), len(examples))
    with stage("load extractor") as facts:
        source = open_feature_source(
            examples.parts, examples.store, options=options.extract, ignore=options.ignore_store
        )
        if options.finetune:
            check_tunable(source.spec)  # now, and not after minutes of work
        # Vectors of the handoff's store are not computed again.
        facts.update(extractor=source.spec.name, known=f"{len(source.known)} vectors")
    key = make_training_key(examples, source.spec, source.windows, options=options)
    checkpoint = Checkpoint(folder, key=key)
    with stage("describe images") as facts:
        described, source = _describe_kinds(examples, source, options, checkpoint)
        facts.update(images=len(described), copies=described.rows.shape[1])
    learned = _match(examples, described)
    with stage("train") as facts:
        trained = Trained(
            cascade=_fit_cascade(learned, described, options, checkpoint=checkpoint),
            source=source,
            learned=learned,
            described=described,
        )
        types = len(trained.cascade.taxonomy_.leaves)
        facts.update(types=types, **format_scores(trained.score_held_out()))
    if options.finetune:
        trained = _finetune(trained, options, checkpoint.within("tuned")) or trained
    warn_of_training(trained)
    return Model(
        cascade=trained.cascade,
        spec=trained.source.spec,
        tensors=trained.source.tensors,
        windows=trained.source.windows,
        bars=trained.source.bars,
        orientations=options.orientations,
        gate=asdict(choose_gate(trained.described, options)),
        training=summarise_training(trained, options),
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


def _describe_kinds(
    examples: Examples, source: FeatureSource, options: TrainOptions, checkpoint: Checkpoint
) -> tuple[Described, FeatureSource]:
    """Describe all, and choose windows for kinds of pictures that the first sample missed."""
    varied = _count_varied(examples, options)
    described = _describe_examples(examples, source, options, checkpoint)
    while described.deferred:
        checkpoint = checkpoint.within("late")  # each turn knows one more kind of picture
        source = add_windows(source, described.deferred, options=options.extract)
        late = {part.image_id for part in described.deferred}
        left = [i for i, part in enumerate(examples.parts) if part.image_id in late]
        again = _describe_examples(
            # As many varied copies as of the first, however few are left.
            examples.take(np.array(left, np.intp)),
            source,
            replace(options, varied=varied),
            checkpoint,
        )
        described = join_described(described, again)
    return described, source


def _count_varied(examples: Examples, options: TrainOptions) -> int:
    if options.varied is not None:
        return options.varied
    return _FEW_COPIES if len(examples) < _FEW_IMAGES else 0


def _describe_examples(
    examples: Examples, source: FeatureSource, options: TrainOptions, checkpoint: Checkpoint
) -> Described:
    """Describe the examples in every orientation; where they are few, in varied copies too."""
    varied = _count_varied(examples, options)
    turned = options.orientations > 1
    augment = AugmentOptions(copies=varied, flips=turned, quarter_turns=turned) if varied else None

    def describe(some: Examples, before: int, total: int) -> Described:
        return describe_images(
            read_parts(some.parts, source.prepare(options.extract)),
            source.extractor,
            options=DescribeOptions(
                orientations=options.orientations, augment=augment, seed=options.seed
            ),
            known=source.known,
            batch_size=options.extract.batch_size,
            total=total,
            before=before,
        )

    return describe_chunks(examples, describe, checkpoint)


def _fit_cascade(
    learned: Examples,
    described: Described,
    options: TrainOptions,
    *,
    folds: NDArray[np.int32] | None = None,
    checkpoint: Checkpoint,
) -> CascadeClassifier:
    """Learn described examples; `folds` says which are held out together (default: in turn)."""
    cascade = CascadeClassifier(
        blocks=described.blocks if len(described.blocks) > 1 else None,
        # Varied copies show what was learned: only real orientations calibrate.
        n_eval_views=described.n_orientations,
        target_purity=options.target_purity,
        max_rejection=options.max_rejection,
        false_alarms=options.false_alarms,
        epochs=options.epochs,
        random_state=options.seed,
    )
    return cascade.fit(
        described.rows,
        learned.labels,
        learned.weights,
        # Pages, tiles and crops of one file are held out together: they show the same surface.
        groups=np.array([part.image_id[:16] for part in learned.parts], dtype=np.str_),
        folds=folds,
        taxonomy=Taxonomy.from_labels(learned.labels.tolist(), definitions=learned.definitions),
        checkpoint=checkpoint,
    )


def _finetune(first: Trained, options: TrainOptions, checkpoint: Checkpoint) -> Trained | None:
    """Fine-tune and learn again; None where held-out images are not answered better."""
    learned, source = first.learned, first.source
    with stage("fine-tune"):
        refined = finetune_source(source, learned, options=options, checkpoint=checkpoint)
    before = first.cascade.calibration_.held_out
    if refined is None or before is None:
        return None
    with stage("describe images again") as facts:
        # Of these very weights: the clock may end fine-tuning elsewhere the next time.
        checkpoint = checkpoint.within(refined.source.spec.weights_sha256[:16])
        described = _describe_examples(learned, refined.source, options, checkpoint)
        facts.update(images=len(described))
    with stage("train again") as facts:
        # Only images that the stage was not tuned on can vouch for what is learned now.
        folds = np.where(refined.held_out, 0, -1).astype(np.int32)
        cascade = _fit_cascade(learned, described, options, folds=folds, checkpoint=checkpoint)
        after = cascade.calibration_.held_out
        if after is None:
            return None  # nothing says whether it helped
        old, new = compare_held_out(before, after, learned.labels)
        facts.update({"right before": int(old.sum()), "right now": int(new.sum()), "of": len(new)})
    # On a tie the extractor stays the one whose vectors a store holds.
    if new.sum() <= old.sum():
        return None
    return replace(
        first, cascade=cascade, source=refined.source, described=described, finetuned=True
    )
