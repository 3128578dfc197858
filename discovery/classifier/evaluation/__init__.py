"""How good the classifier is: scores a level, coverage against accuracy, calibration, a page.

`score_predictions` gives every figure of metrics.json, `choose_mistakes` says whose pictures the
page needs, `render_evaluation` draws it. What training takes from here stands in `calibration`,
`coverage` and `correctness`.
"""

from discovery.classifier.evaluation.mistakes import choose_mistakes
from discovery.classifier.evaluation.page import render_evaluation
from discovery.classifier.evaluation.page_data import EvaluationData
from discovery.classifier.evaluation.scores import (
    score_novelty,
    score_predictions,
    score_variant,
    summarise_left_out,
)

__all__ = [
    "EvaluationData",
    "choose_mistakes",
    "render_evaluation",
    "score_novelty",
    "score_predictions",
    "score_variant",
    "summarise_left_out",
]
