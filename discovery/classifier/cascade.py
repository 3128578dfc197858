"""The cascade: a tree of small networks that stops at the deepest type it can vouch for.

    cascade = CascadeClassifier(blocks=(3072, 132)).fit(rows, labels, sample_weight=memberships)
    cascade.answer(new_rows, ids)  # Predictions

Everything that decides how much to trust an answer (temperatures, thresholds, the limit of the
known) is fitted on images that were held out in turn, never on those a network has learned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from discovery.classifier.decision_rule import Paths, choose_thresholds, cut_to_trusted, walk_paths
from discovery.classifier.evaluation.calibration import apply_temperature, fit_temperature
from discovery.classifier.folds import divide_images
from discovery.classifier.fusion import Fusion
from discovery.classifier.heads import Head, find_children
from discovery.classifier.learned import FittedNetworks, Variant
from discovery.classifier.network import check_weights
from discovery.classifier.novelty import VIEWS, NoveltyScale
from discovery.classifier.taxonomy import Taxonomy, check_types
from discovery.records import Predictions
from discovery.records.labels import tidy_label
from embeddings.errors import HandoffError

Floats = NDArray[np.float32]

FOLDS = 5
_ALL_ACCEPTED = NoveltyScale(medians=np.zeros(len(VIEWS)), units=np.ones(len(VIEWS)), limit=np.inf)


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
    views : (m, 3)
        See `KnownSpace.measure`.
    """

    which: NDArray[np.intp]
    paths: Paths
    flat: NDArray[np.str_]
    views: NDArray[np.float64]


