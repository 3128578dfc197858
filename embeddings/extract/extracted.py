"""What an extraction did."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.extract.agreement import Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What an extraction did. computed + reused + quarantined = the files that were found.

    Attributes
    ----------
    ids : (n,) array of str
        The source's images in the store, in the order of their paths, each once.
    paths : DataFrame
        Columns path, file_id: every file of the source that has vectors.
    fresh : frozenset of str
        The paths of the files that were computed.
    reused, ignored : int
        Files; `reused` counts exact duplicates too.
    rows : int
        Vectors that were computed (pages, tiles and crops count).
    agreement : Agreement or None
        With float32, where `ExtractOptions.check_precision` asks for it.
    """

    ids: NDArray[np.str_]
    paths: pd.DataFrame
    fresh: frozenset[str]
    reused: int
    rows: int
    ignored: int
    quarantined: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    agreement: Agreement | None = None

    @property
    def computed(self) -> int:
        """Number of files that were computed."""
        return len(self.fresh)

    @property
    def summary(self) -> str:
        """The counts in words, for the last line of a command."""
        text = f"computed {self.computed}, reused {self.reused}"
        return text + f", quarantined {len(self.quarantined)}, ignored {self.ignored}"
