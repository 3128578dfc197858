"""A linear classifier beside the small networks: few labels carry it where a network overfits.

Logistic regression on the mean over an image's copies, held small. It answers as a network does
(`Head`), so that a node may average both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.node_head import Arrays, Floats, NodeHead

_INVERSE_STRENGTH = 1.0  # of the penalty; the fused vector has length sqrt(p) on every set
_MOST_STEPS = 1000  # a few dozen are enough


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticHead(NodeHead):
    """Logistic regression.

    Attributes
    ----------
    coefficients : (t, p) float32
    offsets : (t,) float32
    """

    coefficients: Floats
    offsets: Floats

    @classmethod
    def fit(
        cls,
        fused: Floats,
        targets: NDArray[np.intp],
        weights: Floats,
        *,
        classes: tuple[str, ...],
        span: tuple[int, int],
    ) -> Self:
        """Learn those of the images (n, c, p) that have a class, each by the mean of its copies.

        Parameters
        ----------
        targets : (n,)
            Positions in `classes`, -1 for none of them.
        weights : (n,)
            Above 0.
        """
        from sklearn.linear_model import LogisticRegression

        inside = np.flatnonzero(targets >= 0)
        rows = fused[inside, :, slice(*span)].mean(axis=1, dtype=np.float64)  # (m, p)
        trained = np.unique(targets[inside])
        coefficients = np.zeros((len(trained), rows.shape[1]))
        offsets = np.zeros(len(trained))
        if len(trained) > 1:
            learned = LogisticRegression(C=_INVERSE_STRENGTH, max_iter=_MOST_STEPS)
            learned.fit(rows, targets[inside], sample_weight=weights[inside])
            coefficients[:], offsets[:] = learned.coef_, learned.intercept_
            if len(trained) == 2:  # one row, of the second class: half of it against each
                coefficients *= [[-0.5], [0.5]]
                offsets *= [-0.5, 0.5]
        return cls(
            classes=classes,
            trained=tuple(trained.tolist()),
            span=span,
            coefficients=coefficients.astype(np.float32),
            offsets=offsets.astype(np.float32),
        )

    def logits(self, fused: Floats) -> Floats:
        """Return the logits (n, k) of images (n, c, p)."""
        rows = fused[:, :, slice(*self.span)].mean(axis=1)
        return self.spread_outputs(rows @ self.coefficients.T + self.offsets)

    def to_arrays(self) -> Arrays:
        """Return what was learned as named arrays, for a file."""
        return {"coefficients": self.coefficients, "offsets": self.offsets}

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        *,
        classes: tuple[str, ...],
        trained: tuple[int, ...],
        span: tuple[int, int],
    ) -> Self:
        """Take back what `to_arrays` gave.

        Raises
        ------
        KeyError, ValueError
            An array is missing or has another shape.
        """
        coefficients, offsets = arrays["coefficients"], arrays["offsets"]
        expected = (len(trained), span[1] - span[0])
        if coefficients.shape != expected or offsets.shape != expected[:1]:
            raise ValueError(f"coefficients {coefficients.shape}, expected {expected}")
        return cls(
            classes=classes, trained=trained, span=span, coefficients=coefficients, offsets=offsets
        )