class CascadeClassifier(ClassifierMixin, BaseEstimator):
    """A hierarchical classifier with calibrated answers, unknown apart from undecided.

    Parameters
    ----------
    blocks : tuple of int, optional
        Columns of the deep and of the classical features; None: all are one block.
    shown : int, optional
        Copies at the front that an image has when it is asked about; those behind them
        (varied by augmentation) are only learned. None: all.
    target_purity : float
        Share of right answers wanted at every depth among those vouched for.
    max_rejection : float, optional
        Instead of a purity: the largest share of known images that may be left without a whole
        answer, those called unknown included (`false_alarms` of them at most).
    false_alarms : float
        Largest share of known images that may be called unknown.
    epochs : int
        Of each network.
    random_state : int

    Attributes
    ----------
    taxonomy_ : Taxonomy
    classes_ : (k,) array of str
        Its leaves.
    temperatures_ : dict of node to float
    thresholds_ : (depth,)
    scale_ : NoveltyScale
    held_out_ : HeldOut or None
        None where no label has two images: nothing vouches then, and every answer is undecided.
    """

    def __init__(
        self,
        *,
        blocks: tuple[int, ...] | None = None,
        shown: int | None = None,
        target_purity: float = 0.95,
        max_rejection: float | None = None,
        false_alarms: float = 0.05,
        epochs: int = 40,
        random_state: int = 0,
    ) -> None:
        self.blocks = blocks
        self.shown = shown
        self.target_purity = target_purity
        self.max_rejection = max_rejection
        self.false_alarms = false_alarms
        self.epochs = epochs
        self.random_state = random_state

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.str_],
        sample_weight: NDArray[np.floating] | None = None,
        *,
        groups: NDArray[np.str_] | None = None,
        folds: NDArray[np.int32] | None = None,
        taxonomy: Taxonomy | None = None,
    ) -> Self:
        """Learn from images and their label paths, which may stop at any node.

        Parameters
        ----------
        X : (n, d), or (n, c, d) with c copies of each image (its orientations)
        y : (n,) array of str
        sample_weight : (n,) in [0, 1], optional
            Memberships of images that a cluster gave their label; those of 0 are left out.
        groups : (n,) array of str, optional
            Images of a group are held out together.
        folds : (n,) int32, optional
            Which images are held out together, -1 never: where features were fitted on a part
            of the images, only the others can vouch. By default `assign_folds` divides them.
        taxonomy : Taxonomy, optional
            With definitions; must be the tree of these labels.

        Raises
        ------
        HandoffError
            There are fewer than two types to tell apart, or one has only images of weight 0.
        ValueError
            The shapes do not fit, a weight is negative, or the taxonomy is not the labels'.
        """
        rows, labels = _as_copies(X), _tidy(y)
        if len(labels) != len(rows):
            raise ValueError(f"{len(rows)} images for {len(labels)} labels")
        weights = check_weights(sample_weight, len(rows))
        self.taxonomy_ = _fit_taxonomy(labels, weights, taxonomy)
        check_types(self.taxonomy_, len(labels))
        self.classes_ = np.array(self.taxonomy_.leaves, dtype=np.str_)
        self.n_features_in_ = rows.shape[2]
        folds = divide_images(
            labels, weights, count=FOLDS, seed=self.random_state, groups=groups, folds=folds
        )
        self._calibrate(rows, labels, weights, folds)
        self.networks_ = self._learn(rows, labels, weights, variants=("fused", "deep", "classical"))
        return self

    def _learn(
        self,
        rows: Floats,
        labels: NDArray[np.str_],
        weights: Floats,
        *,
        variants: tuple[Variant, ...] = ("fused",),
    ) -> FittedNetworks:
        taught = np.flatnonzero(weights > 0)
        if len(taught) < len(rows):
            rows, labels, weights = rows[taught], labels[taught], weights[taught]
        return FittedNetworks.fit(
            rows,
            labels,
            weights,
            taxonomy=self.taxonomy_,
            fusion=Fusion(blocks=self.blocks, random_state=self.random_state),
            shown=self.shown,
            network={"epochs": self.epochs, "random_state": self.random_state},
            variants=variants,
        )

    def _calibrate(
        self,
        rows: Floats,
        labels: NDArray[np.str_],
        weights: Floats,
        folds: NDArray[np.int32],
    ) -> None:
        which = np.flatnonzero(folds >= 0)
        self.temperatures_ = dict.fromkeys(self.taxonomy_.decision_nodes(), 1.0)
        self.thresholds_ = np.full(self.taxonomy_.depth, np.inf)
        self.scale_, self.held_out_ = _ALL_ACCEPTED, None
        if not len(which):
            return
        logits, flat, views = self._hold_out(rows, labels, weights, folds)
        for node, values in logits.items():
            targets = find_children(self.taxonomy_, labels, node)
            below = which[targets[which] >= 0]
            if len(below):  # single images below a node are never held out
                self.temperatures_[node] = fit_temperature(values[below], targets[below])
        paths = self._walk({node: values[which] for node, values in logits.items()})
        views = views[which]
        views[:, VIEWS.index("doubt")] = 1 - paths.confidences
        self.held_out_ = HeldOut(which=which, paths=paths, flat=flat[which], views=views)
        self.scale_ = NoveltyScale.fit(views, false_alarms=self.false_alarms)
        refused = self.scale_.judge(views) > 1
        self.thresholds_ = choose_thresholds(
            paths,
            labels[which],
            target_purity=self.target_purity,
            max_rejection=self.max_rejection,
            refused=refused,
        )

    def _hold_out(
        self,
        rows: Floats,
        labels: NDArray[np.str_],
        weights: Floats,
        folds: NDArray[np.int32],
    ) -> tuple[dict[str, Floats], NDArray[np.str_], NDArray[np.float64]]:
        """Answer each image by networks that did not learn it."""
        n = len(rows)
        nodes = self.taxonomy_.decision_nodes()
        logits = {
            node: np.zeros((n, len(self.taxonomy_.children(node))), np.float32) for node in nodes
        }
        flat = np.full(n, "", dtype=self.classes_.dtype)
        views = np.zeros((n, len(VIEWS)))
        for fold in np.unique(folds[folds >= 0]).tolist():
            out, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            learned = self._learn(rows[kept], labels[kept], weights[kept])
            fused = learned.fuse(rows[out, : self.shown])
            for node, head in learned.heads.items():
                logits[node][out] = head.decide(fused)
            flat[out] = _answer_flat(learned.flats["fused"], fused)
            views[out] = learned.known.measure(fused.mean(axis=1), np.zeros(len(out)))
        return logits, flat, views

    def _walk(self, logits: Mapping[str, Floats]) -> Paths:
        chances = {
            node: apply_temperature(values, self.temperatures_[node])
            for node, values in logits.items()
        }
        return walk_paths(self.taxonomy_, chances, len(next(iter(logits.values()))))

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.str_]:
        """Return the forced answer of each image, (n,): the likeliest leaf."""
        return self._judge(X)[0].forced

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the calibrated probability of each leaf, (n, k) in the order of `classes_`."""
        paths, _ = self._judge(X)
        columns = [paths.nodes.index(leaf) for leaf in self.classes_.tolist()]
        return paths.marginal[:, columns]

    def predict_flat(self, X: NDArray[np.floating], variant: Variant = "fused") -> NDArray[np.str_]:
        """Return the flat baseline's answers (n,), by all features or one kind of them.

        Raises
        ------
        KeyError
            There is no such kind of features.
        """
        check_is_fitted(self)
        fused = self.networks_.fuse(_as_copies(X))
        return _answer_flat(self.networks_.flats[variant], fused)

    def answer(
        self,
        X: NDArray[np.floating],
        ids: NDArray[np.str_],
        *,
        noises: Floats | None = None,
        too_noisy: NDArray[np.bool_] | None = None,
    ) -> Predictions:
        """Answer images as deep as can be vouched for.

        Parameters
        ----------
        X : (n, d) or (n, c, d)
        ids : (n,) array of str
        noises : (n,) float32, optional
            Noise of each image.
        too_noisy : (n,) bool, optional
            Images that did not come through the noise gate: undecided whatever they look like.

        Notes
        -----
        *named*: vouched for down to a leaf. *unknown*: farther from every known type than the
        accepted share of known images. *undecided*: known, and between types; its label is the
        deepest node that can be vouched for.
        """
        paths, novelties = self._judge(X)
        noisy = np.zeros(len(ids), bool) if too_noisy is None else too_noisy
        labels = cut_to_trusted(paths, self.thresholds_)
        unknown = (novelties > 1) & ~noisy
        labels[unknown | noisy] = ""
        whole = labels == paths.forced
        verdicts = np.where(unknown, "unknown", np.where(whole, "named", "undecided"))
        return Predictions(
            ids=ids,
            labels=labels,
            forced=paths.forced,
            level_probabilities=paths.levels.astype(np.float32),
            confidences=paths.confidences.astype(np.float32),
            verdicts=verdicts.astype(np.str_),
            novelties=novelties,
            noises=np.full(len(ids), np.nan, np.float32) if noises is None else noises,
        )

    def measure_nearest(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n,) distances of images (n, c, d) to the nearest learned one."""
        check_is_fitted(self)
        fused = self.networks_.fuse(_as_copies(X))
        views = self.networks_.known.measure(fused.mean(axis=1), np.zeros(len(fused)))
        return views[:, VIEWS.index("nearest")]

    def _judge(self, X: NDArray[np.floating]) -> tuple[Paths, Floats]:
        check_is_fitted(self)
        rows = _as_copies(X)
        if rows.shape[2] != self.n_features_in_:
            raise ValueError(f"{rows.shape[2]} columns, learned {self.n_features_in_}")
        fused = self.networks_.fuse(rows)
        paths = self._walk(
            {node: head.decide(fused) for node, head in self.networks_.heads.items()}
        )
        views = self.networks_.known.measure(fused.mean(axis=1), 1 - paths.confidences)
        return paths, self.scale_.judge(views)


