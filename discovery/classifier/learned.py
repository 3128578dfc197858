"""What one fit on some images gives: the fused space, the tree's networks, the known types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.fusion import Fusion
from discovery.classifier.heads import Head, fit_flat, fit_tree
from discovery.classifier.novelty import KnownSpace
from discovery.classifier.taxonomy import Taxonomy

Floats = NDArray[np.float32]
Variant = Literal["fused", "deep", "classical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedNetworks:
    """Everything that images were learned into.

    Attributes
    ----------
    fusion : Fusion
    heads : dict of node to Head
        One a node that has a choice.
    flats : dict of str to Head
        The flat baseline over all leaves: by all features, and by one kind of them (ablation).
    known : KnownSpace
    """

    fusion: Fusion
    heads: dict[str, Head]
    flats: dict[Variant, Head]
    known: KnownSpace

    @classmethod
    def fit(
        cls,
        rows: Floats,
        labels: NDArray[np.str_],
        weights: Floats,
        *,
        taxonomy: Taxonomy,
        fusion: Fusion,
        shown: int | None,
        network: Mapping[str, Any],
        variants: tuple[Variant, ...],
    ) -> Self:
        """Learn images (n, c, d) with label paths (n,) and weights (n,).

        The known are measured by the `shown` copies at the front (None: all).
        """
        n, copies, d = rows.shape
        fused = fusion.fit_transform(rows.reshape(n * copies, d)).reshape(n, copies, -1)
        spans = _name_spans(fusion)
        return cls(
            fusion=fusion,
            heads=fit_tree(taxonomy, fused, labels, weights=weights, network=network),
            flats={
                name: fit_flat(
                    taxonomy, fused, labels, weights=weights, network=network, span=spans[name]
                )
                for name in variants
                if name in spans
            },
            known=KnownSpace.fit(
                fused[:, :shown].mean(axis=1), labels, seed=int(network["random_state"])
            ),
        )

    def fuse(self, rows: Floats) -> Floats:
        """Return the fused rows (n, c, p) of images (n, c, d)."""
        n, copies, d = rows.shape
        fused: Floats = self.fusion.transform(rows.reshape(n * copies, d))
        return fused.reshape(n, copies, -1)


def _name_spans(fusion: Fusion) -> dict[Variant, tuple[int, int]]:
    whole = (0, fusion.spans_[-1][1])
    if len(fusion.spans_) < 2:
        return {"fused": whole}
    return {"fused": whole, "deep": fusion.spans_[0], "classical": fusion.spans_[1]}
