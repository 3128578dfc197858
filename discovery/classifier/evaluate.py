"""A model against true labels, with everything that the page of the evaluation shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.evaluation import (
    EvaluationData,
    choose_mistakes,
    score_novelty,
    score_predictions,
    score_variant,
    summarise_left_out,
)
from discovery.classifier.examples import Examples
from discovery.classifier.model import Model
from discovery.classifier.options import PredictOptions
from discovery.classifier.predict import Answered, predict_images
from discovery.classifier.taxonomy import Taxonomy
from discovery.classifier.training_overlap import find_training_images
from discovery.records import Predictions
from embeddings.errors import HandoffError
from embeddings.extractors import find_extractor
from embeddings.images import make_thumbnail
from embeddings.reader import OpenPart, Preparation, map_parts

_VARIANTS = {
    "fused": "fused (flat)",
    "deep": "deep only (flat)",
    "classical": "GLCM, Zernike only (flat)",
}
_THUMBNAIL = 160  # pixels: a defect shows
MAX_PICTURES = 48  # wrong and unanswered images that the page shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What an evaluation came to.

    Attributes
    ----------
    scores : dict
        For metrics.json.
    data : EvaluationData
        For the page.
    leaks : tuple of str
        Warnings of images that the model has learned, or copies of such.
    """

    scores: dict[str, Any]
    data: EvaluationData
    leaks: tuple[str, ...] = ()


def assess_classifier(
    model: Model, truth: Examples, *, options: PredictOptions | None = None, source: str = ""
) -> Assessment:
    """Answer the labelled images and score the answers, the flat baseline and the ablation beside.

    Images of a type that the model has not learned cannot be answered rightly: they are scored
    apart, by whether they are found to be unknown.

    Raises
    ------
    HandoffError
        No label of the truth is a type of the model.
    InputError
        None of the images can be read.
    """
    labels = fit_labels(truth.labels, model.cascade.taxonomy_)
    if not (labels != "").any():
        raise HandoffError(
            f"none of the truth's types ({_name(truth.labels)}) is one of the model's "
            f"({', '.join(model.cascade.classes_[:5].tolist())}): labels must be written alike"
        )
    options = options or PredictOptions()
    answered = predict_images(model, truth.parts, options=options, keep_rows=True)
    # Files that cannot be read are missing, and kinds without a window come last.
    place = {part.image_id: i for i, part in enumerate(truth.parts)}
    order = np.array([place[part.image_id] for part in answered.parts], np.intp)
    labels = labels[order]
    known = np.flatnonzero(labels != "")
    if not len(known):
        raise HandoffError("none of the images of a known type can be read")
    predictions = take_predictions(answered.predictions, known)
    scores = _score(model, answered, labels, known)
    given = truth.labels[order]
    scores["unlearned"] = _score_unlearned(answered.predictions, given, labels)
    overlap = find_training_images(model, answered.predictions.ids, answered.rows)
    scores["leaks"] = overlap.to_dict()
    leaks = tuple(overlap.describe([part.path for part in answered.parts]))
    scores["unreadable"] = len(answered.faults) + len(truth.faults)
    data = EvaluationData(
        predictions=predictions,
        truth=labels[known],
        scores=scores,
        paths={part.image_id: part.path for part in answered.parts},
        thumbnails=_draw_thumbnails(
            model,
            answered,
            choose_mistakes(predictions, labels[known]),
            max_pixels=options.max_pixels,
        ),
        second_best=_find_second(model, answered, known),
        max_pictures=MAX_PICTURES,
        threshold=float(model.cascade.calibration_.thresholds[-1]),
        ablation=scores["ablation"],
        left_out=_summarise_unlearned(answered.predictions, given, labels),
        facts=_list_facts(model),
        warnings=[*leaks, *_list_warnings(model, scores)],
        source=source,
    )
    return Assessment(scores=scores, data=data, leaks=leaks)


def fit_labels(labels: NDArray[np.str_], taxonomy: Taxonomy) -> NDArray[np.str_]:
    """Cut each label to the model's tree; "" for types that it has not learned.

    Where the truth is finer than a leaf of the tree, the leaf is right; where it branches off
    above the leaves, it is another type.
    """
    leaves = set(taxonomy.leaves)  # below them the model promises nothing
    fitted = {}
    for label in np.unique(labels).tolist():
        inside = [node for node in taxonomy.ancestors(label) if node in taxonomy]
        whole = bool(inside) and (inside[-1] == label or inside[-1] in leaves)
        fitted[label] = inside[-1] if whole else ""
    return np.array([fitted[label] for label in labels.tolist()], dtype=np.str_)


def take_predictions(predictions: Predictions, positions: NDArray[np.intp]) -> Predictions:
    """Return the answers at these positions."""
    return Predictions(
        **{name: getattr(predictions, name)[positions] for name in Predictions.__slots__}
    )


