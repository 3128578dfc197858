"""A model against true labels, with everything that the page of the evaluation shows.

Images that the model was trained on, or on copies of, flatter every score, and are named: exact
copies are known by their image ids, which the model keeps; near ones by how near they lie to a
training image, since its pictures are not at hand any more.
"""

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
from discovery.classifier.evidence import MEMBER_WORDS, describe_members
from discovery.classifier.examples import Examples
from discovery.classifier.model import Model
from discovery.classifier.options import PredictOptions
from discovery.classifier.predict import Answered, predict_images
from discovery.records import Predictions
from embeddings.errors import HandoffError
from embeddings.extractors import find_extractor
from embeddings.plurals import tell_count
from embeddings.reader import Preparation, map_parts

_THUMBNAIL = 160  # pixels: a defect shows
MAX_PICTURES = 48  # wrong and unanswered images that the page shows
# Of the distance from a held-out image to its nearest training image, the median over all: nearer
# ones are taken for copies. Of JPEG, PNG and resized copies 59 to 82 % lie below it (of wafer maps
# 23 %), of other images at most 1 % where a set has no copies (docs/log.md).
NEAR = 0.5
_NAMED = 3  # in a warning; the rest are counted


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
    tree = model.cascade.taxonomy_
    labels = np.array([tree.locate(label) for label in truth.labels.tolist()], np.str_)
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
    predictions, expected = answered.predictions.take(known), labels[known]
    scores = _score(model, answered, expected, known)
    given = truth.labels[order]
    scores["unlearned"] = _score_unlearned(answered.predictions, given, labels)
    overlap = find_training_images(model, answered.predictions.ids, answered.rows)
    scores["leaks"] = overlap.to_dict()
    leaks = tuple(overlap.describe([part.path for part in answered.parts]))
    scores["unreadable"] = len(answered.faults) + len(truth.faults)
    mistakes = choose_mistakes(predictions, expected)
    data = EvaluationData(
        predictions=predictions,
        truth=expected,
        scores=scores,
        paths={part.image_id: part.path for part in answered.parts},
        thumbnails=_draw_thumbnails(model, answered, mistakes, max_pixels=options.max_pixels),
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


def _score(
    model: Model, answered: Answered, truth: NDArray[np.str_], known: NDArray[np.intp]
) -> dict[str, Any]:
    """Score the images of known types by what they are, (m,)."""
    predictions, rows = answered.predictions.take(known), answered.rows[known]  # (m, c, d)
    cascade = model.cascade
    gate = {**answered.gate, "threshold": model.gate["threshold"], "method": model.gate["method"]}
    flat = cascade.predict_flat(rows)
    scores = score_predictions(predictions, truth, flat=flat, noise_gate=gate)
    members = cascade.members_
    alone = {name: cascade.predict_alone(rows, name) for name in members}
    flats = {name: cascade.predict_flat(rows, name) for name in cascade.networks_.flats}
    scores["ablation"] = [
        score_variant("cascade", predictions.forced, truth),
        *(score_variant(f"cascade: {MEMBER_WORDS[n]}", a, truth) for n, a in alone.items()),
        score_variant("flat", flat, truth),
        *(score_variant(f"flat: {MEMBER_WORDS[n]}", a, truth) for n, a in flats.items()),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOverlap:
    """What a model and a truth table have in common.

    Attributes
    ----------
    exact : (n,) bool or None
        Images that were learned; None where the model does not say what it learned.
    near : (n,) bool
        Images that lie as near to a learned one as copies do, those of `exact` left out.
    """

    exact: NDArray[np.bool_] | None
    near: NDArray[np.bool_]

    def to_dict(self) -> dict[str, int | None]:
        """Return the counts for metrics.json."""
        return {
            "exact": None if self.exact is None else int(self.exact.sum()),
            "near": int(self.near.sum()),
        }

    def describe(self, paths: Sequence[str]) -> list[str]:
        """Return the warnings, none where nothing leaks; `paths` are those of the n images."""
        warnings = []
        n = len(self.near)
        if self.exact is not None and self.exact.any():
            warnings.append(
                f"{self.exact.sum()} of {n} images of the truth were learned by this model, so "
                f"that the scores are too high: {_name_paths(self.exact, paths)}."
            )
        if self.near.any():
            warnings.append(
                f"{self.near.sum()} of {n} images of the truth lie as near to a learned one as "
                f"copies of it do; look at them before trusting the scores: "
                f"{_name_paths(self.near, paths)}."
            )
        return warnings


def find_training_images(
    model: Model, ids: NDArray[np.str_], rows: NDArray[np.float32]
) -> TrainingOverlap:
    """Find the images that the model has learned, and near copies of such.

    Parameters
    ----------
    ids : (n,) array of str
    rows : (n, c, d) float32
        Their features, as `predict_images` returns them.
    """
    learned = model.training.get("image_ids")
    exact = None
    if learned is not None:
        known = set(str(learned).split())
        exact = np.array([image_id in known for image_id in ids.tolist()], bool)
    distances = model.cascade.measure_nearest(rows)
    near = distances < NEAR * float(model.cascade.calibration_.scale.medians[0])
    return TrainingOverlap(exact=exact, near=near if exact is None else near & ~exact)


def _name_paths(which: NDArray[Any], paths: Sequence[str]) -> str:
    places = np.flatnonzero(which)
    more = len(places) - _NAMED
    named = ", ".join(paths[i] for i in places[:_NAMED])
    return named + (f" and {more} more" if more > 0 else "")


def _find_second(
    model: Model, answered: Answered, known: NDArray[np.intp]
) -> dict[str, tuple[str, float]]:
    """Return the second likeliest leaf of each image by id, and its probability."""
    probabilities = model.cascade.predict_proba(answered.rows[known])  # (m, k)
    classes = model.cascade.classes_  # two or more, or it was not trained
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
    parts = [part for part in answered.parts if part.image_id in names]
    drawn = map_parts(parts, lambda opened: how.draw(opened, side=_THUMBNAIL), how)
    return {part.image_id: data for part, data in drawn}


def _list_facts(model: Model) -> dict[str, str]:
    training, spec = model.training, model.spec
    held = training["held_out"]
    return {
        "trained on": f"{training['images']} images of {len(training['types'])} types",
        "from": f"{training['source']}, sha256 {training['sha256'][:12]}",
        "features": f"{spec.name} {'+'.join(spec.layers)}",
        "answered by": ". ".join(describe_members(training.get("members", []))) or "one network",
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
            f"{tell_count(scores['unlearned']['n_unknown'], 'image')} of types that the model "
            f"has not learned ({', '.join(types[:5])}): scored apart."
        )
    if scores["unreadable"]:
        found.append(f"{tell_count(scores['unreadable'], 'image')} of the truth could not be read.")
    return found


def _name(labels: NDArray[np.str_]) -> str:
    return ", ".join(np.unique(labels).tolist()[:5])
