"""Bring a picture, or a region of one, to the array an extractor sees, and to a thumbnail.

::

    image = show_picture(picture, spec, window=(0, 255))  # (1, 224, 224)

`show_picture` is what an extractor sees: the picture brought to size, or a wafer map drawn as one.
The view "highlight" shows the surroundings of what stands out, without the background
(`embeddings.highlight`); a pair of a picture and its golden one is shown as pictures.
The views "map" and "polar" are for maps: one page of at most 8 grey levels, grey, or in colour with
three equal channels, or a wafer in at most 8 colours. All other pictures (more levels, as after
lossy compression, or other colours) are shown as pictures whatever the view, so that a store may
hold both.

The part of the region that lies inside the picture is resized first, and what sticks out is
filled at the target's scale: memory is bound by the target, however large the region.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.images.maps import MapView, draw_map, read_coloured_map
from embeddings.images.picture import Picture, has_few_levels
from embeddings.images.regions import Region, clip_pixels, clip_region
from embeddings.reading import COLOUR_MAP_READING
from embeddings.records import ExtractorSpec, Fit, Resize

Window = tuple[float, float]  # grey levels shown as black and as white, low < high
_MOST_PLACES = 2048  # a side: no wafer has more dice in a row, and a large mask must fit in memory
_QUALITY = 85  # JPEG: about 2 kB for a grey thumbnail of 96 pixels


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
    if spec.view == "highlight" and golden is None:
        return _show_highlight(picture, spec, window=window, region=region)
    pair = [picture] if golden is None else [picture, golden]
    levels = []
    if spec.view in ("map", "polar"):
        levels = [_read_levels(one, window, spec.reading) for one in pair]
    maps = [one for one in levels if one is not None]
    if len(maps) == len(pair):
        images = [_draw(one, spec, region=region) for one in maps]
    else:
        images = [_prepare(one, spec, window=window, region=region) for one in pair]
    return images[0] if golden is None else _join_channels(*images)


def prepare_picture(
    picture: Picture,
    *,
    window: Window,
    size: int,
    fit: Fit = "pad",
    resize: Resize = "auto",
    region: Region | None = None,
    cell: int = 32,
) -> NDArray[np.float32]:
    """Resize a picture or a region of it, and show its window as 0 to 1.

    Parameters
    ----------
    picture : Picture
    window : tuple of float
        Grey levels that become 0 and 1; what lies outside is clipped.
    size : int
        Side of the square in pixels; with `fit` "aspect" the longest side, with "none" the most
        it may have.
    fit : {"pad", "stretch", "aspect", "none"}
        "pad" keeps the aspect ratio and fills up the square with the picture's border pixels,
        "stretch" does not keep it, "aspect" keeps it to the next multiple of `cell` and does not
        fill, "none" keeps it, never enlarges and does not fill.
    resize : {"auto", "bilinear", "nearest"}
        "bilinear" is antialiased when shrinking; "auto" is "nearest" for pictures of at most
        8 grey levels (wafer maps: no level between two categories means anything).
    region : Region, optional
        What sticks out of the picture repeats its border pixels.
    cell : int
        Pixels of a place in a network's coarsest map: all its maps then divide evenly.

    Returns
    -------
    (C, size, size) float32 in [0, 1]; (C, h, w) with `fit` "aspect" or "none". C is 1 or 3.

    Raises
    ------
    ImageError
        The region has no pixel in common with the picture.
    ValueError
        The size is below 1.
    """
    if size < 1:
        raise ValueError(f"size is {size}, expected 1 or more pixels")
    region = region or Region(x0=0, y0=0, width=picture.width, height=picture.height)
    target = _target_size(region, size, fit=fit, cell=cell)
    nearest = resize == "nearest" or (resize == "auto" and has_few_levels(picture.pixels))
    resized = _resize_region(picture, region, target, nearest=nearest)  # (h, w, C)
    low, high = window
    # In float64: raw float32 levels on a large offset would lose their last digits.
    scaled = np.clip((resized.astype(np.float64) - low) / (high - low), 0.0, 1.0)
    if fit == "pad":
        height, width = size - scaled.shape[0], size - scaled.shape[1]  # what is left to fill
        top, left = height // 2, width // 2
        sides = ((top, height - top), (left, width - left), (0, 0))
        scaled = np.pad(scaled, sides, mode="edge")
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), dtype=np.float32)


def make_thumbnail(
    picture: Picture,
    *,
    window: Window,
    side: int = 96,
    region: Region | None = None,
) -> bytes:
    """Return a small JPEG of a picture or region, its longest side at most `side` pixels."""
    scaled = prepare_picture(picture, window=window, size=side, fit="none", region=region)
    levels = np.rint(scaled * 255).astype(np.uint8).transpose(1, 2, 0)  # (h, w, C)
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def _resize_region(
    picture: Picture, region: Region, target: tuple[int, int], *, nearest: bool
) -> NDArray[np.generic]:
    """Resize a region to (width, height); returns (h, w, C) in native grey levels."""
    width, height = target
    part = clip_region(region, picture.width, picture.height)
    left, right = part.x0, part.x0 + part.width
    top, bottom = part.y0, part.y0 + part.height
    x_from, x_to = _place(left - region.x0, right - region.x0, scale=(width, region.width))
    y_from, y_to = _place(top - region.y0, bottom - region.y0, scale=(height, region.height))
    inside = picture.pixels[top:bottom, left:right]
    scaled = _resize(inside, (x_to - x_from, y_to - y_from), nearest=nearest)  # (h, w, C)
    sides = ((y_from, height - y_to), (x_from, width - x_to), (0, 0))
    return np.pad(scaled, sides, mode="edge")


def _target_size(region: Region, size: int, *, fit: Fit, cell: int) -> tuple[int, int]:
    """Width and height of the resized region, without any fill."""
    if fit == "stretch":
        return size, size
    scale = size / max(region.width, region.height)
    if fit == "none":
        scale = min(scale, 1.0)
    width, height = region.width * scale, region.height * scale
    if fit == "aspect":
        return _whole_cells(width, cell), _whole_cells(height, cell)
    return max(1, round(width)), max(1, round(height))


def _whole_cells(length: float, cell: int) -> int:
    # A few shapes instead of one a picture: those of one shape are computed together.
    return max(1, round(length / cell)) * cell


def _place(start: int, stop: int, *, scale: tuple[int, int]) -> tuple[int, int]:
    """Map a span of source pixels to target pixels; at least one, inside the target."""
    target, source = scale
    first = min(round(start * target / source), target - 1)
    return first, max(first + 1, round(stop * target / source))


def _resize(
    pixels: NDArray[np.generic], size: tuple[int, int], *, nearest: bool
) -> NDArray[np.generic]:
    """Resize (H, W) or (H, W, 3) to (h, w, C): 8-bit as it is, wider levels in float32."""
    if pixels.shape[1::-1] == size:
        return pixels if pixels.ndim == 3 else pixels[..., None]
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    if pixels.dtype == np.uint8:
        scaled = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, method))
        return scaled if scaled.ndim == 3 else scaled[..., None]
    # Pillow has no 16-bit or float colour mode: one channel at a time, in its "F" mode.
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    return np.stack(
        [
            np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, method))
            for plane in np.moveaxis(planes, 2, 0)
        ],
        axis=2,
    )


@dataclass(frozen=True, slots=True)
class _Map:
    """The (h, w) levels of a map, and which of them become 0 and 1."""

    levels: NDArray[np.generic]
    window: Window


def _read_levels(picture: Picture, window: Window, reading: int) -> _Map | None:
    """Return the levels of a map; None where the picture is none."""
    pixels = picture.pixels
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    if pixels.ndim == 2 or np.array_equal(pixels, np.repeat(grey[..., None], 3, axis=2)):
        return _Map(grey, window) if has_few_levels(grey) else None
    coloured = read_coloured_map(pixels) if reading >= COLOUR_MAP_READING else None
    return None if coloured is None else _Map(coloured, (0.0, 1.0))


def _draw(one: _Map, spec: ExtractorSpec, *, region: Region | None) -> NDArray[np.float32]:
    levels = clip_pixels(one.levels, region)
    # Thinned, not resized: a level between two would be another category.
    step = -(-max(levels.shape) // _MOST_PLACES)
    low, high = one.window
    scaled = (levels[::step, ::step].astype(np.float64) - low) / (high - low)
    view: MapView = "polar" if spec.view == "polar" else "map"
    return draw_map(np.clip(scaled, 0.0, 1.0), view, size=spec.input_size)


def _show_highlight(
    picture: Picture, spec: ExtractorSpec, *, window: Window, region: Region | None
) -> NDArray[np.float32]:
    from embeddings.highlight import LARGEST, LOOKS

    whole = prepare_picture(picture, window=window, size=LARGEST, fit="none", region=region)
    look = LOOKS.look_at(whole, is_last=True)
    if look is None:
        return _prepare(picture, spec, window=window, region=region)
    return look.draw(spec.input_size)


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
        cell=spec.cell,
    )


def _join_channels(image: NDArray[np.float32], golden: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the (c, h, w) of a reference behind a picture's; a grey one is spread to colour."""
    channels = max(len(image), len(golden))
    shape = (channels, *image.shape[1:])
    return np.concatenate([np.broadcast_to(image, shape), np.broadcast_to(golden, shape)])
