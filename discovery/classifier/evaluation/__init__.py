"""How good the classifier is: scores a level, coverage against accuracy, calibration, a page.

`score_predictions` gives every figure of metrics.json, `choose_threshold` and the fits of
`calibration` are what training takes from here, `render_evaluation` draws the page.
"""

from discovery.classifier.evaluation.calibration import (
    ReliabilityBins,
    apply_temperature,
    bin_reliability,
    expect_ece,
    fit_temperature,
    measure_brier,
    measure_ece,
)
from discovery.classifier.evaluation.coverage import (
    RiskCoverage,
    choose_threshold,
    choose_threshold_for_rejection,
    trace_risk_coverage,
)
from discovery.classifier.evaluation.intervals import compare_paired, estimate_interval
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
    "ReliabilityBins",
    "RiskCoverage",
    "apply_temperature",
    "bin_reliability",
    "choose_mistakes",
    "choose_threshold",
    "choose_threshold_for_rejection",
    "compare_paired",
    "estimate_interval",
    "expect_ece",
    "fit_temperature",
    "measure_brier",
    "measure_ece",
    "render_evaluation",
    "score_novelty",
    "score_predictions",
    "score_variant",
    "summarise_left_out",
    "trace_risk_coverage",
]
