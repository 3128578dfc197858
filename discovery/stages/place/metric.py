"""A metric that known types taught: differences inside a type count less.

Within-class covariance normalisation (Hatch, Kajarekar and Stolcke, 2006, "Within-class
covariance normalization for SVM-based speaker recognition", Interspeech): rows are multiplied by
W^(-1/2), W the covariance of the known images around their own types. It needs no number of
types, and the unknown ones profit as far as they vary in the same directions.
"""

import numpy as np
from numpy.typing import NDArray

from embeddings.records import unit_rows


def learn_metric(known: NDArray[np.float32], labels: NDArray[np.str_]) -> NDArray[np.float32]:
    """Return the (p, p) map that makes differences inside the known types count less.

    Use it as ``unit_rows(rows @ metric)``. W is shrunk towards a multiple of the identity by
    p / (p + degrees of freedom): with few known images, rows stay as they are.

    Parameters
    ----------
    known : (n, p) float32
        Reduced rows of the known images.
    labels : (n,) array of str
    """
    if labels.shape != (len(known),):
        raise ValueError(f"{labels.shape} labels for {len(known)} known rows")
    p = known.shape[1]
    types, which = np.unique(labels, return_inverse=True)
    wide = known.astype(np.float64)
    deviations = np.concatenate(
        [wide[which == i] - wide[which == i].mean(axis=0) for i in range(len(types))]
    )  # (n, p)
    freedom = len(known) - len(types)
    within = deviations.T @ deviations / max(freedom, 1)  # (p, p)
    level = float(np.trace(within)) / p
    if freedom < 1 or level <= 0:
        return np.eye(p, dtype=np.float32)
    shrinkage = p / (p + freedom)
    within = (1 - shrinkage) * within / level + shrinkage * np.eye(p)
    values, axes = np.linalg.eigh(within)
    return np.asarray((axes / np.sqrt(values)) @ axes.T, dtype=np.float32)


def adapt_rows(rows: NDArray[np.float32], metric: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n, p) rows under a learned metric, unit again."""
    return unit_rows(rows @ metric)
