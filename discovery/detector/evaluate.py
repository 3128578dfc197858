"""How good a detector is: average precision of its boxes, error of its counts.

Average precision is COCO's, computed by pycocotools (Lin et al. 2014): 101-point interpolation,
at an intersection over union of .5, and over .5 to .95. A count is the number of boxes at or above
the threshold; its error is |found - true| a picture.
"""

import contextlib
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.detector.boxes import Boxes
from discovery.detector.dataset import read_box_examples
from discovery.detector.options import DetectorEvaluateOptions
from discovery.detector.pictures import Pixels, load_examples
from discovery.detector.predict import Detector, find_boxes, recall_presentation
from embeddings.console import track
from embeddings.errors import InputError, ModelError
from embeddings.plurals import tell_count
from embeddings.reader import Fault

Pairs = Sequence[tuple[Boxes, Boxes]]  # (truth, found) of each picture
# Below .05 the network keeps no box; steps of .01 are finer than held-out counts can tell apart.
THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.01), 2)
_MAX_DETECTIONS = 1000  # boxes of a picture that COCO looks at; its own 100 are too few for dust
# True counts whose errors are told apart: one missed of one is worse than one missed of thirteen.
_COUNT_GROUPS = {"0": (0, 0), "1": (1, 1), "2-5": (2, 5), "6-12": (6, 12), "13-": (13, 10**9)}


def evaluate_detector(
    detector: Detector, table: Path, *, options: DetectorEvaluateOptions
) -> tuple[dict[str, Any], tuple[Fault, ...]]:
    """Score a detector against a table of boxes.

    Returns
    -------
    dict, tuple of (path, reason)
        The scores (`score_detections`) with the number of `unreadable` pictures, and these.

    Raises
    ------
    TableError
        The table cannot be used, or has a label that the detector was not taught.
    ModelError
        The detector was trained with golden references and the table gives none.
    InputError
        None of the pictures can be read.
    """
    examples = read_box_examples(
        table, options.images, exclude=options.exclude, labels=detector.spec.labels
    )
    if detector.spec.has_reference and examples.items[0].ref.reference is None:
        raise ModelError(
            f"the detector was trained with golden references and {table} gives none: add a "
            "column reference, or pass --images a CSV that has it"
        )
    how = recall_presentation(detector.spec, max_pixels=options.max_pixels)
    how.fix_from([item.ref for item in examples.items])
    loaded = load_examples(examples.items, how)  # a box in a data bar is one that is missed
    if not loaded.items:
        raise InputError(
            f"{table}: none of its {tell_count(len(examples.items), 'picture')} can be read"
        )
    pairs = [
        (item.boxes, find_boxes(detector, pixels, tile=options.tile))
        for item, pixels in track(
            zip(loaded.items, loaded.pictures, strict=True),
            total=len(loaded.items),
            what="images",
        )
    ]
    threshold = detector.threshold if options.threshold is None else options.threshold
    scores = score_detections(pairs, detector.spec.labels, threshold=threshold)
    faults = (*examples.faults, *loaded.faults)
    return scores | {"unreadable": len(faults)}, faults


def validate_detector(
    detector: Detector, truth: Sequence[Boxes], pictures: Iterable[Pixels]
) -> Detector:
    """Return the detector with the threshold and the figures of these held-out pictures."""
    pairs = [
        (boxes, find_boxes(detector, pixels)) for boxes, pixels in zip(truth, pictures, strict=True)
    ]
    threshold = choose_count_threshold(pairs)
    figures = score_detections(pairs, detector.spec.labels, threshold=threshold)
    facts = detector.facts | {"held_out_figures": figures}
    return replace(detector, threshold=threshold, facts=facts)


