"""Whether fine-tuning the last stage is worth it: trained, and offered where it is no chance.

A fifth of the images is held out of it: they say when to stop, and only they can vouch for
what is learned on the tuned features.
"""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.augment import turn_picture
from discovery.classifier.calibration import assign_folds
from discovery.classifier.describe import ORIENTATIONS
from discovery.classifier.examples import Examples
from discovery.classifier.features import FeatureSource
from discovery.classifier.finetune import FineTuned, FineTuneOptions, finetune_stage
from discovery.classifier.options import TrainOptions
from discovery.classifier.taxonomy import Taxonomy
from embeddings.console import get_logger
from embeddings.extractors import find_network
from embeddings.reader import Preparation, read_parts
from embeddings.records import ExtractorSpec
from embeddings.weights import Weights

Image = NDArray[np.float32]

_FOLDS = 5
_BATCH = 16  # images
# Below it, held-out images are answered better by the tuned stage than by luck.
_MOST_CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """A tuned extractor, and the images (n,) that were held out of the tuning."""

    source: FeatureSource
    held_out: NDArray[np.bool_]


def finetune_source(
    source: FeatureSource, examples: Examples, reading: Preparation, *, options: TrainOptions
) -> Refined | None:
    """Fine-tune the extractor's last stage on the examples; None where nothing is gained.

    Parameters
    ----------
    examples : Examples
        Those that can be read; pictures of one shape.

    Raises
    ------
    OptionError
        The features do not use the last stage.
    """
    from embeddings.networks.hardware import choose_device

    files = np.array([part.image_id[:16] for part in examples.parts], dtype=np.str_)
    folds = assign_folds(examples.labels, count=_FOLDS, seed=options.seed, groups=files)
    held_out = folds == 0
    leaves = Taxonomy.from_labels(examples.labels.tolist()).leaves
    place = {leaf: i for i, leaf in enumerate(leaves)}
    tuned = finetune_stage(
        _stack_batches(examples, reading, orientations=options.orientations),
        np.array([place.get(label, -1) for label in examples.labels.tolist()], np.intp),
        examples.weights,
        held_out=held_out,
        tensors=source.tensors,
        spec=source.spec,
        options=FineTuneOptions(max_minutes=options.finetune_minutes, seed=options.seed),
        device=choose_device(options.extract.device),
    )
    if not _is_worth_it(tuned):
        return None
    return Refined(source=_make_tuned_source(source, tuned), held_out=held_out)


def _is_worth_it(tuned: FineTuned) -> bool:
    worth = tuned.best_epoch > 0 and tuned.chance < _MOST_CHANCE
    get_logger().info(
        "fine-tuning: best epoch %d of %d, held-out images gain by chance with p %.3f: %s (%.0f s)",
        tuned.best_epoch, max(len(tuned.history) - 1, 0), tuned.chance,
        "tried" if worth else "left as it came", tuned.seconds,
    )  # fmt: skip
    return worth


def _stack_batches(
    examples: Examples, reading: Preparation, *, orientations: int
) -> Iterator[Image]:
    """Yield (b, copies, c, h, w) pictures in the order of the examples."""
    images = (image for file in read_parts(examples.parts, reading) for _, image in file.images)
    while batch := list(itertools.islice(images, _BATCH)):
        yield np.stack([_turn(image, orientations) for image in batch])


def _turn(image: Image, orientations: int) -> Image:
    return np.stack([turn_picture(image, k) for k in range(ORIENTATIONS)[:orientations]])


def _make_tuned_source(source: FeatureSource, tuned: FineTuned) -> FeatureSource:
    from embeddings.networks.hardware import choose_device

    sha256 = _hash_tensors(tuned)
    spec: ExtractorSpec = replace(
        source.spec, weights=f"{source.spec.weights}, fine-tuned", weights_sha256=sha256
    )
    weights = Weights(name=spec.weights, sha256=sha256, tensors=tuned.tensors)
    device = choose_device("cuda" if "cuda" in spec.backend else "cpu")
    return replace(
        source,
        extractor=find_network(spec.name).load(spec, weights, device),
        tensors=tuned.tensors,
        known={},  # a store's vectors were made by the stage as it came
    )


def _hash_tensors(tuned: FineTuned) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tuned.tensors.items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()
