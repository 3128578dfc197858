"""What fine-tuning learns from: the maps that were kept, with their types and a held-out part."""

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.classifier.frozen_maps import FrozenMaps

Floats = NDArray[np.float32]


class TuningSet:
    """Maps of m images with what is to be learned of them.

    Attributes
    ----------
    held_out, trained : (a,), (m - a,)
        Positions among the m of the images that are held out, and of the others.
    """

    def __init__(
        self,
        frozen: FrozenMaps,
        targets: NDArray[np.intp],
        weights: Floats,
        *,
        held_out: NDArray[np.bool_],
    ) -> None:
        self.copies = frozen.maps.shape[1]
        self.maps = frozen.maps.flatten(0, 1)  # (m * copies, h, w, 1024)
        self.before = frozen.before.flatten(0, 1)  # (m * copies, d)
        self.pretrained = frozen.last.flatten(0, 1)  # (m * copies, 2048)
        self.targets = torch.from_numpy(targets[frozen.which].astype(np.int64))
        self.weights = torch.from_numpy(weights[frozen.which].astype(np.float32))
        self.classes = int(targets.max()) + 1
        self.held_out = np.flatnonzero(held_out[frozen.which])
        self.trained = np.flatnonzero(~held_out[frozen.which])

    def list_rows(self, images: NDArray[np.intp], copies: int) -> torch.Tensor:
        """Return the rows (images * copies,) of the first copies of these images."""
        rows = images[:, None] * self.copies + np.arange(copies)
        return torch.from_numpy(rows.reshape(-1))
