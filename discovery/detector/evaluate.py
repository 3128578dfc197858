"""Run a detector on pictures whose boxes are known, and score it."""

from pathlib import Path
from typing import Any

from discovery.detector.boxes import read_examples
from discovery.detector.gather import gather_pictures
from discovery.detector.options import EvaluateOptions
from discovery.detector.predict import Detector, find_boxes
from discovery.detector.records import Unreadable
from discovery.detector.score import score_detections
from discovery.detector.views import GreyWindows
from embeddings.console import track
from embeddings.errors import InputError, ModelError


def evaluate_detector(
    detector: Detector, table: Path, *, options: EvaluateOptions
) -> tuple[dict[str, Any], tuple[Unreadable, ...]]:
    """Score a detector against a table of boxes.

    Returns
    -------
    dict, tuple of Unreadable
        The scores (`score.score_detections`) with the number of `unreadable` pictures, and these.

    Raises
    ------
    TableError
        The table cannot be used, or has a label that the detector was not taught.
    ModelError
        The detector was trained with golden references and the table gives none.
    InputError
        None of the pictures can be read.
    """
    examples = read_examples(table, options.images, labels=detector.spec.labels)
    if detector.spec.has_reference and examples.items[0].place.reference is None:
        raise ModelError(
            f"the detector was trained with golden references and {table} gives none: add a "
            "column reference, or pass --images a CSV that has it"
        )
    windows = GreyWindows(detector.spec.windows)
    windows.fix_from([item.place for item in examples.items])
    gathered = gather_pictures(examples.items, windows)
    if not gathered.items:
        raise InputError(f"{table}: none of its {len(examples.items)} pictures can be read")
    pairs = [
        (item.boxes, find_boxes(detector, view, tile=options.tile))
        for item, view in track(
            zip(gathered.items, gathered.views, strict=True),
            total=len(gathered.items),
            what="images",
        )
    ]
    threshold = detector.threshold if options.threshold is None else options.threshold
    scores = score_detections(pairs, detector.spec.labels, threshold=threshold)
    faults = (*examples.faults, *gathered.faults)
    return scores | {"unreadable": len(faults)}, faults
