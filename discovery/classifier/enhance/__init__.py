"""Image processing of the third level: denoise, flatten, highlight, and the noise gate.

Every step takes and gives (h, w) float32 grey values in [0, 1]; `draw_steps` shows them all.
"""

from discovery.classifier.enhance.background import (
    BackgroundMethod,
    estimate_background,
    flatten_background,
)
from discovery.classifier.enhance.denoise import DenoiseMethod, denoise_picture
from discovery.classifier.enhance.gate import (
    Gated,
    GateOptions,
    GateVerdict,
    measure_residue,
    measure_signal,
    pass_gate,
)
from discovery.classifier.enhance.highlight import (
    Highlight,
    HighlightMethod,
    highlight_defect,
    mask_response,
)
from discovery.classifier.enhance.noise import estimate_noise
from discovery.classifier.enhance.reference import (
    align_reference,
    match_brightness,
    subtract_reference,
)
from discovery.classifier.enhance.sheet import draw_steps

__all__ = [
    "BackgroundMethod",
    "DenoiseMethod",
    "GateOptions",
    "GateVerdict",
    "Gated",
    "Highlight",
    "HighlightMethod",
    "align_reference",
    "denoise_picture",
    "draw_steps",
    "estimate_background",
    "estimate_noise",
    "flatten_background",
    "highlight_defect",
    "mask_response",
    "match_brightness",
    "measure_residue",
    "measure_signal",
    "pass_gate",
    "subtract_reference",
]
