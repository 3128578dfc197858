"""What the hierarchical classifier says of each image: one answer a level, and how sure it is.

The cascade makes `Predictions`; predictions.csv, the evaluation and its page are written from
them. n images, a taxonomy of the given depth; level d of a label path is its first d parts.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Outcome = Literal["named", "unknown", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The answers of a hierarchical classifier for n images.

    Attributes
    ----------
    ids : (n,) array of str
        Image ids, each once.
    labels : (n,) array of str
        The deepest node of the taxonomy that the classifier vouches for, as a label path; empty
        where it vouches for none. A named image has one, and it is `forced` or above it.
    forced : (n,) array of str
        The answer at full coverage, whether vouched for or not: always a leaf.
    level_probabilities : (n, depth) float32 in [0, 1]
        Calibrated probability of forced's ancestor at depth 1, 2, ... given its parent: 1 where a
        level has one class only, NaN below forced's own depth.
    confidences : (n,) float32 in [0, 1]
        Calibrated probability of the whole forced path.
    verdicts : (n,) array of str
        "named"; "unknown": far from every known type; "undecided": between known types.
    novelties : (n,) float32, 0 or more
        Distance to the known types; 1 is the limit of acceptance.
    noises : (n,) float32, 0 or more
        Noise estimate of the image as a share of its grey range; NaN where not measured.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.str_]
    forced: NDArray[np.str_]
    level_probabilities: NDArray[np.float32]
    confidences: NDArray[np.float32]
    verdicts: NDArray[np.str_]
    novelties: NDArray[np.float32]
    noises: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name in ("ids", "labels", "forced", "verdicts"):
            _check_array(name, getattr(self, name), (n,), "U")
        for name in ("confidences", "novelties", "noises"):
            _check_array(name, getattr(self, name), (n,), "f")
        if self.level_probabilities.ndim != 2 or not self.level_probabilities.shape[1]:
            raise ValueError(f"level_probabilities have shape {self.level_probabilities.shape}")
        _check_array("level_probabilities", self.level_probabilities, (n, self.depth), "f")
        if len(np.unique(self.ids)) != n:
            raise ValueError("ids are not unique")
        if strange := sorted(set(self.verdicts.tolist()) - set(get_args(Outcome))):
            raise ValueError(f"verdict {strange[0]!r}, expected one of {get_args(Outcome)}")
        self._check_ranges()
        self._check_paths()

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: NDArray[np.intp]) -> "Predictions":
        """Return the answers at these positions."""
        return Predictions(**{name: getattr(self, name)[positions] for name in self.__slots__})

    @property
    def depth(self) -> int:
        """Number of levels of the taxonomy."""
        return int(self.level_probabilities.shape[1])

    @property
    def named(self) -> NDArray[np.bool_]:
        """Which images the classifier names, (n,)."""
        return np.asarray(self.verdicts == "named", np.bool_)

    def _check_ranges(self) -> None:
        if not ((self.confidences >= 0) & (self.confidences <= 1)).all():
            raise ValueError("confidences must lie in [0, 1]")
        if not ((self.novelties >= 0) & np.isfinite(self.novelties)).all():
            raise ValueError("novelties must be finite and 0 or more")
        # NaN, not 0: an image without noise is a measurement.
        if not (np.isnan(self.noises) | (self.noises >= 0)).all():
            raise ValueError("noises must be 0 or more, or NaN where not measured")

    def _check_paths(self) -> None:
        # Level d of a path is its first d parts.
        parts = np.char.count(self.forced, "/") + 1  # (n,)
        if (self.forced == "").any() or (parts > self.depth).any():
            raise ValueError(f"forced must be label paths of 1 to {self.depth} parts")
        own = np.arange(self.depth) < parts[:, None]  # (n, depth) levels down to forced's own
        values = self.level_probabilities
        if not (np.where(own, (values >= 0) & (values <= 1), np.isnan(values))).all():
            raise ValueError("level_probabilities: [0, 1] down to forced's depth, NaN below it")
        named = self.labels[self.named].tolist(), self.forced[self.named].tolist()
        for label, forced in zip(*named, strict=True):
            # With a slash: defect/pit is above defect/pit/deep and not above defect/pitch.
            if not label or not f"{forced}/".startswith(f"{label}/"):
                raise ValueError(f"named {label!r}, expected {forced!r} or a node above it")


def _check_array(name: str, values: NDArray[Any], shape: tuple[int, ...], kind: str) -> None:
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
    if values.dtype.kind != kind or (kind == "f" and values.dtype != np.float32):
        raise ValueError(
            f"{name} is {values.dtype}, expected {'str' if kind == 'U' else 'float32'}"
        )
