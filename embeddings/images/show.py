"""What an extractor sees of a picture: the picture brought to size, or a wafer map drawn as one.

::

    image = show_picture(picture, spec, window=(0, 255))  # (1, 224, 224)

Extraction and heat maps both come here, so that a heat map is of what was embedded. A view other
than "picture" is for maps: one page of at most 8 grey levels, grey, or in colour with three equal
channels. All other pictures (more levels, as after lossy compression, or colours) are shown as
pictures whatever the view, so that a store may hold both.
"""

import numpy as np
from numpy.typing import NDArray

from embeddings.images.maps import MapView, draw_map
from embeddings.images.picture import Picture, has_few_levels
from embeddings.images.prepare import prepare_picture
from embeddings.images.regions import Region, clip_region
from embeddings.records import ExtractorSpec

_MOST_PLACES = 2048  # a side: no wafer has more dice in a row, and a large mask must fit in memory

Window = tuple[float, float]


def show_picture(
    picture: Picture,
    spec: ExtractorSpec,
    *,
    window: Window,
    region: Region | None = None,
    golden: Picture | None = None,
) -> NDArray[np.float32]:
    """Show a picture, or a region of it, as the spec says.

    Parameters
    ----------
    picture : Picture
    spec : ExtractorSpec
        Its view, input_size, fit and resize; the last two are not for maps, which are drawn as
        `draw_map` does.
    window : tuple of float
        Grey levels that become 0 and 1. In a map the lower one is outside of the wafer.
    region : Region, optional
        Of a map only what lies inside the picture is drawn.
    golden : Picture, optional
        The picture's golden reference, of the same size and kind. The two are drawn as maps only
        where both are.

    Returns
    -------
    (C, h, w) float32 in [0, 1]
        With a golden reference its channels lie behind the picture's own: (2 C, h, w).

    Raises
    ------
    ImageError
        The region has no pixel in common with the picture.
    """
    pair = [picture] if golden is None else [picture, golden]
    levels = [_read_levels(one) for one in pair] if spec.view != "picture" else []
    maps = [one for one in levels if one is not None]
    if len(maps) == len(pair):
        images = [_draw(one, spec, window=window, region=region) for one in maps]
    else:
        images = [_prepare(one, spec, window=window, region=region) for one in pair]
    return images[0] if golden is None else _join_channels(*images)


def _read_levels(picture: Picture) -> NDArray[np.generic] | None:
    """Return the (h, w) grey levels of a map; None where the picture is none."""
    pixels = picture.pixels
    if not has_few_levels(pixels):
        return None
    if pixels.ndim == 2:
        return pixels
    grey = pixels[..., 0]
    return grey if np.array_equal(pixels, np.repeat(grey[..., None], 3, axis=2)) else None


def _draw(
    levels: NDArray[np.generic], spec: ExtractorSpec, *, window: Window, region: Region | None
) -> NDArray[np.float32]:
    if region is not None:
        part = clip_region(region, levels.shape[1], levels.shape[0])
        levels = levels[part.y0 : part.y0 + part.height, part.x0 : part.x0 + part.width]
    # Thinned, not resized: a level between two would be another category.
    step = -(-max(levels.shape) // _MOST_PLACES)
    low, high = window
    shown = (levels[::step, ::step].astype(np.float64) - low) / (high - low)
    view: MapView = "polar" if spec.view == "polar" else "map"
    return draw_map(np.clip(shown, 0.0, 1.0), view, size=spec.input_size)


def _prepare(
    picture: Picture, spec: ExtractorSpec, *, window: Window, region: Region | None
) -> NDArray[np.float32]:
    return prepare_picture(
        picture,
        window=window,
        size=spec.input_size,
        fit=spec.fit,
        resize=spec.resize,
        region=region,
    )


def _join_channels(image: NDArray[np.float32], golden: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the (c, h, w) of a reference behind a picture's; a grey one is spread to colour."""
    channels = max(len(image), len(golden))
    shape = (channels, *image.shape[1:])
    return np.concatenate([np.broadcast_to(image, shape), np.broadcast_to(golden, shape)])
