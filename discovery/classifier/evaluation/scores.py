"""Every figure of metrics.json: the cascade against the truth and against the flat classifier.

    scores = score_predictions(predictions, truth, flat=flat)

`score_novelty` and `summarise_left_out` score how well types nobody trained on are noticed. All
results are JSON-ready: what is not defined is None, nothing is NaN.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from discovery.classifier.evaluation.calibration import (
    BINS,
    bin_reliability,
    expect_ece,
    measure_brier,
    measure_ece,
)
from discovery.classifier.evaluation.correctness import (
    compare_paired,
    count_parts,
    find_inner,
    judge_answers,
    judge_vouched,
    score_classes,
    score_levels,
    score_share,
    take_confidences,
)
from discovery.classifier.evaluation.coverage import thin_curve, trace_risk_coverage
from discovery.records import Predictions

_NOISE_BANDS = 3  # quiet, middle, noisy: more would be too few images each
FALSE_ALARMS = 0.05  # share of known images that a line can bear to see called unknown
_NOVELTY_MEASURES = ("auroc", "recall_at_5_false_alarms")


def score_predictions(
    predictions: Predictions,
    truth: NDArray[np.str_],
    *,
    flat: NDArray[np.str_] | None = None,
    bins: int = BINS,
    noise_gate: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score a cascade's answers for n images.

    Parameters
    ----------
    predictions : Predictions
    truth : (n,) array of str
        Label paths, aligned with the predictions; they may stop at any node.
    flat : (n,) array of str, optional
        The flat classifier's answers to the same images.
    bins : int
        Bins of equal mass for calibration.
    noise_gate : mapping, optional
        What is known of the noise gate, JSON-ready: passed through.

    Returns
    -------
    dict
        ``n``; ``accuracy`` : the forced answer at the truth's own depth; ``flat_accuracy`` by the
        same rule; both with their ``..._interval`` (Wilson, 95 %); ``flat_difference``.
        ``levels`` : see `score_levels`; ``final`` : `score_classes` at the truth's own depth, a
        wrong answer standing there as it is.
        ``coverage`` : share named; ``accuracy_named`` : of those, at the depth vouched for;
        ``named_whole`` : share named down to the forced answer; ``rejected`` : shares.
        ``ece``, ``ece_by_chance`` (what perfect calibration would show), ``brier``,
        ``mean_confidence``, ``reliability`` : `confidences`, down to the truth where it is an
        inner node, against `accuracy`. ``aurc``, ``eaurc``, ``risk_coverage`` : the forced answers
        by `confidences`. ``noise`` : see `score_noise_bands`. ``noise_gate``.

    Raises
    ------
    ValueError
        There is no image, the lengths differ, or a truth is empty.
    """
    n = len(predictions)
    if not n or truth.shape != (n,) or (flat is not None and flat.shape != (n,)):
        raise ValueError(f"{n} predictions, truth {truth.shape}, expected as many, 1 or more")
    if (truth == "").any():
        raise ValueError("a truth is empty: leave images without one out")
    right = judge_answers(predictions.forced, truth)
    return {
        "n": n,
        **score_share("accuracy", int(right.sum()), n),
        **_score_flat(right, truth, flat),
        "levels": score_levels(predictions.forced, truth),
        # Whole wrong answers, so that the confusions name what was said.
        "final": score_classes(_answer_like(predictions.forced, truth), truth),
        **_score_named(predictions, truth),
        **_score_confidence(predictions, truth, bins),
        "noise": score_noise_bands(predictions, right),
        "noise_gate": None if noise_gate is None else dict(noise_gate),
    }


def score_variant(name: str, answers: NDArray[np.str_], truth: NDArray[np.str_]) -> dict[str, Any]:
    """Score one variant of the classifier as a row of the ablation table.

    Returns
    -------
    dict
        ``name``, ``n``, ``accuracy`` of the (n,) answers at the truth's own depth,
        ``accuracy_interval``, ``f1`` : macro, and ``levels`` : accuracy at each depth.
    """
    if answers.shape != truth.shape or not len(truth):
        raise ValueError(f"{len(answers)} answers for {len(truth)} true labels")
    share = score_share("accuracy", int(judge_answers(answers, truth).sum()), len(truth))
    f1 = score_classes(_answer_like(answers, truth), truth)["f1"]
    levels = {depth: one["accuracy"] for depth, one in score_levels(answers, truth).items()}
    return {"name": name, "n": len(truth), **share, "f1": f1, "levels": levels}


