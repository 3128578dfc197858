"""The association of one column and one cluster, before it is held against all others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.stages.enrich.records import Association


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An association and the images that have it.

    Attributes
    ----------
    association : Association
    mask : (n,) bool
        Images with the value, beyond the median, or inside the window.
    """

    association: Association
    mask: NDArray[np.bool_]
