"""What stands out of a picture, in numbers: size, shape, tone and place of its regions.

A row is (1, the numbers) made unit, so that `discovery.flow` has the numbers back by dividing by
the first; where nothing stands out they are all 0, and all such pictures have the same row.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.extractors.plugin import Extractor, ExtractorPlugin, SpecRequest
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.weights import Weights

NAME = "standout"


class StandOut(ExtractorPlugin):
    """Numbers of the regions that a picture's background does not explain."""

    name = NAME

    def make_spec(self, request: SpecRequest) -> ExtractorSpec:
        """Return the spec of the numbers, the same for all."""
        from embeddings.highlight import LARGEST, NUMBERS

        return ExtractorSpec(
            name=self.name,
            layers=("regions",),
            input_size=LARGEST,
            fit="none",
            backend="scipy",
            dim=1 + len(NUMBERS),
        )

    def load(
        self, spec: ExtractorSpec, weights: Weights | None = None, device: Any = None
    ) -> Extractor:
        """Return what counts; it has neither weights nor a device."""
        return StandOutExtractor(spec)


EXTRACTOR = StandOut()


class StandOutExtractor:
    """Prepared pictures in, unit rows out; several pictures at once on several cores."""

    fills_batches = False  # each picture is described apart

    def __init__(self, spec: ExtractorSpec) -> None:
        self.spec = spec
        self._pool = ThreadPoolExecutor(thread_name_prefix=NAME)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed (b, c, h, w) float32 in [0, 1] to (b, dim) float32 unit rows."""
        return unit_rows(np.stack(list(self._pool.map(_describe, batch))))


def read_numbers(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the numbers that (n, dim) unit rows were made of, (n, dim - 1)."""
    numbers: NDArray[np.float32] = values[:, 1:] / values[:, :1]
    return numbers


def find_found(numbers: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return of which pictures the (n, dim - 1) numbers say that anything stands out, (n,)."""
    # The first says so: 0 or 1, but for the rounding of what a store keeps.
    found: NDArray[np.bool_] = numbers[:, 0] > 0.5
    return found


def _describe(image: NDArray[np.float32]) -> NDArray[np.float64]:
    from embeddings.highlight import LOOKS, NUMBERS

    numbers = LOOKS.describe(image)
    # Of a sliver nothing can be told.
    return np.concatenate([[1.0], np.zeros(len(NUMBERS)) if numbers is None else numbers])