def _as_copies(X: NDArray[np.floating]) -> Floats:
    """Return (n, c, d) float32; rows (n, d) are one copy each."""
    rows: Floats = np.asarray(X, dtype=np.float32)
    if rows.ndim == 2:
        rows = rows[:, None, :]
    if rows.ndim != 3 or not rows.size:
        raise ValueError(f"X has shape {rows.shape}, expected (n, d) or (n, copies, d), not empty")
    if not np.isfinite(rows).all():
        raise ValueError("X holds NaN or infinity")
    return rows


def _tidy(labels: NDArray[np.str_]) -> NDArray[np.str_]:
    """Write labels (n,) as the tree does: without blanks around the parts, accents composed."""
    return np.array([tidy_label(label) for label in np.asarray(labels, np.str_).tolist()], np.str_)


def _fit_taxonomy(labels: NDArray[np.str_], weights: Floats, taxonomy: Taxonomy | None) -> Taxonomy:
    made = Taxonomy.from_labels(labels.tolist())
    if taxonomy is not None and taxonomy.nodes != made.nodes:
        raise ValueError("the taxonomy is not the tree of the labels: make it by from_labels")
    if untaught := sorted({*labels.tolist()} - {*labels[weights > 0].tolist()}):
        raise HandoffError(
            f"every image of {untaught[0]} has weight 0, expected one above 0 at least: "
            "label one by hand, or leave the type out"
        )
    return taxonomy or made


def _answer_flat(head: Head, fused: Floats) -> NDArray[np.str_]:
    return np.asarray(np.array(head.classes, dtype=np.str_)[head.decide(fused).argmax(axis=1)])
