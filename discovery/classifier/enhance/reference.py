"""Subtract the golden picture: align it, match its brightness, forgive a pixel at its edges.

response = subtract_reference(grey, golden)
"""

from typing import Final

import numpy as np
import scipy.ndimage
from skimage import registration

from discovery.classifier.enhance.values import Grey, check_grey, hold_grey

_SUBPIXEL: Final = 10  # alignment to a tenth of a pixel
_FARTHEST: Final = 0.25  # of a side; a longer shift leaves too little in common
_ROUNDS: Final = 3  # of fitting gain and offset, each without what lies far off
_TRIM: Final = 3.0  # robust standard deviations
_CALM: Final = 1.0  # Gaussian in pixels that both pictures are smoothed with
_EDGE: Final = 1  # pixels by which an edge may lie off, by roughness or alignment


def align_reference(reference: Grey, grey: Grey) -> Grey:
    """Shift the golden picture onto the picture, to a tenth of a pixel, by phase correlation.

    What enters at the border repeats the border. The golden picture comes back unmoved where the
    shift would be longer than a quarter of a side, or would not bring the two closer: so on
    plain films, where there is nothing to align by.

    Raises
    ------
    ValueError
        See `check_grey`; the two are of different sizes.
    """
    return _align(reference, grey)[0]


def match_brightness(reference: Grey, grey: Grey) -> Grey:
    """Bring the golden picture to the picture's gain and offset by trimmed least squares."""
    x, y = reference.ravel().astype(np.float64), grey.ravel().astype(np.float64)
    kept = np.ones(x.size, dtype=bool)
    gain, offset = 1.0, 0.0
    for _ in range(_ROUNDS):
        inside = x[kept] - x[kept].mean()
        power = float(inside @ inside)
        # A golden picture without contrast tells the offset alone.
        gain = float(inside @ y[kept]) / power if power > 0 else 1.0
        offset = float(y[kept].mean() - gain * x[kept].mean())
        far = np.abs(y - gain * x - offset)
        spread = 1.4826 * float(np.median(far[kept]))
        kept = far <= max(_TRIM * spread, 1e-6)
        if np.count_nonzero(kept) < 0.5 * kept.size:
            break  # more than half is different: the last fit stands
    return hold_grey(gain * reference + offset)


def subtract_reference(grey: Grey, reference: Grey) -> Grey:
    """Return how far each pixel leaves the golden picture's range around it.

    Parameters
    ----------
    grey, reference : (h, w) float32 array
        Values in [0, 1].

    Returns
    -------
    (h, w) float32 array
        In [0, 1]; 0 where the value occurs within a pixel of there in the aligned golden
        picture, both smoothed by a pixel, and along the border where the shifted golden picture
        shows nothing.

    Raises
    ------
    ValueError
        See `check_grey`; the two are of different sizes.
    """
    golden, shift = _align(reference, grey)
    response = leave_range(grey, match_brightness(golden, grey), reach=_EDGE)
    for axis, distance in enumerate(shift):
        along = np.moveaxis(response, axis, 0)  # a view
        # Rows that came from outside, and those that the window around them reaches.
        unseen = int(np.ceil(abs(distance))) + _EDGE if distance else 0
        along[slice(0, unseen) if distance > 0 else slice(len(along) - unseen, None)] = 0
    return response


def leave_range(grey: Grey, expected: Grey, *, reach: int) -> Grey:
    """Return how far each pixel leaves the range of what was expected within `reach` pixels.

    Both pictures are smoothed by a pixel first. An edge that lies off by no more than the reach
    gives 0, as does noise that stays within the range.

    Returns
    -------
    (h, w) float32 array
        In [0, 1].
    """
    seen, smooth = (
        scipy.ndimage.gaussian_filter(p, _CALM, mode="nearest") for p in (grey, expected)
    )
    size = 2 * reach + 1
    above = seen - scipy.ndimage.maximum_filter(smooth, size=size, mode="nearest")
    below = scipy.ndimage.minimum_filter(smooth, size=size, mode="nearest") - seen
    return hold_grey(np.maximum(above, below))


def _align(reference: Grey, grey: Grey) -> tuple[Grey, tuple[float, float]]:
    """Return the golden picture on the picture, and by how many (rows, columns) it was moved."""
    check_grey(grey)
    check_grey(reference, name="reference")
    if grey.shape != reference.shape:
        raise ValueError(f"reference is {reference.shape}, expected {grey.shape} as the picture")
    unmoved = reference.copy(), (0.0, 0.0)
    if np.ptp(grey) == 0 or np.ptp(reference) == 0:
        return unmoved
    # Windowed, as the borders of a picture do not meet; without normalisation, which noise wins.
    found, _, _ = registration.phase_cross_correlation(
        _window(grey), _window(reference), upsample_factor=_SUBPIXEL, normalization=None
    )
    rows, columns = (float(distance) for distance in found)
    if abs(rows) > _FARTHEST * grey.shape[0] or abs(columns) > _FARTHEST * grey.shape[1]:
        return unmoved
    moved = hold_grey(scipy.ndimage.shift(reference, (rows, columns), order=1, mode="nearest"))
    before, after = (np.abs(grey - match_brightness(r, grey)).mean() for r in (reference, moved))
    return (moved, (rows, columns)) if after < before else unmoved


def _window(grey: Grey) -> Grey:
    """Fade the picture's deviation from its mean out towards the borders (a Hann window)."""
    rows, columns = (np.hanning(side + 2)[1:-1] for side in grey.shape)
    faded: Grey = ((grey - grey.mean()) * np.outer(rows, columns)).astype(np.float32)
    return faded