def score_noise_bands(predictions: Predictions, right: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Score the (n,) forced answers in three bands of equal mass by noise; None if unmeasured.

    Returns
    -------
    dict or None
        ``measured`` : count; ``bands`` : ``low``, ``high`` (noise as a share of the grey range),
        ``n``, ``accuracy``, ``coverage`` (share named), the quietest first.
    """
    measured = np.flatnonzero(~np.isnan(predictions.noises))
    if not len(measured):
        return None
    # Stable, so that the bands of equal noises do not depend on the sort.
    order = measured[np.argsort(predictions.noises[measured], kind="stable")]
    bands = [band for band in np.array_split(order, _NOISE_BANDS) if len(band)]
    return {
        "measured": len(measured),
        "bands": [
            {
                "low": float(predictions.noises[band[0]]),
                "high": float(predictions.noises[band[-1]]),
                "n": len(band),
                "accuracy": float(right[band].mean()),
                "coverage": float(predictions.named[band].mean()),
            }
            for band in bands
        ],
    }


def score_novelty(
    novelties_known: NDArray[np.floating], novelties_unknown: NDArray[np.floating]
) -> dict[str, Any]:
    """Score (n,) novelties of known types against (m,) of an unknown one.

    Returns
    -------
    dict
        ``auroc`` : probability that an unknown image is more novel than a known one; 0.5 is
        chance. ``recall_at_5_false_alarms`` : share of unknown images above the lowest limit
        that at most 5 % of the known ones exceed. Both None where either side is empty.
        ``n_known``, ``n_unknown`` : counts.
    """
    counts = {"n_known": len(novelties_known), "n_unknown": len(novelties_unknown)}
    if not all(counts.values()):
        return {**dict.fromkeys(_NOVELTY_MEASURES), **counts}
    values = np.concatenate([novelties_known, novelties_unknown]).astype(np.float64)
    unknown = np.arange(len(values)) >= len(novelties_known)
    # The limit is one of the known novelties: at most that share lies above it.
    descending = np.sort(values[~unknown])[::-1]
    limit = descending[int(FALSE_ALARMS * len(descending) + 1e-9)]
    return {
        "auroc": float(roc_auc_score(unknown, values)),
        "recall_at_5_false_alarms": float(np.mean(values[unknown] > limit)),
        **counts,
    }


def summarise_left_out(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put together what `score_novelty` gave for each type that was left out.

    Parameters
    ----------
    results : mapping of label to mapping

    Returns
    -------
    dict
        ``types`` : one row a type, with its ``label``, the hardest to detect first and those
        that could not be scored last. ``mean`` : of each measure over the types, every type
        counting the same; None where none could be scored. ``worst`` : label of the hardest.
    """
    rows = [{"label": label, **result} for label, result in results.items()]
    rows.sort(key=_rank_hardness)
    scored = [row for row in rows if row["auroc"] is not None]
    mean = {
        name: float(np.mean([row[name] for row in scored])) if scored else None
        for name in _NOVELTY_MEASURES
    }
    return {"types": rows, "mean": mean, "worst": scored[0]["label"] if scored else None}


def _score_flat(
    right: NDArray[np.bool_], truth: NDArray[np.str_], flat: NDArray[np.str_] | None
) -> dict[str, Any]:
    if flat is None:
        return dict.fromkeys(("flat_accuracy", "flat_accuracy_interval", "flat_difference"))
    # The same images, so the difference is tested pairwise: intervals that overlap prove no tie.
    flat_right = judge_answers(flat, truth)
    compared = compare_paired(right, flat_right)
    return {
        **score_share("flat_accuracy", int(flat_right.sum()), len(truth)),
        "flat_difference": {
            "cascade_only_right": compared["first_only"],
            "flat_only_right": compared["second_only"],
            "p": compared["p"],
        },
    }


def _score_named(predictions: Predictions, truth: NDArray[np.str_]) -> dict[str, Any]:
    named = predictions.named  # (n,) bool: vouched for at some depth
    right = judge_vouched(predictions.labels, truth)[named]
    return {
        "coverage": float(named.mean()),
        **score_share("accuracy_named", int(right.sum()), len(right)),
        "named_whole": float((named & (predictions.labels == predictions.forced)).mean()),
        "rejected": {
            verdict: float((predictions.verdicts == verdict).mean())
            for verdict in ("unknown", "undecided")
        },
    }


def _score_confidence(
    predictions: Predictions, truth: NDArray[np.str_], bins: int
) -> dict[str, Any]:
    right = judge_answers(predictions.forced, truth)
    # A truth that is a leaf says nothing of its depth beforehand: the whole path is at stake.
    inner = find_inner(truth, predictions.forced)
    depths = np.where(inner, count_parts(truth), predictions.depth)
    confidences = take_confidences(predictions, depths)
    binned = bin_reliability(confidences, right, bins=bins)
    # By the whole path's confidence: it is what a threshold of the user would be set on.
    curve = trace_risk_coverage(predictions.confidences, right)
    return {
        "ece": measure_ece(binned),
        "ece_by_chance": expect_ece(binned),
        "brier": measure_brier(confidences, right),
        "mean_confidence": float(confidences.mean()),
        "reliability": [
            {
                "n": int(count),
                "confidence": float(confidence),
                **score_share("accuracy", int(hits), int(count)),
            }
            for count, hits, confidence in zip(
                binned.counts, binned.right, binned.confidences, strict=True
            )
        ],
        "aurc": curve.area,
        "eaurc": curve.excess_area,
        "risk_coverage": thin_curve(curve),
    }


def _answer_like(answers: NDArray[np.str_], truth: NDArray[np.str_]) -> NDArray[np.str_]:
    """Cut right answers to the truth's depth; a wrong one stays whole, to say what it was."""
    return np.where(judge_answers(answers, truth), truth, answers)


def _rank_hardness(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    unscored = row["auroc"] is None  # sorts after all others
    return unscored, 0.0 if unscored else row["auroc"], row["label"]
