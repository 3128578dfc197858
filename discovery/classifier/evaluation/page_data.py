"""What the evaluation's page is drawn from: answers, truth, scores, pictures and facts.

The command fills `EvaluationData` and hands it to `render_evaluation`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.records import Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationData:
    """Everything the page shows; what is left out is not shown, or said to be missing.

    Attributes
    ----------
    predictions : Predictions
    truth : (n,) array of str
        Aligned with the predictions.
    scores : mapping
        What `score_predictions` gave for these very images.
    paths : mapping of image id to str
        The file of an image, as it shall be shown.
    thumbnails : mapping of image id to bytes
        JPEG, PNG or WebP of the images that `choose_mistakes` lists; an image that could not be
        read is left out.
    second_best : mapping of image id to (str, float)
        The runner-up's label path and its probability.
    max_pictures : int
        How many pictures at most: the limit that was given to `choose_mistakes`.
    threshold : float or None
        The confidence that answers must have, to be marked on the curve.
    ablation : sequence of mapping
        Rows of `score_variant`.
    left_out : mapping or None
        What `summarise_left_out` gave.
    facts : mapping of str to str
        How model and truth were made, shown as they are.
    warnings : sequence of str
        What a reader must know before trusting the page.
    title, source, made_at : str
    """

    predictions: Predictions
    truth: NDArray[np.str_]
    scores: Mapping[str, Any]
    paths: Mapping[str, str] = field(default_factory=dict)
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    second_best: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    max_pictures: int = 48
    threshold: float | None = None
    ablation: Sequence[Mapping[str, Any]] = ()
    left_out: Mapping[str, Any] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    title: str = "How good the classifier is"
    source: str = ""
    made_at: str = ""

    def __post_init__(self) -> None:
        n = len(self.predictions)
        if self.truth.shape != (n,) or self.scores["n"] != n:
            raise ValueError(f"truth {self.truth.shape}, scores of {self.scores['n']}, {n} images")
        if self.max_pictures < 0:
            raise ValueError(f"max_pictures is {self.max_pictures}, expected 0 or more")
