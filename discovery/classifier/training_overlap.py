"""Images of a truth table that a model was trained on, or on copies of: they flatter every score.

Exact copies are known by their image ids, which the model keeps; near ones by how near they lie to
a training image, since its pictures are not at hand any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.model import Model

# Of the distance from a held-out image to its nearest training image, the median over all: nearer
# ones are taken for copies. Of JPEG, PNG and resized copies 59 to 82 % lie below it (of wafer maps
# 23 %), of other images at most 1 % where a set has no copies (docs/log.md).
NEAR = 0.5
_NAMED = 3  # in a warning; the rest are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOverlap:
    """What a model and a truth table have in common.

    Attributes
    ----------
    exact : (n,) bool or None
        Images that were learned; None where the model does not say what it learned.
    near : (n,) bool
        Images that lie as near to a learned one as copies do, those of `exact` left out.
    """

    exact: NDArray[np.bool_] | None
    near: NDArray[np.bool_]

    def to_dict(self) -> dict[str, int | None]:
        """Return the counts for metrics.json."""
        return {
            "exact": None if self.exact is None else int(self.exact.sum()),
            "near": int(self.near.sum()),
        }

    def describe(self, paths: Sequence[str]) -> list[str]:
        """Return the warnings, none where nothing leaks; `paths` are those of the n images."""
        warnings = []
        n = len(self.near)
        if self.exact is not None and self.exact.any():
            warnings.append(
                f"{self.exact.sum()} of {n} images of the truth were learned by this model, so "
                f"that the scores are too high: {_name(self.exact, paths)}."
            )
        if self.near.any():
            warnings.append(
                f"{self.near.sum()} of {n} images of the truth lie as near to a learned one as "
                f"copies of it do; look at them before trusting the scores: "
                f"{_name(self.near, paths)}."
            )
        return warnings


def find_training_images(
    model: Model, ids: NDArray[np.str_], rows: NDArray[np.float32]
) -> TrainingOverlap:
    """Find the images that the model has learned, and near copies of such.

    Parameters
    ----------
    ids : (n,) array of str
    rows : (n, c, d) float32
        Their features, as `predict_images` returns them.
    """
    learned = model.training.get("image_ids")
    exact = None
    if learned is not None:
        known = set(str(learned).split())
        exact = np.array([image_id in known for image_id in ids.tolist()], bool)
    distances = model.cascade.measure_nearest(rows)
    near = distances < NEAR * float(model.cascade.calibration_.scale.medians[0])
    return TrainingOverlap(exact=exact, near=near if exact is None else near & ~exact)


def _name(which: NDArray[Any], paths: Sequence[str]) -> str:
    places = np.flatnonzero(which)
    more = len(places) - _NAMED
    named = ", ".join(paths[i] for i in places[:_NAMED])
    return named + (f" and {more} more" if more > 0 else "")