def _score(
    model: Model, answered: Answered, labels: NDArray[np.str_], known: NDArray[np.intp]
) -> dict[str, Any]:
    predictions, truth = take_predictions(answered.predictions, known), labels[known]
    rows = answered.rows[known]  # (m, c, d)
    variants = {
        name: model.cascade.predict_flat(rows, name) for name in model.cascade.networks_.flats
    }
    gate = {**answered.gate, "threshold": model.gate["threshold"], "method": model.gate["method"]}
    scores = score_predictions(predictions, truth, flat=variants["fused"], noise_gate=gate)
    scores["ablation"] = [
        score_variant("cascade (fused)", predictions.forced, truth),
        *(score_variant(_VARIANTS[name], found, truth) for name, found in variants.items()),
    ]
    return scores


def _score_unlearned(
    predictions: Predictions, truth: NDArray[np.str_], labels: NDArray[np.str_]
) -> dict[str, Any]:
    """Score how images of types that were not learned are told from known ones."""
    unlearned = labels == ""
    verdicts = predictions.verdicts[unlearned]
    return {
        "types": sorted(set(truth[unlearned].tolist())),
        **score_novelty(predictions.novelties[~unlearned], predictions.novelties[unlearned]),
        "called": {
            name: int((verdicts == name).sum()) for name in ("named", "unknown", "undecided")
        },
    }


def _summarise_unlearned(
    predictions: Predictions, truth: NDArray[np.str_], labels: NDArray[np.str_]
) -> dict[str, Any]:
    """Score each type that was not learned by itself, for the page."""
    # Every type is held against the same known images.
    known = predictions.novelties[labels != ""]
    return summarise_left_out(
        {
            kind: score_novelty(known, predictions.novelties[truth == kind])
            for kind in np.unique(truth[labels == ""]).tolist()
        }
    )


def _find_second(
    model: Model, answered: Answered, known: NDArray[np.intp]
) -> dict[str, tuple[str, float]]:
    """Return the second likeliest leaf of each image by id, and its probability."""
    probabilities = model.cascade.predict_proba(answered.rows[known])  # (m, k)
    classes = model.cascade.classes_
    if probabilities.shape[1] < 2:
        return {}
    # Stable: of equal ones the first in the tree's order, whatever numpy's version.
    second = np.argsort(-probabilities, axis=1, kind="stable")[:, 1]
    return {
        answered.parts[i].image_id: (str(classes[j]), float(row[j]))
        for i, j, row in zip(known.tolist(), second.tolist(), probabilities, strict=True)
    }


def _draw_thumbnails(
    model: Model, answered: Answered, wanted: Sequence[str], *, max_pixels: int
) -> dict[str, bytes]:
    """Draw pictures as the extractor saw them; of files that are gone meanwhile there are none."""
    how = Preparation(spec=model.spec, windows=answered.windows, max_pixels=max_pixels)
    names = set(wanted)  # files are opened in their order, each once

    def draw(opened: OpenPart) -> bytes:
        window = how.require_window(opened.picture)
        region = opened.part.region
        return make_thumbnail(opened.picture, window=window, side=_THUMBNAIL, region=region)

    parts = [part for part in answered.parts if part.image_id in names]
    drawn = map_parts(parts, draw, level=how.spec.level, max_pixels=max_pixels)
    return {part.image_id: data for part, data in drawn}


def _list_facts(model: Model) -> dict[str, str]:
    training, spec = model.training, model.spec
    held = training["held_out"]
    return {
        "trained on": f"{training['images']} images of {len(training['types'])} types",
        "from": f"{training['source']}, sha256 {training['sha256'][:12]}",
        "features": f"{spec.name} {'+'.join(spec.layers)}",
        "held-out accuracy in training": "none" if not held["n"] else f"{held['accuracy']:.3f}",
        "target purity": str(training["options"]["target_purity"]),
        "seed": str(training["options"]["seed"]),
    }


def _list_warnings(model: Model, scores: Mapping[str, Any]) -> list[str]:
    found = list(model.training["warnings"])
    # Asked for, and so no warning in training.
    if not find_extractor(model.spec.name).is_network and not found:
        found.append(f"No network: the classifier sees by {model.spec.name} descriptors alone.")
    types = scores["unlearned"]["types"]
    if types:
        found.append(
            f"{scores['unlearned']['n_unknown']} images are of types that the model has not "
            f"learned ({', '.join(types[:5])}): they are scored apart."
        )
    if scores["unreadable"]:
        found.append(f"{scores['unreadable']} images of the truth could not be read.")
    return found


def _name(labels: NDArray[np.str_]) -> str:
    return ", ".join(np.unique(labels).tolist()[:5])
