"""The cascade: a tree of small networks that stops at the deepest type it can vouch for.

    cascade = CascadeClassifier(blocks=(3072, 132)).fit(rows, labels, sample_weight=memberships)
    cascade.answer(new_rows, ids)  # Predictions

How much to trust an answer is learned from images that were held out in turn (`calibration`).
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from discovery.classifier.calibration import Aims, blend_paths, calibrate
from discovery.classifier.decision_rule import Paths, truncate_forced
from discovery.classifier.fitted import FittedNetworks, answer_all, list_members
from discovery.classifier.folds import divide_images
from discovery.classifier.inputs import as_copies, check_weights, fit_taxonomy, tidy_labels
from discovery.classifier.networks import Schedule
from discovery.classifier.novelty import MEASURES
from discovery.classifier.taxonomy import Taxonomy
from discovery.records import Predictions
from discovery.runs.checkpoint import NO_CHECKPOINT, Checkpoint

Floats = NDArray[np.float32]


class CascadeClassifier(ClassifierMixin, BaseEstimator):
    """A hierarchical classifier with calibrated answers, unknown apart from undecided.

    Parameters
    ----------
    blocks : tuple of int, optional
        Columns of the deep and of the classical features; None: all are one block.
    n_eval_views : int, optional
        Copies at the front that an image has when it is asked about (its orientations); those
        behind them, varied by augmentation, are only learned and vouch for nothing. None: all.
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
    networks_ : FittedNetworks
    calibration_ : Calibration
        Its `held_out` is None where no label has two images: nothing vouches then, and every
        answer is undecided.
    """

    def __init__(
        self,
        *,
        blocks: tuple[int, ...] | None = None,
        n_eval_views: int | None = None,
        target_purity: float = 0.95,
        max_rejection: float | None = None,
        false_alarms: float = 0.05,
        epochs: int = 40,
        random_state: int = 0,
    ) -> None:
        self.blocks = blocks
        self.n_eval_views = n_eval_views
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
        checkpoint: Checkpoint = NO_CHECKPOINT,
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
        checkpoint : Checkpoint, optional
            Of these images and options: keeps the answers of each fold.

        Raises
        ------
        HandoffError
            There are fewer than two types to tell apart, or one has only images of weight 0.
        ValueError
            The shapes do not fit, a weight is negative, or the taxonomy is not the labels'.
        """
        rows, labels = as_copies(X), tidy_labels(y)
        if len(labels) != len(rows):
            raise ValueError(f"{len(rows)} images for {len(labels)} labels")
        weights = check_weights(sample_weight, len(rows))
        self.taxonomy_ = fit_taxonomy(labels, weights, taxonomy)
        self.classes_ = np.array(self.taxonomy_.leaves, dtype=np.str_)
        self.n_features_in_ = rows.shape[2]

        # Called once a fold, and at last on all images with what the ablation needs.
        def fit(which: NDArray[np.intp], for_ablation: bool = False) -> FittedNetworks:
            which = which[weights[which] > 0]  # of weight 0: not even in the batch norm
            return FittedNetworks.fit(
                rows if len(which) == len(rows) else rows[which],  # hundreds of MB: no copy of all
                labels[which],
                weights[which],
                taxonomy=self.taxonomy_,
                blocks=self.blocks,
                n_eval_views=self.n_eval_views,
                schedule=Schedule(epochs=self.epochs, seed=self.random_state),
                for_ablation=for_ablation,
            )

        self.calibration_ = calibrate(
            fit,
            rows[:, : self.n_eval_views],
            labels,
            folds=divide_images(
                labels, weights, seed=self.random_state, groups=groups, folds=folds
            ),
            taxonomy=self.taxonomy_,
            members=list_members(self.blocks),
            aims=Aims(
                target_purity=self.target_purity,
                max_rejection=self.max_rejection,
                false_alarms=self.false_alarms,
            ),
            checkpoint=checkpoint,
        )
        self.networks_ = fit(np.arange(len(rows)), for_ablation=True)
        return self

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.str_]:
        """Return the forced answer of each image, (n,): the likeliest leaf."""
        return self._evaluate(X)[0].forced

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the calibrated probability of each leaf, (n, k) in the order of `classes_`."""
        paths, _ = self._evaluate(X)
        # The marginals of the leaves add up to 1: every path ends in one of them.
        columns = [paths.nodes.index(leaf) for leaf in self.classes_.tolist()]
        return paths.marginal[:, columns]

    @property
    def members_(self) -> tuple[str, ...]:
        """What each node is answered by."""
        return tuple(self.calibration_.flat.members)

    def predict_alone(self, X: NDArray[np.floating], member: str) -> NDArray[np.str_]:
        """Return the forced answers (n,) that one member would give at every node.

        Raises
        ------
        KeyError
            There is no such member.
        """
        check_is_fitted(self)
        logits = self.networks_.answer_nodes(self.networks_.fuse(as_copies(X)))
        blends = self.calibration_.blends
        return blend_paths(self.taxonomy_, logits, blends, member=member).forced

    def predict_flat(self, X: NDArray[np.floating], member: str | None = None) -> NDArray[np.str_]:
        """Return the flat baseline's answers (n,), by all its members or by one head alone.

        Raises
        ------
        KeyError
            There is no such head.
        """
        check_is_fitted(self)
        heads, fused = self.networks_.flats, self.networks_.fuse(as_copies(X))
        if member is not None:
            return np.asarray(self.classes_[heads[member].logits(fused).argmax(axis=1)], np.str_)
        logits = answer_all({name: heads[name] for name in self.members_}, fused)
        scores = self.calibration_.flat.answer(logits)
        return np.asarray(self.classes_[scores.argmax(axis=1)], np.str_)

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
        paths, novelties = self._evaluate(X)
        noisy = np.zeros(len(ids), bool) if too_noisy is None else too_noisy
        labels = truncate_forced(paths, self.calibration_.thresholds)
        # Noise goes first: of a picture that drowns in it, a distance says nothing.
        unknown = (novelties > 1) & ~noisy
        labels[unknown | noisy] = ""
        whole = labels == paths.forced  # the thresholds let the answer through to its leaf
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
        fused = self.networks_.fuse(as_copies(X))
        return self.networks_.known.measure(fused.mean(axis=1))[:, MEASURES.index("nearest")]

    def _evaluate(self, X: NDArray[np.floating]) -> tuple[Paths, Floats]:
        """Return the paths and novelties (n,) of images (n, d) or (n, c, d)."""
        check_is_fitted(self)
        rows = as_copies(X)
        if rows.shape[2] != self.n_features_in_:
            raise ValueError(f"{rows.shape[2]} columns, learned {self.n_features_in_}")
        networks, calibration = self.networks_, self.calibration_
        fused = networks.fuse(rows)  # (n, c, p)
        paths = blend_paths(self.taxonomy_, networks.answer_nodes(fused), calibration.blends)
        # Distances are those of the mean over the copies, as the known images' are.
        distances = networks.known.measure(fused.mean(axis=1))
        return paths, calibration.scale.score(np.column_stack([distances, 1 - paths.confidences]))
