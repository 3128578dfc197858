"""From probabilities at the nodes to answers: paths, the forced answer, how deep to vouch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.evaluation.correctness import count_parts, cut_paths
from discovery.classifier.evaluation.coverage import (
    choose_threshold,
    choose_threshold_for_rejection,
)
from discovery.classifier.taxonomy import ROOT, Taxonomy, split_path

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Probabilities down the tree for n images.

    Attributes
    ----------
    nodes : tuple of str
        As in the taxonomy: a parent before its children.
    given_parent, marginal : (n, nodes)
        Probability of each node given its parent, and of the whole path down to it.
    forced : (n,) array of str
        The likeliest leaf.
    levels : (n, depth)
        `given_parent` of forced's ancestors, NaN below its own depth.
    """

    nodes: tuple[str, ...]
    given_parent: Floats
    marginal: Floats
    forced: NDArray[np.str_]
    levels: Floats

    @property
    def path_probabilities(self) -> Floats:
        """Probability of forced's path down to each depth, (n, depth); NaN below its own."""
        return np.asarray(np.cumprod(self.levels, axis=1), np.float64)

    @property
    def confidences(self) -> Floats:
        """Probability of the whole forced path, (n,)."""
        return np.asarray(np.nanprod(self.levels, axis=1), np.float64)


def walk_paths(taxonomy: Taxonomy, probabilities: Mapping[str, Floats], n: int) -> Paths:
    """Multiply the probabilities of children (n, k) down the tree; one child alone passes through.

    Parameters
    ----------
    probabilities : mapping of node to (n, k)
        In the order of the node's children; they add up to 1.
    """
    nodes = taxonomy.nodes
    column = {node: i for i, node in enumerate(nodes)}
    given = np.ones((n, len(nodes)))  # an only child has probability 1 given its parent
    for node, values in probabilities.items():
        given[:, [column[child] for child in taxonomy.children(node)]] = values
    for node in (ROOT, *nodes):  # children that were never learned in a fold: all alike
        children = taxonomy.children(node)
        if len(children) > 1 and node not in probabilities:
            given[:, [column[child] for child in children]] = 1 / len(children)
    marginal = given.copy()  # parents stand before their children, so that theirs are done
    for i, node in enumerate(nodes):
        parent = taxonomy.parent(node)
        if parent != ROOT:
            marginal[:, i] *= marginal[:, column[parent]]
    leaves = np.array(taxonomy.leaves, dtype=np.str_)
    # The likeliest leaf, which need not lie below the likeliest parent.
    best = marginal[:, [column[leaf] for leaf in leaves.tolist()]].argmax(axis=1)
    levels = np.full((n, taxonomy.depth), np.nan)
    for i, leaf in enumerate(taxonomy.leaves):
        mine = best == i
        for depth, ancestor in enumerate(taxonomy.ancestors(leaf)):
            levels[mine, depth] = given[mine, column[ancestor]]
    return Paths(
        nodes=nodes, given_parent=given, marginal=marginal, forced=leaves[best], levels=levels
    )


def truncate_forced(paths: Paths, thresholds: Floats) -> NDArray[np.str_]:
    """Cut each forced answer to the deepest node that can be vouched for; "" where there is none.

    Parameters
    ----------
    thresholds : (depth,)
        Probability that the path must have down to each depth.
    """
    trusted = np.nan_to_num(paths.path_probabilities, nan=-1.0) >= thresholds  # (n, depth)
    # A child is never vouched for below a parent that is not: the first distrust ends the path.
    depths = np.logical_and.accumulate(trusted, axis=1).sum(axis=1)
    cut = [
        "/".join(split_path(label)[:depth])
        for label, depth in zip(paths.forced.tolist(), depths.tolist(), strict=True)
    ]
    return np.array(cut, dtype=np.str_)


def choose_thresholds(
    paths: Paths,
    labels: NDArray[np.str_],
    *,
    target_purity: float,
    max_rejection: float | None,
    refused: NDArray[np.bool_],
) -> Floats:
    """Choose for each depth the probability that the path must have, (depth,).

    Parameters
    ----------
    paths : Paths
        Of images that were held out.
    labels : (n,) array of str
        What they are.
    target_purity : float
        Share of right answers at each depth, among those that have at least that probability.
    max_rejection : float, optional
        Instead: largest share of images without a whole answer. The threshold is one for all
        depths, that of the whole path: several, each with its own share, would add up to more.
    refused : (n,)
        Images that are called unknown: of the rejected share, they are the first.

    Returns
    -------
    (depth,)
        Infinity where no image shows what an answer of that depth is worth.
    """
    if max_rejection is not None:
        # The whole path's probability is the least of all depths': each depth multiplies it down.
        whole = np.where(refused, 0.0, np.nanmin(paths.path_probabilities, axis=1))
        least = choose_threshold_for_rejection(whole, max_rejection=max_rejection)
        return np.full(paths.levels.shape[1], least)
    thresholds = []
    for depth, reached in enumerate(paths.path_probabilities.T, start=1):
        # A label or an answer that stops above this depth says nothing of it.
        there = (count_parts(labels) >= depth) & ~np.isnan(reached)
        right = cut_paths(paths.forced[there], depth) == cut_paths(labels[there], depth)
        thresholds.append(
            choose_threshold(reached[there], right, target_purity=target_purity)
            if there.any()
            else np.inf
        )
    return np.array(thresholds)
