"""What one fit of the cascade on some images gives: the fused space, the members of each node.

A node with a choice is answered by several members, each by some of the features; how their
answers become one is learned from held-out images (`discovery.classifier.calibration`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.fusion import Fusion
from discovery.classifier.logistic import LogisticHead
from discovery.classifier.networks import Head, Schedule
from discovery.classifier.novelty import KnownSpace
from discovery.classifier.taxonomy import ROOT, Taxonomy

Floats = NDArray[np.float32]
MemberName = Literal["fused", "deep", "classical", "linear"]
AnyHead = Head | LogisticHead
Logits = dict[str, Floats]

# In their order: a network on all features, one on the deep ones alone, a line through all.
MEMBERS: Final[tuple[MemberName, ...]] = ("fused", "deep", "linear")
# Of the flat baseline too, for the ablation of an evaluation; they take no part in any answer.
_BESIDE: Final[tuple[MemberName, ...]] = ("classical",)
_SHOWN_EVERY: Final = 4  # copies


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedNetworks:
    """All that one fit on some images gives.

    Attributes
    ----------
    fusion : Fusion
    heads : dict of node to dict of name to head
        The members of each node that has a choice.
    flats : dict of name to head
        The members of the flat baseline over all leaves, and what the ablation shows beside.
    known : KnownSpace
    """

    fusion: Fusion
    heads: dict[str, dict[str, AnyHead]]
    flats: dict[str, AnyHead]
    known: KnownSpace

    @classmethod
    def fit(
        cls,
        rows: Floats,
        labels: NDArray[np.str_],
        weights: Floats,
        *,
        taxonomy: Taxonomy,
        blocks: tuple[int, ...] | None,
        n_eval_views: int | None,
        schedule: Schedule,
        for_ablation: bool,
    ) -> Self:
        """Learn images (n, c, d) with label paths (n,) and weights (n,), all above 0.

        The known are measured, and lines drawn, by the `n_eval_views` copies at the front (None:
        all): those are what an image has when it is asked about.
        """
        n, copies, d = rows.shape
        flat = rows.reshape(n * copies, d)  # copies are images of their own to the scales
        fusion = Fusion.fit(flat, blocks=blocks, seed=schedule.seed)
        fused = fusion.transform(flat).reshape(n, copies, -1)
        seen, spans = fused[:, :n_eval_views], _name_spans(fusion)
        rarely = _hide_classical(fused, spans)

        def fit(name: MemberName, targets: NDArray[np.intp], classes: tuple[str, ...]) -> AnyHead:
            span = spans[name]
            if name == "linear":
                return LogisticHead.fit(seen, targets, weights, classes=classes, span=span)
            learned = rarely if name == "fused" else fused
            return Head.fit(
                learned, targets, weights, classes=classes, span=span, schedule=schedule
            )

        def fit_members(
            targets: NDArray[np.intp], classes: tuple[str, ...], names: Iterable[MemberName]
        ) -> dict[str, AnyHead]:
            return {name: fit(name, targets, classes) for name in names if name in spans}

        below = {node: find_children(taxonomy, labels, node) for node in taxonomy.decision_nodes()}
        heads = {
            node: fit_members(targets, taxonomy.children(node), MEMBERS)
            for node, targets in below.items()
            # A fold may hold images of one child only: there is nothing to choose then.
            if len(np.unique(targets[targets >= 0])) > 1
        }
        leaves = find_leaves(taxonomy, labels)
        flats: dict[str, AnyHead] = {}
        # Of one level the tree is flat itself, and learned already.
        if ROOT in heads and taxonomy.children(ROOT) == taxonomy.leaves:
            flats |= heads[ROOT]
        else:
            flats |= fit_members(leaves, taxonomy.leaves, MEMBERS)
        if for_ablation:
            flats |= fit_members(leaves, taxonomy.leaves, _BESIDE)
        return cls(
            fusion=fusion,
            heads=heads,
            flats=flats,
            known=KnownSpace.fit(seen.mean(axis=1), labels, seed=schedule.seed),
        )

    def fuse(self, rows: Floats) -> Floats:
        """Return the fused rows (n, c, p) of images (n, c, d)."""
        n, copies, d = rows.shape
        return self.fusion.transform(rows.reshape(n * copies, d)).reshape(n, copies, -1)

    def answer_nodes(self, fused: Floats) -> dict[str, Logits]:
        """Return the logits (n, k) of each member at each node of images (n, c, p)."""
        return {node: answer_all(members, fused) for node, members in self.heads.items()}


def answer_all(members: Mapping[str, AnyHead], fused: Floats) -> Logits:
    """Return the logits (n, k) of each member of images (n, c, p)."""
    return {name: head.logits(fused) for name, head in members.items()}


def list_members(blocks: tuple[int, ...] | None) -> tuple[str, ...]:
    """List the members that answer by features of these blocks."""
    # Of one block (no network, classical descriptors alone) there is nothing to take apart.
    is_whole = blocks is None or len(blocks) < 2
    return tuple(name for name in MEMBERS if not is_whole or name != "deep")


def find_children(taxonomy: Taxonomy, labels: NDArray[np.str_], node: str) -> NDArray[np.intp]:
    """Position among the node's children of each label's branch, -1 for labels not below it."""
    depth = 0 if node == ROOT else node.count("/") + 1
    names, which = np.unique(labels, return_inverse=True)
    branches = np.array([taxonomy.truncate(name, depth + 1) for name in names.tolist()])
    return _find_positions(branches, taxonomy.children(node))[which]


def find_leaves(taxonomy: Taxonomy, labels: NDArray[np.str_]) -> NDArray[np.intp]:
    """Position among the leaves of each label, -1 for labels above them."""
    return _find_positions(labels, taxonomy.leaves)


def _find_positions(names: NDArray[np.str_], classes: tuple[str, ...]) -> NDArray[np.intp]:
    """Position of each name (n,) among the classes, -1 where it is none of them."""
    position = {name: i for i, name in enumerate(classes)}
    return np.array([position.get(name, -1) for name in names.tolist()], np.intp)


def _hide_classical(fused: Floats, spans: Mapping[MemberName, tuple[int, int]]) -> Floats:
    """Return images (n, c, p) whose classical columns are shown in one of four copies.

    They do not change with the orientation: shown in all, they name the image, and a network
    learns its label by heart instead of what the copies have in common.
    """
    if "classical" not in spans:
        return fused
    start, stop = spans["classical"]
    hidden = fused.copy()
    hidden[:, np.arange(fused.shape[1]) % _SHOWN_EVERY != 0, start:stop] = 0  # the mean of all
    return hidden


def _name_spans(fusion: Fusion) -> dict[MemberName, tuple[int, int]]:
    """Return the columns of the fused vector that each member sees."""
    whole = (0, fusion.spans[-1][1])
    if len(fusion.spans) < 2:
        return {"fused": whole, "linear": whole}
    deep, classical = fusion.spans
    return {"fused": whole, "deep": deep, "classical": classical, "linear": whole}
