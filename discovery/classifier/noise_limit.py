"""How much noise a new image may have: what the training images have, and half as much again."""

import numpy as np

from discovery.classifier.describe import Described
from discovery.classifier.enhance.gate import GateOptions
from discovery.classifier.options import TrainOptions

# What training images have may be exceeded by half before an image counts as noisy.
_NOISE_MARGIN = 1.5
_NOISE_FLOOR = 0.02  # of the grey range: below, nothing is lost in noise


def choose_gate(described: Described, options: TrainOptions) -> GateOptions:
    """Return the gate that lets pass what training images are like."""
    threshold = options.noise_threshold
    if threshold is None:
        measured = described.noises[~np.isnan(described.noises)]
        # Not the largest: one bad picture must not open the gate for all.
        usual = float(np.percentile(measured, 99)) if len(measured) else 0.0
        threshold = min(max(_NOISE_MARGIN * usual, _NOISE_FLOOR), 0.9)
    return GateOptions(threshold=round(threshold, 4), method=options.denoise)
