"""How far answers can be trusted: learned from images that were held out in turn.

Everything that decides how much to trust an answer (temperatures, the members' weights, thresholds,
the limit of the known) is fitted on answers of networks that have not learned the image.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.blend import Blend
from discovery.classifier.decision_rule import Paths, choose_thresholds, walk_paths
from discovery.classifier.evaluation.correctness import judge_answers
from discovery.classifier.fitted import FittedNetworks, Logits, find_children, find_leaves
from discovery.classifier.novelty import MEASURES, NoveltyScale
from discovery.classifier.progress import answer_fold
from discovery.classifier.taxonomy import Taxonomy
from discovery.runs.checkpoint import NO_CHECKPOINT, Checkpoint

Floats = NDArray[np.float32]

# Where no image was held out nothing is known of distances: then nothing is called unknown.
_ALL_ACCEPTED = NoveltyScale(
    medians=np.zeros(len(MEASURES)), units=np.ones(len(MEASURES)), limit=np.inf
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Answers to the training images while each was held out, before any threshold.

    Attributes
    ----------
    which : (m,)
        Positions of the images that were ever held out.
    paths : Paths
        Calibrated.
    flat : (m,) array of str
        The flat baseline's answers.
    alone : dict of member to (m,) array of str
        What each member alone would have answered.
    measures : (m, 3)
        See `discovery.classifier.novelty`.
    """

    which: NDArray[np.intp]
    paths: Paths
    flat: NDArray[np.str_]
    alone: dict[str, NDArray[np.str_]]
    measures: NDArray[np.float64]

    def score(self, labels: NDArray[np.str_]) -> dict[str, float | int]:
        """Score the answers by the labels (n,) of all training images."""
        truth = labels[self.which]
        return {
            "n": len(truth),
            "accuracy": float(judge_answers(self.paths.forced, truth).mean()),
            "flat_accuracy": float(judge_answers(self.flat, truth).mean()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What turns the networks' logits into answers that can be trusted.

    Attributes
    ----------
    blends : dict of node to Blend
        How the members' answers become one, at each node with a choice.
    flat : Blend
        The same of the flat baseline.
    thresholds : (depth,)
        Probability that a path must have down to each depth; infinity: nothing vouches for it.
    scale : NoveltyScale
    held_out : HeldOut or None
        None where no image could be held out, or where it was not kept.
    """

    blends: dict[str, Blend]
    flat: Blend
    thresholds: NDArray[np.float64]
    scale: NoveltyScale
    held_out: HeldOut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What thresholds must achieve, by the options of `CascadeClassifier` of the same names."""

    target_purity: float
    max_rejection: float | None
    false_alarms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What networks said of images (n,) that they did not learn.

    Attributes
    ----------
    nodes : dict of node to dict of member to (n, k)
        Logits; zeros where a fold had nothing to choose at a node, so that all children are alike.
    flat : dict of member to (n, leaves)
    distances : (n, 2)
        See `KnownSpace.measure`.
    """

    nodes: dict[str, Logits]
    flat: Logits
    distances: NDArray[np.float64]


def calibrate(
    fit: Callable[[NDArray[np.intp]], FittedNetworks],
    rows: Floats,
    labels: NDArray[np.str_],
    *,
    folds: NDArray[np.int32],
    taxonomy: Taxonomy,
    members: tuple[str, ...],
    aims: Aims,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Calibration:
    """Hold out fold after fold, and fit blends, thresholds and the limit of the known.

    Parameters
    ----------
    fit : callable
        Learns the images at these positions.
    rows : (n, c, d)
        The c copies that an image has when it is asked about: no varied ones, which would vouch
        for the images they were made of.
    labels : (n,) array of str
    folds : (n,) int32
        -1: never held out.
    members : tuple of str
        What each node is answered by.
    checkpoint : Checkpoint, optional
        Of these images and options: keeps the answers of each fold.
    """
    which = np.flatnonzero(folds >= 0)
    nodes = taxonomy.decision_nodes()
    if not len(which):
        equal = Blend.share_equally(members)
        return Calibration(
            blends=dict.fromkeys(nodes, equal),
            flat=equal,
            thresholds=np.full(taxonomy.depth, np.inf),
            scale=_ALL_ACCEPTED,
        )
    empty = _make_empty(len(rows), taxonomy, members)
    answers = _answer_held_out(fit, rows, folds, empty=empty, checkpoint=checkpoint)
    blends = {
        node: _fit_blend(answers.nodes[node], find_children(taxonomy, labels, node), which)
        for node in nodes
    }
    flat = _fit_blend(answers.flat, find_leaves(taxonomy, labels), which)
    logits = {node: _take(values, which) for node, values in answers.nodes.items()}
    paths = blend_paths(taxonomy, logits, blends)
    measures = np.column_stack([answers.distances[which], 1 - paths.confidences])  # (m, 3)
    scale = NoveltyScale.fit(measures, false_alarms=aims.false_alarms)
    thresholds = choose_thresholds(
        paths,
        labels[which],
        target_purity=aims.target_purity,
        max_rejection=aims.max_rejection,
        # What is called unknown gets no answer either: it counts as rejected already.
        refused=scale.score(measures) > 1,
    )
    likeliest = flat.answer(_take(answers.flat, which)).argmax(axis=1)
    return Calibration(
        blends=blends,
        flat=flat,
        thresholds=thresholds,
        scale=scale,
        held_out=HeldOut(
            which=which,
            paths=paths,
            flat=np.array(taxonomy.leaves, np.str_)[likeliest],
            alone={
                name: blend_paths(taxonomy, logits, blends, member=name).forced for name in members
            },
            measures=measures,
        ),
    )


def _make_empty(n: int, taxonomy: Taxonomy, members: tuple[str, ...]) -> _Answers:
    def make(k: int) -> Logits:
        return {name: np.zeros((n, k), np.float32) for name in members}

    return _Answers(
        nodes={node: make(len(taxonomy.children(node))) for node in taxonomy.decision_nodes()},
        flat=make(len(taxonomy.leaves)),
        distances=np.zeros((n, 2)),
    )


def _answer_held_out(
    fit: Callable[[NDArray[np.intp]], FittedNetworks],
    rows: Floats,
    folds: NDArray[np.int32],
    *,
    empty: _Answers,
    checkpoint: Checkpoint,
) -> _Answers:
    """Answer each image by networks that did not learn it, into the empty answers."""
    for fold in np.unique(folds[folds >= 0]).tolist():
        out = np.flatnonzero(folds == fold)
        kept = checkpoint.load(f"fold-{fold}")
        if kept is None:
            # Images of fold -1 are learned every time.
            kept = answer_fold(fit(np.flatnonzero(folds != fold)), rows[out])
            checkpoint.save(f"fold-{fold}", *kept)
        arrays, values = kept
        for position, (node, name) in enumerate(values["nodes"]):
            empty.nodes[node][name][out] = arrays[f"logits.{position}"]
        for position, name in enumerate(values["flat"]):
            empty.flat[name][out] = arrays[f"flat.{position}"]
        empty.distances[out] = arrays["distances"]
    return empty


def _fit_blend(logits: Logits, targets: NDArray[np.intp], which: NDArray[np.intp]) -> Blend:
    """Fit to those of the held-out images that have a class."""
    below = which[targets[which] >= 0]
    if not len(below):  # single images below a node are never held out
        return Blend.share_equally(tuple(logits))
    return Blend.fit(_take(logits, below), targets[below])


def _take(logits: Logits, which: NDArray[np.intp]) -> Logits:
    return {name: values[which] for name, values in logits.items()}


def blend_paths(
    taxonomy: Taxonomy,
    logits: Mapping[str, Logits],
    blends: Mapping[str, Blend],
    *,
    member: str | None = None,
) -> Paths:
    """Turn the members' logits (n, k) at the nodes into probabilities down the tree.

    Parameters
    ----------
    member : str, optional
        The only one that is asked.
    """
    probabilities = {
        node: blends[node].answer(values)
        if member is None
        else blends[node].answer_alone(member, values[member])
        for node, values in logits.items()
    }
    return walk_paths(taxonomy, probabilities, len(next(iter(probabilities.values()))))


def compare_held_out(
    first: HeldOut, second: HeldOut, labels: NDArray[np.str_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of the images held out of both are answered rightly by each, (m,) twice."""
    both, at_first, at_second = np.intersect1d(first.which, second.which, return_indices=True)
    return (
        judge_answers(first.paths.forced[at_first], labels[both]),
        judge_answers(second.paths.forced[at_second], labels[both]),
    )
