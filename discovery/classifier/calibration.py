"""How far answers can be trusted: learned from images that were held out in turn.

Everything that decides how much to trust an answer (temperatures, thresholds, the limit of the
known) is fitted on answers of networks that have not learned the image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.decision_rule import Paths, choose_thresholds, walk_paths
from discovery.classifier.evaluation.calibration import apply_temperature, fit_temperature
from discovery.classifier.evaluation.correctness import judge_answers
from discovery.classifier.networks import FittedNetworks, find_children
from discovery.classifier.novelty import MEASURES, NoveltyScale
from discovery.classifier.progress import answer_fold
from discovery.classifier.taxonomy import Taxonomy
from discovery.runs.checkpoint import NO_CHECKPOINT, Checkpoint

Floats = NDArray[np.float32]

# Four fifths teach nearly what all do, and six trainings are still quick.
FOLDS = 5
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
    measures : (m, 3)
        See `discovery.classifier.novelty`.
    """

    which: NDArray[np.intp]
    paths: Paths
    flat: NDArray[np.str_]
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
    temperatures : dict of node to float
    thresholds : (depth,)
        Probability that a path must have down to each depth; infinity: nothing vouches for it.
    scale : NoveltyScale
    held_out : HeldOut or None
        None where no image could be held out, or where it was not kept.
    """

    temperatures: dict[str, float]
    thresholds: NDArray[np.float64]
    scale: NoveltyScale
    held_out: HeldOut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What thresholds must achieve, by the options of `CascadeClassifier` of the same names."""

    target_purity: float
    max_rejection: float | None
    false_alarms: float


