"""From a table of boxes to a trained detector: all that happens before and around a training.

options = DetectorTrainOptions(images=Path("images"))
detector, faults = learn_boxes(Path("boxes.csv"), options=options)
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from discovery.detector.dataset import ANY_DEFECT, BoxExamples, read_box_examples
from discovery.detector.network import find_backbone
from discovery.detector.options import DetectorTrainOptions
from discovery.detector.pictures import GreyWindows, LoadedExamples, load_examples
from discovery.detector.predict import Detector
from discovery.detector.spec import choose_spec
from discovery.detector.training_loop import Keep, train_detector
from discovery.runs import package_versions
from embeddings.console import stage
from embeddings.errors import InputError
from embeddings.files import hash_file
from embeddings.networks.hardware import choose_device
from embeddings.reader import Fault
from embeddings.weights import Weights

_LEAST = 2  # pictures with boxes: one to learn from, one to judge by


def learn_boxes(
    table: Path, *, options: DetectorTrainOptions, keep: Keep | None = None
) -> tuple[Detector, tuple[Fault, ...]]:
    """Read the boxes and their pictures, and train a detector on them.

    Parameters
    ----------
    table : Path
        BOXES.csv.
    options : DetectorTrainOptions
    keep : callable, optional
        Called with the detector whenever an epoch was the best so far.

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
        table, options.images, labels=(ANY_DEFECT,) if options.class_agnostic else None
    )
    windows = GreyWindows(max_pixels=options.max_pixels)
    with stage("pictures") as facts:
        loaded = _load_pictures(examples, windows, table)
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
        windows=windows.known,
        options=options,
    )
    described = _describe(table, weights, options)  # before hours of training, not after
    with stage("training") as facts:
        detector = train_detector(
            loaded.items,
            loaded.pictures,
            spec,
            options=options,
            backbone=weights.tensors if weights else None,
            device=device,
            keep=None if keep is None else lambda best: keep(_add_facts(best, described)),
        )
        facts["tile"], facts["size"] = spec.tile, spec.size
        facts["best epoch"] = detector.facts["epoch"]
    return _add_facts(detector, described), (*examples.faults, *loaded.faults)


def _add_facts(detector: Detector, facts: Mapping[str, object]) -> Detector:
    return replace(detector, facts={**detector.facts, **facts})


def _load_pictures(examples: BoxExamples, windows: GreyWindows, table: Path) -> LoadedExamples:
    # A wrong folder would otherwise read as every single picture being damaged.
    absent = [item.ref.path for item in examples.items if not item.ref.path.exists()]
    if absent:
        raise InputError(
            f"{table}: {len(absent)} of {len(examples.items)} pictures do not exist, the first is "
            f"{absent[0]}; paths are absolute or start at the table's folder"
        )
    windows.fix_from([item.ref for item in examples.items])
    loaded = load_examples(examples.items, windows)
    with_boxes = sum(len(item.boxes) > 0 for item in loaded.items)
    if with_boxes < _LEAST:
        raise InputError(
            f"{table}: boxes in {with_boxes} readable pictures, expected {_LEAST} pictures with "
            "boxes at least: one to learn from, one to judge by"
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
