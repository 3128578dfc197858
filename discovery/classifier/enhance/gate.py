"""The noise gate: what is clear goes on, what is noisy is denoised, what drowns is undecided.

    gated = pass_gate(grey, GateOptions(threshold=0.04))
    if gated.verdict != "undecided":
        classify(gated.picture)

Two things must hold after denoising: little noise is left, and the structure is still there. The
first alone would let every picture pass that was smeared enough.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import scipy.ndimage
from skimage import transform

from discovery.classifier.enhance.denoise import DenoiseMethod, denoise_picture
from discovery.classifier.enhance.noise import estimate_noise
from discovery.classifier.enhance.values import MIN_SIDE, Grey, check_grey, hold_grey
from embeddings.errors import OptionError

GateVerdict = Literal["clear", "denoised", "undecided"]
_BLUR: Final = 2.0  # Gaussian in pixels that a signal must outlast: noise is cut to 0.14 of itself
_MARGIN: Final = 4  # pixels at the border, where the blur averages less noise
_SURROUNDINGS: Final = 8  # slower than this part of the shorter side is shading, no structure


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """When a picture is too noisy, and what is done about it.

    Attributes
    ----------
    threshold : float
        Noise, as a share of the grey range, below which a picture is clear.
    max_tries : int
        Denoising is tried so often, harder each time; 0 leaves noisy pictures undecided.
    method : str
        A method of `denoise_picture`.
    strength, growth : float
        The strength of the first try, and what it is multiplied by from try to try.
    min_signal : float
        Contrast that must be left after denoising, in standard deviations of the noise that was
        there (`measure_signal`). Pure noise has about 1.2 in a picture of 256 x 256, and less
        the harder it is denoised; 1.5 is beyond what pure noise has in 2048 x 2048.
    """

    threshold: float = 0.04
    max_tries: int = 2
    method: DenoiseMethod = "nonlocal-means"
    strength: float = 1.0
    growth: float = 1.6
    min_signal: float = 1.5

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise OptionError(
                f"threshold is {self.threshold:g}: give the share of the grey range, as in 0.04"
            )
        if self.max_tries < 0 or self.method not in get_args(DenoiseMethod):
            raise OptionError(
                f"{self.max_tries} tries of {self.method!r}: expected 0 or more of "
                f"{', '.join(get_args(DenoiseMethod))}"
            )
        if not (self.strength > 0 and self.growth >= 1 and self.min_signal >= 0):
            raise OptionError(
                f"strength {self.strength:g}, growth {self.growth:g}, min_signal "
                f"{self.min_signal:g}: expected above 0, 1 or more, and 0 or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gated:
    """A picture that came through the noise gate, or did not.

    Attributes
    ----------
    picture : (h, w) float32 array
        As it came where it was clear, else the last try.
    noise, noise_before : float
        After and before denoising, as shares of the grey range.
    tries : int
        How often it was denoised.
    signal : float
        What `measure_signal` says of the picture; infinite where there was no noise.
    verdict : {"clear", "denoised", "undecided"}
    """

    picture: Grey
    noise: float
    noise_before: float
    tries: int
    signal: float
    verdict: GateVerdict


def pass_gate(grey: Grey, options: GateOptions) -> Gated:
    """Let a clear picture pass; denoise a noisy one, harder each time, until it is clear.

    Parameters
    ----------
    grey : (h, w) float32 array
        Values in [0, 1].
    options : GateOptions

    Returns
    -------
    Gated
        *clear*: the noise was under the threshold, the picture is untouched whatever it shows.
        *denoised*: it is now, and at least `min_signal` is left. *undecided*: the noise stayed,
        or what was denoised shows nothing that pure noise would not.

    Raises
    ------
    ValueError
        See `check_grey`.
    """
    before = estimate_noise(grey)
    if before <= options.threshold:
        signal = measure_signal(grey, before)
        return Gated(
            picture=grey, noise=before, noise_before=before, tries=0, signal=signal, verdict="clear"
        )
    picture, noise, tries = grey, before, 0
    signal = measure_signal(grey, before)
    # A signal that is lost does not come back by smoothing harder.
    while noise > options.threshold and tries < options.max_tries and signal >= options.min_signal:
        strength = options.strength * options.growth**tries
        # From the picture as it came: filters stacked on each other blotch.
        picture = denoise_picture(grey, options.method, strength=strength, sigma=before)
        noise, signal, tries = measure_residue(picture), measure_signal(picture, before), tries + 1
    passed = noise <= options.threshold and signal >= options.min_signal
    return Gated(
        picture=picture,
        noise=noise,
        noise_before=before,
        tries=tries,
        signal=signal,
        verdict="denoised" if passed else "undecided",
    )


def measure_signal(grey: Grey, noise: float) -> float:
    """Measure the contrast of what is wider than noise, in standard deviations of the noise.

    The picture is blurred by 2 pixels, its slow shading taken away, and the range of what is
    left divided by the noise: so white noise of one standard deviation keeps 0.14 of it, whatever
    a denoiser did to it, while a defect of a few pixels or a pattern keeps most of its contrast.
    After Rose's criterion (Vision: Human and Electronic, 1973): a spot is seen by its contrast
    over the noise averaged on its area.

    Parameters
    ----------
    grey : (h, w) float32 array
        Values in [0, 1].
    noise : float
        That of the picture as it came, before it was denoised.

    Returns
    -------
    float
        Infinite where there is no noise but some contrast, 0 without contrast.

    Raises
    ------
    ValueError
        See `check_grey`.
    """
    check_grey(grey)
    blurred = scipy.ndimage.gaussian_filter(grey, _BLUR, mode="nearest")
    shading = scipy.ndimage.gaussian_filter(
        blurred, min(grey.shape) / _SURROUNDINGS, mode="nearest", truncate=2.0
    )
    margin = min(_MARGIN, min(grey.shape) // 4)
    contrast = float(np.ptp((blurred - shading)[margin:-margin, margin:-margin]))
    # Float32 rounding leaves a constant picture a contrast of some 1e-7.
    if contrast < 1e-5:
        return 0.0
    return contrast / noise if noise > 0 else float("inf")


def measure_residue(denoised: Grey) -> float:
    """Measure the noise that denoising left: fine, or in blotches of two pixels.

    A filter turns fine noise into coarser blotches, which the estimate for white noise does not
    see: the larger one of the picture's and of its half-size copy's noise counts.

    Raises
    ------
    ValueError
        See `check_grey`.
    """
    fine = estimate_noise(denoised)
    if min(denoised.shape) < 2 * MIN_SIDE:
        return fine
    even = denoised[: denoised.shape[0] // 2 * 2, : denoised.shape[1] // 2 * 2]
    halved = transform.downscale_local_mean(even, (2, 2))  # (h / 2, w / 2)
    return max(fine, estimate_noise(hold_grey(halved)))
