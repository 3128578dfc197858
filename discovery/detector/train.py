"""From a table of boxes to a trained detector: all that happens before and around a training.

options = DetectorTrainOptions(images=Path("images"))
detector, faults = learn_boxes(Path("boxes.csv"), options=options)
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch

from discovery.detector.dataset import ANY_DEFECT, BoxExamples, read_box_examples
from discovery.detector.network import find_backbone
from discovery.detector.options import DetectorTrainOptions
from discovery.detector.pictures import LoadedExamples, leave_out_hidden, load_examples
from discovery.detector.predict import Detector
from discovery.detector.presentation import Presentation
from discovery.detector.spec import DetectorSpec, choose_spec
from discovery.detector.training_loop import Keep, train_detector
from discovery.runs import package_versions
from discovery.runs.checkpoint import Checkpoint
from embeddings.console import stage
from embeddings.errors import InputError
from embeddings.files import hash_file, hash_json
from embeddings.images import fingerprint_file
from embeddings.networks.hardware import choose_device
from embeddings.paths import takes_paths
from embeddings.plurals import tell_count
from embeddings.reader import Fault
from embeddings.weights import Weights

_LEAST = 2  # pictures with boxes: one to learn from, one to judge by


@takes_paths
def learn_boxes(
    table: Path,
    *,
    options: DetectorTrainOptions,
    keep: Keep | None = None,
    folder: Path | None = None,
) -> tuple[Detector, tuple[Fault, ...]]:
    """Read the boxes and their pictures, and train a detector on them.

    Parameters
    ----------
    table : Path
        BOXES.csv.
    options : DetectorTrainOptions
    keep : callable, optional
        Called with the detector whenever an epoch was the best so far.
    folder : Path, optional
        Where each epoch is kept until the training is done: a call with the same boxes, pictures
        and options goes on after the last one, and comes to the very same detector.

    Returns
    -------
    Detector, tuple of (path, reason)
        The detector, and the pictures that were left out because they cannot be read.

    Raises
    ------
    InputError
        Fewer than two pictures with boxes can be read.
    TableError, WeightsError, OptionError
        The table, the weights or the options cannot be used.
    """
    device = choose_device(options.device)  # what cannot be had is told before the long work
    examples = read_box_examples(
        table,
        options.images,
        exclude=options.exclude,
        labels=(ANY_DEFECT,) if options.class_agnostic else None,
    )
    how = Presentation(data_bar=options.data_bar, max_pixels=options.max_pixels)
    with stage("pictures") as facts:
        loaded = _load_pictures(examples, how, table)
        facts["pictures"] = len(loaded.items)
        facts["boxes"] = sum(len(item.boxes) for item in loaded.items)
        facts["types"] = len(examples.labels)
        facts["unreadable"] = len(examples.faults) + len(loaded.faults)
    weights = find_backbone(options.weights)
    spec = choose_spec(
        [item.boxes for item in loaded.items],
        loaded.pictures.sizes,
        labels=examples.labels,
        # Statistics of ImageNet's batches suit its weights; without weights there are none to keep.
        norm="group" if weights is None else "frozen-batch",
        has_reference=loaded.items[0].ref.reference is not None,
        how=how,
        options=options,
    )
    described = _describe(table, weights, options)  # before hours of training, not after
    key = _make_key(loaded, spec, weights, options=options, device=device)
    checkpoint = Checkpoint(folder, key=key)
    with stage("training") as facts:
        detector = train_detector(
            loaded.items,
            loaded.pictures,
            spec,
            options=options,
            backbone=weights.tensors if weights else None,
            device=device,
            keep=None if keep is None else lambda best: keep(_add_facts(best, described)),
            checkpoint=checkpoint,
        )
        facts["tile"], facts["size"] = spec.tile, spec.size
        facts["best epoch"] = detector.facts["epoch"]
    checkpoint.remove()
    return _add_facts(detector, described), (*examples.faults, *loaded.faults)


def _add_facts(detector: Detector, facts: Mapping[str, object]) -> Detector:
    return replace(detector, facts={**detector.facts, **facts})


def _load_pictures(examples: BoxExamples, how: Presentation, table: Path) -> LoadedExamples:
    # A wrong folder would otherwise read as every single picture being damaged.
    absent = [item.ref.path for item in examples.items if not item.ref.path.exists()]
    if absent:
        raise InputError(
            f"{table}: {len(absent)} of {len(examples.items)} pictures do not exist, the first is "
            f"{absent[0]}; paths are absolute or start at the table's folder"
        )
    how.fix_from([item.ref for item in examples.items])
    loaded = leave_out_hidden(load_examples(examples.items, how))
    with_boxes = sum(len(item.boxes) > 0 for item in loaded.items)
    if with_boxes < _LEAST:
        raise InputError(
            f"{table}: boxes in {tell_count(with_boxes, 'readable picture')}, expected {_LEAST} "
            "pictures with boxes at least: one to learn from, one to judge by"
        )
    return loaded


def _describe(
    table: Path, weights: Weights | None, options: DetectorTrainOptions
) -> dict[str, object]:
    given = {key: str(v) if isinstance(v, Path) else v for key, v in asdict(options).items()}
    return {
        "weights": {"name": weights.name, "sha256": weights.sha256} if weights else None,
        "boxes_sha256": hash_file(table),
        "options": given,
        "versions": package_versions(),
    }


def _make_key(
    loaded: LoadedExamples,
    spec: DetectorSpec,
    weights: Weights | None,
    *,
    options: DetectorTrainOptions,
    device: torch.device,
) -> str:
    """Return a hash of all that decides what comes of a training, wherever its files lie."""
    given = asdict(options)
    del given["images"], given["exclude"], given["weights"]  # by what is in them, below
    pictures = [
        {
            "file": fingerprint_file(item.ref.path),
            "page": item.ref.page,
            "reference": item.ref.reference and fingerprint_file(Path(item.ref.reference)),
            "boxes": item.boxes.edges.tolist(),
            "labels": item.boxes.labels.tolist(),
        }
        for item in loaded.items
    ]
    return hash_json(
        {
            "pictures": pictures,
            "spec": asdict(spec),
            "weights": weights.sha256 if weights else None,
            "options": given,
            "device": device.type,
            "versions": package_versions(),
        }
    )
