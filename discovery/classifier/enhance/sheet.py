"""One picture of all steps side by side, so that each can be looked at.

draw_steps(grey, method="median").save("steps.png")
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import segmentation

from discovery.classifier.enhance.background import BackgroundMethod, flatten_background
from discovery.classifier.enhance.denoise import DenoiseMethod, denoise_picture
from discovery.classifier.enhance.highlight import HighlightMethod, highlight_defect
from discovery.classifier.enhance.noise import estimate_noise
from discovery.classifier.enhance.values import Grey, Mask, check_grey

_SIDE: Final = 256  # pixels of a panel's longer side
_GAP: Final = 8
_TEXT: Final = 13  # pixels of a line of text
_OUTLINE: Final = (255, 70, 40)


def draw_steps(
    grey: Grey,
    reference: Grey | None = None,
    *,
    method: DenoiseMethod = "nonlocal-means",
    strength: float = 1.0,
    background: BackgroundMethod = "polynomial",
    highlight: HighlightMethod = "auto",
) -> Image.Image:
    """Draw the picture before, denoised, flattened, its response, and the mask's outline.

    Parameters
    ----------
    grey : (h, w) float32 array
        Values in [0, 1].
    reference : (h, w) float32 array, optional
        The golden picture; the response is then that of the denoised picture, not flattened.
    method, strength
        See `denoise_picture`.
    background : str
        See `flatten_background`.
    highlight : str
        See `highlight_defect`.

    Returns
    -------
    PIL.Image.Image
        Five panels in a row, the noise and the method under each. The response is drawn with
        its largest value white, which the caption names.

    Raises
    ------
    OptionError
        A method is not known.
    ValueError
        See `check_grey`.
    """
    check_grey(grey)
    calm = denoise_picture(grey, method, strength=strength)
    flat = flatten_background(calm, background)
    # A golden picture has the background in it: nothing is left to flatten.
    found = highlight_defect(
        flat if reference is None else calm, reference=reference, method=highlight
    )
    top = float(found.response.max())
    panels = [
        (_as_panel(grey), "before", f"noise {estimate_noise(grey):.4f}"),
        (_as_panel(calm), f"{method} x{strength:g}", f"noise {estimate_noise(calm):.4f}"),
        (_as_panel(flat), f"less {background}", f"noise {estimate_noise(flat):.4f}"),
        (_as_panel(found.response / max(top, 1e-6)), f"by {found.method}", f"white is {top:.3f}"),
        (_draw_outline(grey, found.mask), "mask", f"{np.count_nonzero(found.mask)} pixels"),
    ]
    return _lay_out(panels)


def _as_panel(grey: NDArray[np.float32]) -> Image.Image:
    levels = np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8)
    return _fit(Image.fromarray(levels).convert("RGB"))


def _draw_outline(grey: Grey, mask: Mask) -> Image.Image:
    """Draw the outline on the enlarged picture, so that it hides little of it."""
    panel = _as_panel(grey)
    enlarged = _fit(Image.fromarray(mask))
    pixels = np.array(panel)  # (H, W, 3), a copy
    pixels[segmentation.find_boundaries(np.array(enlarged), mode="outer")] = _OUTLINE
    return Image.fromarray(pixels)


def _fit(image: Image.Image) -> Image.Image:
    """Scale the longer side to a panel's; pixels stay visible where it is enlarged."""
    scale = _SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    grey = scale < 1 and image.mode != "1"
    return image.resize(size, Image.Resampling.BOX if grey else Image.Resampling.NEAREST)


def _lay_out(panels: list[tuple[Image.Image, str, str]]) -> Image.Image:
    font = ImageFont.load_default(_TEXT)
    height = max(panel.height for panel, _, _ in panels)
    step = _SIDE + _GAP  # a caption has a whole panel's width, however narrow the picture is
    size = (len(panels) * step + _GAP, height + 2 * _GAP + 2 * (_TEXT + 4))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for place, (panel, title, figure) in enumerate(panels):
        left = _GAP + place * step
        sheet.paste(panel, (left, _GAP))
        pen.text((left, height + _GAP + 4), f"{title}\n{figure}", fill="black", font=font)
    return sheet
