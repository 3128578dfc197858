"""Clusters against the truth: how many decisions of a person would name how much, how rightly.

Used by `discovery.evaluate`. Noise counts as wrong in `acc`, and as one cluster of its own in
`nmi`, `ami`, `ari` and `purity`; a decision is one cluster named by its majority type.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)


def score_clustering(labels: NDArray[np.int32], truth: NDArray[np.str_]) -> dict[str, float]:
    """Score (n,) cluster labels, -1 for noise, against (n,) true types.

    Returns
    -------
    dict
        ``n``, ``k_true``, ``k_found`` : counts; clusters without any of these images do not count.
        ``noise`` : share of images in no cluster.
        ``acc`` : accuracy after the one-to-one matching of clusters and types that maximises it
        (Hungarian method).
        ``nmi`` (arithmetic mean), ``ami``, ``ari``, ``purity`` : noise is one cluster.
        ``decisions`` : clusters to name.
        ``coverage`` : share of images in a named cluster.
        ``label_accuracy`` : share of those whose true type is the name; 0 where none is named.
        ``types_found`` : share of true types that are the majority of at least one cluster.

    Raises
    ------
    ValueError
        There is no image, or the lengths differ.
    """
    if len(labels) != len(truth) or not len(labels):
        raise ValueError(f"{len(labels)} labels for {len(truth)} true types")
    table = _cross_tabulate(labels, truth)  # (1 + k, t), noise first
    noise, named = table[0], table[1:]
    n, covered = int(table.sum()), int(named.sum())
    rows, columns = linear_sum_assignment(named, maximize=True)
    majority = named.argmax(axis=1)  # (k,) ties go to the type first in the alphabet
    right = int(named.max(axis=1, initial=0).sum())
    return {
        "n": n,
        "k_true": table.shape[1],
        "k_found": len(named),
        "noise": float(noise.sum() / n),
        "acc": float(named[rows, columns].sum() / n),
        "nmi": float(normalized_mutual_info_score(truth, labels)),
        "ami": float(adjusted_mutual_info_score(truth, labels)),
        "ari": float(adjusted_rand_score(truth, labels)),
        "purity": float((right + noise.max()) / n),
        "decisions": len(named),
        "coverage": covered / n,
        "label_accuracy": right / covered if covered else 0.0,
        "types_found": len(np.unique(majority)) / table.shape[1],
    }


def score_once(
    labels: NDArray[np.int32], truth: NDArray[np.str_], groups: NDArray[np.int32]
) -> dict[str, Any]:
    """Score with copies of one picture counted once, and say how many there are.

    Parameters
    ----------
    labels : (n,) int32
    truth : (n,) array of str
    groups : (n,) int32
        The group of copies of each.

    Returns
    -------
    dict
        The keys of `score_clustering` over the first of each group; ``copies`` : images left
        out so; ``disagreeing`` : groups whose copies have different true types.
    """
    first = np.sort(np.unique(groups, return_index=True)[1])
    return {
        **score_clustering(labels[first], truth[first]),
        "copies": len(groups) - len(first),
        "disagreeing": _count_disagreeing(groups, truth),
    }


def _count_disagreeing(groups: NDArray[np.int32], truth: NDArray[np.str_]) -> int:
    types: dict[int, set[str]] = {}
    for group, name in zip(groups.tolist(), truth.tolist(), strict=True):
        types.setdefault(group, set()).add(name)
    return sum(len(names) > 1 for names in types.values())


def _cross_tabulate(labels: NDArray[np.int32], truth: NDArray[np.str_]) -> NDArray[np.int64]:
    """Count images by cluster and type; the first row is noise, whether there is any or not."""
    types, type_of = np.unique(truth, return_inverse=True)  # (t,), (n,)
    clusters = np.unique(labels[labels >= 0])  # (k,)
    cluster_of = np.where(labels < 0, 0, np.searchsorted(clusters, labels) + 1)  # (n,)
    table = np.zeros((len(clusters) + 1, len(types)), np.int64)
    np.add.at(table, (cluster_of, type_of), 1)
    return table