def choose_count_threshold(pairs: Pairs) -> float:
    """Choose the score from which boxes count, so that counts err least.

    Of equally good thresholds the middle one is taken: it is furthest from both harms.
    """
    truth = np.array([len(boxes) for boxes, _ in pairs])  # (n,)
    counts = np.array(
        [[np.count_nonzero(found.scores >= t) for _, found in pairs] for t in THRESHOLDS]
    )  # (thresholds, n)
    errors = np.abs(counts - truth).mean(axis=1)
    best = np.flatnonzero(errors <= errors.min() + 1e-9)
    return float(THRESHOLDS[best[len(best) // 2]])


def score_detections(pairs: Pairs, labels: Sequence[str], *, threshold: float) -> dict[str, Any]:
    """Score found boxes against the truth.

    Parameters
    ----------
    pairs : sequence of (Boxes, Boxes)
        Truth and detections (all scores) of each picture.
    labels : sequence of str
        What the positions in `Boxes.labels` mean.
    threshold : float
        Score from which a box counts.

    Returns
    -------
    dict
        images, boxes, ap50, ap (.5 to .95), ap50_any_type (types disregarded), ap50_by_label,
        count_mae, count_bias, count_exact (share of pictures), count_mae_by_label,
        count_mae_by_true_count, and precision, recall and f1 (IoU .5, type and all) at the
        threshold. None where there is nothing to score.
    """
    matched = match_boxes(pairs, len(labels))
    any_type = match_boxes([(_drop_labels(true), _drop_labels(found)) for true, found in pairs], 1)
    return {
        "images": len(pairs),
        "boxes": sum(len(truth) for truth, _ in pairs),
        "ap50": _average(matched.precision[0]),
        "ap": _average(matched.precision),
        "ap50_any_type": _average(any_type.precision[0]),
        "ap50_by_label": {
            label: _average(matched.precision[0, :, i]) for i, label in enumerate(labels)
        },
        **_score_counts(pairs, labels, threshold=threshold),
        **_score_hits(pairs, matched.hit_scores, threshold=threshold),
        "threshold": float(threshold),
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """What COCO's evaluation says of detections: by score, each takes the best free true box.

    Attributes
    ----------
    precision : (10, 101, labels) float64
        At each IoU (.5 to .95) and recall (0 to 1); -1 of labels without a true box.
    hit_scores : (hits,) float32
        Scores of the detections that match a true box of their label at IoU .5. A detection's match
        does not depend on those of lower scores, so a threshold may be applied afterwards.
    """

    precision: NDArray[np.float64]
    hit_scores: NDArray[np.float32]


def match_boxes(pairs: Pairs, n_labels: int) -> Matches:
    """Match found boxes to true ones of the same label, with pycocotools."""
    from pycocotools.cocoeval import COCOeval

    if not any(len(truth) for truth, _ in pairs) or not any(len(found) for _, found in pairs):
        # pycocotools cannot index what is empty: labels with a true box have precision 0.
        labels = [label for truth, _ in pairs for label in truth.labels]
        present = np.isin(np.arange(n_labels), labels)
        precision = np.broadcast_to(np.where(present, 0.0, -1.0), (10, 101, n_labels))
        return Matches(precision=precision, hit_scores=np.zeros(0, np.float32))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how long it takes
        judge = COCOeval(
            _make_coco([truth for truth, _ in pairs], n_labels),
            _make_coco([found for _, found in pairs], n_labels),
            "bbox",
        )
        # The first bounds precision, the last the matches: counts have no bound.
        judge.params.maxDets = [_MAX_DETECTIONS, sys.maxsize]
        # One range of areas: what small and large mean on photographs means nothing here.
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    hits = [np.zeros(0, np.float32)]
    for image in judge.evalImgs:  # one a label and picture; None where it has neither
        if image is not None:
            is_hit = image["dtMatches"][0] > 0  # (detections,) at the first IoU, .5
            hits.append(np.asarray(image["dtScores"], np.float32)[is_hit])
    return Matches(precision=judge.eval["precision"][..., 0, 0], hit_scores=np.concatenate(hits))


def _make_coco(pictures: Sequence[Boxes], n_labels: int) -> Any:
    """Hold boxes as pycocotools' COCO; its numbers start at 1, as 0 means no match."""
    from pycocotools.coco import COCO

    annotations: list[dict[str, Any]] = []
    for number, boxes in enumerate(pictures, start=1):
        for edges, label, score in zip(boxes.edges, boxes.labels, boxes.scores, strict=True):
            width, height = (float(v) for v in edges[2:] - edges[:2])
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": int(label) + 1,
                    "bbox": [float(edges[0]), float(edges[1]), width, height],
                    "score": float(score), "area": width * height, "iscrowd": 0,
                }
            )  # fmt: skip
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(1, len(pictures) + 1)],
        "annotations": annotations,
        "categories": [{"id": number} for number in range(1, n_labels + 1)],
    }
    coco.createIndex()
    return coco


def _average(precision: NDArray[np.float64]) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _drop_labels(boxes: Boxes) -> Boxes:
    return Boxes(edges=boxes.edges, labels=np.zeros_like(boxes.labels), scores=boxes.scores)


def _score_counts(pairs: Pairs, labels: Sequence[str], *, threshold: float) -> dict[str, Any]:
    if not pairs:
        return dict.fromkeys(("count_mae", "count_bias", "count_exact", "count_mae_by_label"))
    k = len(labels)
    truth = np.stack([np.bincount(truth.labels, minlength=k) for truth, _ in pairs])  # (n, k)
    kept = [found.labels[found.scores >= threshold] for _, found in pairs]
    found = np.stack([np.bincount(labels_, minlength=k) for labels_ in kept])  # (n, k)
    total = found.sum(axis=1) - truth.sum(axis=1)  # (n,)
    by_label = np.abs(found - truth).mean(axis=0)
    return {
        "count_mae": float(np.abs(total).mean()),
        "count_bias": float(total.mean()),
        "count_exact": float((total == 0).mean()),
        "count_mae_by_label": dict(zip(labels, map(float, by_label), strict=True)),
        "count_mae_by_true_count": _group_errors(truth.sum(axis=1), np.abs(total)),
    }


def _group_errors(true: NDArray[np.int64], errors: NDArray[np.int64]) -> dict[str, Any]:
    """Average (n,) errors over pictures of alike true counts (n,); empty groups are left out."""
    groups: dict[str, Any] = {}
    for name, (low, high) in _COUNT_GROUPS.items():
        inside = (true >= low) & (true <= high)
        if inside.any():
            groups[name] = {"images": int(inside.sum()), "mae": float(errors[inside].mean())}
    return groups


def _score_hits(
    pairs: Pairs, hit_scores: NDArray[np.float32], *, threshold: float
) -> dict[str, float | None]:
    hits = int(np.count_nonzero(hit_scores >= threshold))
    n_found = sum(int(np.count_nonzero(found.scores >= threshold)) for _, found in pairs)
    n_true = sum(len(truth) for truth, _ in pairs)
    return {
        "precision": hits / n_found if n_found else None,
        "recall": hits / n_true if n_true else None,
        "f1": 2 * hits / (n_found + n_true) if n_found + n_true else None,
    }
