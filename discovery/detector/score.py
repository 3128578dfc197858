"""How good a detector is: average precision of its boxes, error of its counts.

Average precision is COCO's, computed by pycocotools (Lin et al. 2014): 101-point interpolation,
at an intersection over union of .5, and over .5 to .95. A count is the number of boxes at or above
the threshold; its error is |found - true| a picture.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.detector.records import Boxes
from discovery.detector.tiles import measure_overlaps

Pairs = Sequence[tuple[Boxes, Boxes]]  # (truth, found) of each picture
THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.01), 2)
_MOST = 1000  # boxes of a picture that COCO looks at


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
    ap, ap50, by_label = measure_precision(pairs, labels)
    alike = [(_forget(truth), _forget(found)) for truth, found in pairs]
    return {
        "images": len(pairs),
        "boxes": sum(len(truth) for truth, _ in pairs),
        "ap50": ap50,
        "ap": ap,
        "ap50_any_type": measure_precision(alike, ["defect"])[1],
        "ap50_by_label": by_label,
        **_score_counts(pairs, labels, threshold=threshold),
        **_score_hits(pairs, threshold=threshold),
        "threshold": float(threshold),
    }


def choose_threshold(pairs: Pairs) -> float:
    """Choose the score from which boxes count, so that counts err least.

    Of equally good thresholds the middle one is taken: it is furthest from both harms.
    """
    truth = np.array([len(boxes) for boxes, _ in pairs])  # (n,)
    errors = np.array([np.abs(_count(pairs, threshold) - truth).mean() for threshold in THRESHOLDS])
    best = np.flatnonzero(errors <= errors.min() + 1e-9)
    return float(THRESHOLDS[best[len(best) // 2]])


def measure_precision(
    pairs: Pairs, labels: Sequence[str]
) -> tuple[float | None, float | None, dict[str, float | None]]:
    """Return COCO's average precision: over IoU .5 to .95, at .5, and at .5 of each label."""
    if not any(len(truth) for truth, _ in pairs):
        return None, None, dict.fromkeys(labels)
    if not any(len(found) for _, found in pairs):
        present = {int(label) for truth, _ in pairs for label in truth.labels}
        return 0.0, 0.0, {name: 0.0 if i in present else None for i, name in enumerate(labels)}
    precision = _run_coco(pairs, len(labels))  # (thresholds, recalls, labels), -1 without truth
    at_50 = [_mean(precision[0, :, i]) for i in range(len(labels))]
    return _mean(precision), _mean(precision[0]), dict(zip(labels, at_50, strict=True))


def _run_coco(pairs: Pairs, n_labels: int) -> NDArray[np.float64]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = _make_coco([truth for truth, _ in pairs], n_labels)
    found = _make_coco([found for _, found in pairs], n_labels)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells its seconds
        sides = []
        for values in (truth, found):
            coco = COCO()
            coco.dataset = values
            coco.createIndex()
            sides.append(coco)
        judge = COCOeval(sides[0], sides[1], "bbox")
        judge.params.maxDets = [_MOST]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision: NDArray[np.float64] = judge.eval["precision"][:, :, :, 0, 0]
    return precision


def _make_coco(pictures: Sequence[Boxes], n_labels: int) -> dict[str, Any]:
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
    return {
        "images": [{"id": number} for number in range(1, len(pictures) + 1)],
        "annotations": annotations,
        "categories": [{"id": number} for number in range(1, n_labels + 1)],
    }


def _mean(precision: NDArray[np.float64]) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _forget(boxes: Boxes) -> Boxes:
    return Boxes(edges=boxes.edges, labels=np.zeros_like(boxes.labels), scores=boxes.scores)


def _count(pairs: Pairs, threshold: float) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(found.scores >= threshold) for _, found in pairs])


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
    groups = {"0": (0, 0), "1": (1, 1), "2-5": (2, 5), "6-12": (6, 12), "13-": (13, 10**9)}
    told: dict[str, Any] = {}
    for name, (low, high) in groups.items():
        inside = (true >= low) & (true <= high)
        if inside.any():
            told[name] = {"images": int(inside.sum()), "mae": float(errors[inside].mean())}
    return told


def _score_hits(pairs: Pairs, *, threshold: float) -> dict[str, float | None]:
    """Match greedily by score at IoU .5 and the same label, as COCO does."""
    hits = n_found = n_true = 0
    for truth, found in pairs:
        kept = found.take(found.scores >= threshold)
        n_found, n_true = n_found + len(kept), n_true + len(truth)
        hits += count_hits(truth, kept)
    precision = hits / n_found if n_found else None
    recall = hits / n_true if n_true else None
    f1 = 2 * hits / (n_found + n_true) if n_found + n_true else None
    return {"precision": precision, "recall": recall, "f1": f1}


def count_hits(truth: Boxes, found: Boxes, *, iou: float = 0.5) -> int:
    """Count detections that match a box of the truth, each box once, highest score first."""
    common = measure_overlaps(found.edges, truth.edges)  # (found, true)
    union = found.areas[:, None] + truth.areas[None] - common
    overlap = np.where(found.labels[:, None] == truth.labels[None], common / union, 0.0)
    free = np.ones(len(truth), bool)
    hits = 0
    for row in overlap[np.argsort(-found.scores, kind="stable")]:
        best = np.where(free, row, -1).argmax() if free.any() else -1
        if best >= 0 and row[best] >= iou:
            free[best] = False
            hits += 1
    return hits
