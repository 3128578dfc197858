"""What all classifiers of a node have in common: the classes, and which of them were learned."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

_NEVER = -30.0  # logit of a child that the training images of a fold had none of


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHead:
    """A classifier that chooses among classes by the columns `span` of the fused vector.

    Attributes
    ----------
    classes : tuple of str
        Those to choose among, k.
    trained : tuple of int
        Positions in `classes` that training images had, t: the outputs, in their order.
    span : (int, int)
    """

    classes: tuple[str, ...]
    trained: tuple[int, ...]
    span: tuple[int, int]

    def spread_outputs(self, outputs: NDArray[np.floating]) -> Floats:
        """Return the logits (n, k) of outputs (n, t): what was not learned is never chosen."""
        logits = np.full((len(outputs), len(self.classes)), _NEVER, np.float32)
        logits[:, self.trained] = outputs
        return logits
