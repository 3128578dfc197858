"""The networks of the tree: one at each node with a choice, and the flat one beside them.

Arrays of copies: an image comes as c rows (its orientations); networks learn all of them and
their logits are averaged over them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.network import FusedNetwork
from discovery.classifier.taxonomy import ROOT, Taxonomy

Floats = NDArray[np.float32]

_NEVER = -30.0  # logit of a child that the training images of a fold had none of


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A network that chooses among classes by the columns `span` of the fused vector."""

    classes: tuple[str, ...]
    span: tuple[int, int]
    network: FusedNetwork

    @classmethod
    def fit(
        cls,
        fused: Floats,
        targets: NDArray[np.intp],
        weights: Floats,
        *,
        classes: tuple[str, ...],
        span: tuple[int, int] | None = None,
        network: FusedNetwork,
    ) -> Self:
        """Train on images as (n, c, p) with targets (n,), positions in `classes`, and weights."""
        span = span or (0, fused.shape[2])
        copies = fused.shape[1]
        rows = fused[:, :, slice(*span)].reshape(len(fused) * copies, -1)  # (n * c, p)
        network.fit(rows, np.repeat(targets, copies), np.repeat(weights, copies))
        return cls(classes=classes, span=span, network=network)

    def decide(self, fused: Floats) -> Floats:
        """Return the logits (n, k) of images (n, c, p), averaged over the copies."""
        n, copies, _ = fused.shape
        rows = fused[:, :, slice(*self.span)].reshape(n * copies, -1)
        known = self.network.decision_function(rows).reshape(n, copies, -1).mean(axis=1)
        logits = np.full((n, len(self.classes)), _NEVER, np.float32)
        logits[:, self.network.classes_] = known
        return logits


def fit_tree(
    taxonomy: Taxonomy,
    fused: Floats,
    labels: NDArray[np.str_],
    *,
    weights: Floats,
    network: Mapping[str, Any],
) -> dict[str, Head]:
    """Train a head at each node that has a choice, on the images whose label lies below it."""
    heads = {}
    for node in taxonomy.decision_nodes():
        children = taxonomy.children(node)
        targets = find_children(taxonomy, labels, node)
        below = np.flatnonzero(targets >= 0)
        if len(np.unique(targets[below])) < 2:
            continue  # a fold without images of the other children: nothing to choose here
        heads[node] = Head.fit(
            fused[below],
            targets[below],
            weights[below],
            classes=children,
            network=FusedNetwork(**network),
        )
    return heads


def fit_flat(
    taxonomy: Taxonomy,
    fused: Floats,
    labels: NDArray[np.str_],
    *,
    weights: Floats,
    network: Mapping[str, Any],
    span: tuple[int, int] | None = None,
) -> Head:
    """Train the flat baseline: one network over all leaves, on the images labelled with one."""
    leaves = taxonomy.leaves
    position = {leaf: i for i, leaf in enumerate(leaves)}
    targets = np.array([position.get(label, -1) for label in labels.tolist()], np.intp)
    there = np.flatnonzero(targets >= 0)
    return Head.fit(
        fused[there],
        targets[there],
        weights[there],
        classes=leaves,
        span=span,
        network=FusedNetwork(**network),
    )


def find_children(taxonomy: Taxonomy, labels: NDArray[np.str_], node: str) -> NDArray[np.intp]:
    """Position among the node's children of each label's branch, -1 for labels not below it."""
    position = {child: i for i, child in enumerate(taxonomy.children(node))}
    depth = 0 if node == ROOT else node.count("/") + 1
    of_label = {
        label: position.get(taxonomy.truncate(label, depth + 1), -1)
        for label in np.unique(labels).tolist()
    }
    return np.array([of_label[label] for label in labels.tolist()], np.intp)