def calibrate(
    fit: Callable[[NDArray[np.intp]], FittedNetworks],
    rows: Floats,
    labels: NDArray[np.str_],
    *,
    folds: NDArray[np.int32],
    taxonomy: Taxonomy,
    aims: Aims,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Calibration:
    """Hold out fold after fold, and fit temperatures, thresholds and the limit of the known.

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
    checkpoint : Checkpoint, optional
        Of these images and options: keeps the answers of each fold.
    """
    which = np.flatnonzero(folds >= 0)
    temperatures = dict.fromkeys(taxonomy.decision_nodes(), 1.0)
    if not len(which):
        nothing = np.full(taxonomy.depth, np.inf)
        return Calibration(temperatures=temperatures, thresholds=nothing, scale=_ALL_ACCEPTED)
    logits, flat, distances = _answer_held_out(
        fit, rows, folds, taxonomy=taxonomy, checkpoint=checkpoint
    )
    for node, values in logits.items():
        children = find_children(taxonomy, labels, node)
        below = which[children[which] >= 0]
        if len(below):  # single images below a node are never held out
            temperatures[node] = fit_temperature(values[below], children[below])
    paths = calibrate_paths(
        taxonomy, {node: values[which] for node, values in logits.items()}, temperatures
    )
    measures = np.column_stack([distances[which], 1 - paths.confidences])  # (m, 3)
    scale = NoveltyScale.fit(measures, false_alarms=aims.false_alarms)
    thresholds = choose_thresholds(
        paths,
        labels[which],
        target_purity=aims.target_purity,
        max_rejection=aims.max_rejection,
        # What is called unknown gets no answer either: it counts as rejected already.
        refused=scale.score(measures) > 1,
    )
    return Calibration(
        temperatures=temperatures,
        thresholds=thresholds,
        scale=scale,
        held_out=HeldOut(which=which, paths=paths, flat=flat[which], measures=measures),
    )


def _answer_held_out(
    fit: Callable[[NDArray[np.intp]], FittedNetworks],
    rows: Floats,
    folds: NDArray[np.int32],
    *,
    taxonomy: Taxonomy,
    checkpoint: Checkpoint,
) -> tuple[dict[str, Floats], NDArray[np.str_], NDArray[np.float64]]:
    """Answer each image by networks that did not learn it.

    Returns
    -------
    logits : dict of node to (n, k)
    flat : (n,) array of str
        The flat baseline's answers.
    distances : (n, 2)
        See `KnownSpace.measure`.
    """
    n = len(rows)
    # Zeros stay where a fold has no network at a node: all its children are alike then.
    logits = {
        node: np.zeros((n, len(taxonomy.children(node))), np.float32)
        for node in taxonomy.decision_nodes()
    }
    flat = np.full(n, "", dtype=np.array(taxonomy.leaves).dtype)  # as wide as the longest leaf
    distances = np.zeros((n, 2))
    for fold in np.unique(folds[folds >= 0]).tolist():
        out = np.flatnonzero(folds == fold)
        kept = checkpoint.load(f"fold-{fold}")
        if kept is None:
            # Images of fold -1 are learned every time.
            kept = answer_fold(fit(np.flatnonzero(folds != fold)), rows[out])
            checkpoint.save(f"fold-{fold}", *kept)
        arrays, values = kept
        for position, node in enumerate(values["nodes"]):
            logits[node][out] = arrays[f"logits.{position}"]
        flat[out] = values["flat"]
        distances[out] = arrays["distances"]
    return logits, flat, distances


def calibrate_paths(
    taxonomy: Taxonomy, logits: dict[str, Floats], temperatures: dict[str, float]
) -> Paths:
    """Turn logits (n, k) at the nodes into probabilities down the tree."""
    probabilities = {
        node: apply_temperature(values, temperatures[node]) for node, values in logits.items()
    }
    return walk_paths(taxonomy, probabilities, len(next(iter(logits.values()))))


def compare_held_out(
    first: HeldOut, second: HeldOut, labels: NDArray[np.str_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of the images held out of both are answered rightly by each, (m,) twice."""
    both, at_first, at_second = np.intersect1d(first.which, second.which, return_indices=True)
    return (
        judge_answers(first.paths.forced[at_first], labels[both]),
        judge_answers(second.paths.forced[at_second], labels[both]),
    )


def assign_folds(
    labels: NDArray[np.str_], *, count: int, seed: int, groups: NDArray[np.str_] | None = None
) -> NDArray[np.int32]:
    """Give each image a fold 0 to count - 1, each label spread evenly over them.

    Parameters
    ----------
    labels : (n,) array of str
    groups : (n,) array of str, optional
        Images of one group (copies of a file, crops of one picture) share a fold: a copy must
        not vouch for itself.

    Returns
    -------
    (n,) int32
        -1 for the only group of a label: it is always learned, and nothing vouches for it.

    Notes
    -----
    A group of several labels (tiles of one picture) is spread as its first image's label.
    """
    rng = np.random.default_rng(seed)
    # Without groups each image is its own; `first` is where each group begins, (g,).
    names = np.arange(len(labels)).astype(np.str_) if groups is None else groups
    _, first, which = np.unique(names, return_index=True, return_inverse=True)
    of_group = np.full(len(first), -1, np.int32)
    start = 0  # where the last label stopped: small labels do not all fall into the first folds
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels[first] == label))
        if len(members) > 1:
            of_group[members] = (start + np.arange(len(members))) % count
            start += len(members)
    # A group of several labels may have taken the only other image of one of them.
    single = find_single_fold(labels, of_group[which])
    of_group[which[single]] = -1
    folds: NDArray[np.int32] = of_group[which]
    return folds


def find_single_fold(labels: NDArray[np.str_], folds: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which images' label (n,) is in one fold only: held out, it would not be learned."""
    _, code = np.unique(labels, return_inverse=True)
    pairs = np.unique(np.stack([code, folds], axis=1), axis=0)  # (pairs of label and fold, 2)
    single = np.bincount(pairs[:, 0]) == 1
    return np.asarray(single[code] & (folds >= 0), np.bool_)


def divide_images(
    labels: NDArray[np.str_],
    weights: NDArray[np.float32],
    *,
    seed: int,
    groups: NDArray[np.str_] | None = None,
    folds: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Give each image a fold, or take the folds that are given, as far as they can be held out.

    Returns
    -------
    (n,) int32
        -1 for images of weight 0, which are left out, and for those whose label no other fold has.

    Raises
    ------
    ValueError
        There is not one fold a label.
    """
    divided = np.full(len(labels), -1, np.int32)
    weighted = np.flatnonzero(weights > 0)
    if folds is None:
        inside = None if groups is None else np.asarray(groups)[weighted]
        divided[weighted] = assign_folds(labels[weighted], count=FOLDS, seed=seed, groups=inside)
        return divided
    if folds.shape != labels.shape:
        raise ValueError(f"folds {folds.shape} for {len(labels)} labels")
    # Given folds are kept, but for labels that would be held out whole: nothing would teach them.
    divided[weighted] = folds[weighted]
    divided[weighted[find_single_fold(labels[weighted], folds[weighted])]] = -1
    return divided
