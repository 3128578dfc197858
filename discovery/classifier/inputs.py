"""What the cascade is given, checked and brought to one form: rows, labels, weights, the tree."""

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.taxonomy import Taxonomy, check_types
from discovery.records.labels import tidy_label
from embeddings.errors import HandoffError

Floats = NDArray[np.float32]


def as_copies(X: NDArray[np.floating]) -> Floats:  # noqa: N803 - scikit-learn's name
    """Return (n, c, d) float32; rows (n, d) are one copy each.

    Raises
    ------
    ValueError
        There is none, or a number is no number.
    """
    rows: Floats = np.asarray(X, dtype=np.float32)
    if rows.ndim == 2:
        rows = rows[:, None, :]  # scikit-learn's two dimensions
    if rows.ndim != 3 or not rows.size:
        raise ValueError(f"X has shape {rows.shape}, expected (n, d) or (n, copies, d), not empty")
    if not np.isfinite(rows).all():
        raise ValueError("X holds NaN or infinity")
    return rows


def tidy_labels(labels: NDArray[np.str_]) -> NDArray[np.str_]:
    """Write labels (n,) as the tree does: without blanks around the parts, accents composed."""
    return np.array([tidy_label(label) for label in np.asarray(labels, np.str_).tolist()], np.str_)


def check_weights(weights: NDArray[np.floating] | None, n: int) -> Floats:
    """Return the weights (n,), 1 where none are given.

    Raises
    ------
    ValueError
        They are not one a row, or one is negative.
    """
    if weights is None:
        return np.ones(n, np.float32)
    given = np.asarray(weights, dtype=np.float32)
    if given.shape != (n,) or not np.isfinite(given).all() or (given < 0).any():
        raise ValueError(f"weights {given.shape} for {n} rows: expected one a row, 0 or more")
    return given


def fit_taxonomy(labels: NDArray[np.str_], weights: Floats, taxonomy: Taxonomy | None) -> Taxonomy:
    """Return the tree of the labels, the one that is given where it is that tree.

    Raises
    ------
    HandoffError
        There are fewer than two types to tell apart, or one has only images of weight 0.
    ValueError
        The taxonomy is not the labels'.
    """
    made = Taxonomy.from_labels(labels.tolist())
    if taxonomy is not None and taxonomy.nodes != made.nodes:
        raise ValueError("the taxonomy is not the tree of the labels: make it by from_labels")
    check_types(made, len(labels))
    # A type without an image of any weight would be in the tree and never learned.
    if unweighted := sorted({*labels.tolist()} - {*labels[weights > 0].tolist()}):
        raise HandoffError(
            f"every image of {unweighted[0]} has weight 0, expected one above 0 at least: "
            "label one by hand, or leave the type out"
        )
    return taxonomy or made
