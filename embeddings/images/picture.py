"""One decoded picture in the grey levels it was stored with, and the checks every decoder shares.

A decoder hands its array to `make_picture`, which holds wide numbers as float32, fills what is
not finite, and refuses what is too small to embed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from struct import error as StructError  # noqa: N812
from typing import Any
from zlib import error as ZlibError  # noqa: N812

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images.pixel_size import UNKNOWN_SIZE, PixelSize

MIN_SIDE = 16  # below this a picture holds no texture: ResNet-50 halves its side five times
MAX_PIXELS = 100_000_000  # 10,000 x 10,000: a tenfold margin over review cameras
_AT_ONCE = 1_000_000  # pixels whose colours are converted together
FEW_LEVELS = 8  # wafer maps and masks: categories, not grey levels

# What Pillow, tifffile and imagecodecs raise on damaged bytes (their own errors derive from these).
_DAMAGE = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError,
    ZeroDivisionError, RuntimeError, StructError, ZlibError, AttributeError, AssertionError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One page of an image file.

    Attributes
    ----------
    pixels : (H, W) or (H, W, 3) array of uint8, uint16 or float32
        Grey levels as stored. Integers wider than 16 bits and signed ones are held as float32
        (exact up to 2**24), levels of less than 8 bits are spread over 0..255.
    kind : str
        Pictures of one kind share one grey-level window: the number type as stored, such as
        ``"uint8"``, ``"uint12"``, ``"float64"``.
    page : int
        Number of the page in its file, from 0.
    n_pages : int
        Pages of the file, thumbnails and masks counted: with `page` it names the image.
    bit_depth : int
        Bits a sample, as stored.
    um_per_pixel : float
        Micrometres a pixel; NaN where nobody says.
    size_source, size_doubt : str
        Who says so, and what speaks against it: see `embeddings.images.pixel_size`.
    nan_pixels : int
        Pixels that were NaN or infinite, filled with the median of the others.
    bar_rows : int
        Rows at the bottom that are a data bar, where the file itself says so.
    """

    pixels: NDArray[Any]
    kind: str
    page: int
    bit_depth: int
    um_per_pixel: float
    nan_pixels: int
    n_pages: int = 1
    size_source: str = ""
    size_doubt: str = ""
    bar_rows: int = 0

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise ValueError(f"pixels are {self.pixels.dtype}, expected uint8, uint16 or float32")
        if self.pixels.ndim != 2 and self.pixels.shape[2:] != (3,):
            raise ValueError(f"pixels are {self.pixels.shape}, expected (H, W) or (H, W, 3)")

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return 1 if self.pixels.ndim == 2 else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PageHeader:
    """What a page's header says: its number in the file, its size in pixels.

    `is_picture`: it is no thumbnail or mask of another page.
    """

    page: int
    width: int
    height: int
    n_pages: int = 1
    is_picture: bool = True


def make_picture(
    pixels: NDArray[Any],
    kind: str,
    *,
    bit_depth: int,
    page: int = 0,
    n_pages: int = 1,
    size: PixelSize = UNKNOWN_SIZE,
    bar_rows: int = 0,
) -> Picture:
    """Check a decoded array and hold it as a `Picture`.

    Raises
    ------
    ImageError
        The picture is smaller than 16 x 16, or no pixel of it is finite.
    """
    check_size(pixels.shape[1], pixels.shape[0], max_pixels=pixels.size)
    held = _hold(pixels)
    finite = np.isfinite(held) if held.dtype == np.float32 else None
    bad = 0 if finite is None else held.size - int(np.count_nonzero(finite))
    if finite is not None and bad:
        if bad == held.size:
            raise ImageError("no finite pixel: every value is NaN or infinite")
        held = np.where(finite, held, np.median(held[finite]))
    return Picture(
        pixels=np.ascontiguousarray(held),
        kind=kind,
        page=page,
        n_pages=n_pages,
        bit_depth=bit_depth,
        um_per_pixel=size.um,
        size_source=size.source,
        size_doubt=size.doubt,
        nan_pixels=bad,
        bar_rows=bar_rows,
    )


def check_size(width: int, height: int, *, max_pixels: int) -> None:
    """Refuse a size that cannot be embedded, before anything of that size is allocated.

    Raises
    ------
    ImageError
        Smaller than 16 pixels on a side, or more than `max_pixels` pixels.
    """
    if width < MIN_SIDE or height < MIN_SIDE:
        raise ImageError(f"{width}x{height} pixels: smaller than {MIN_SIDE}x{MIN_SIDE}")
    if width * height > max_pixels:
        raise ImageError(f"{width}x{height} pixels: over the limit of {max_pixels} pixels")


def has_few_levels(pixels: NDArray[Any]) -> bool:
    """Tell whether an array holds at most 8 distinct values (a map of categories)."""
    flat = pixels.reshape(-1)
    # A coarse look first: almost every photograph is told by a few thousand of its pixels.
    if len(np.unique(flat[:: max(1, flat.size // 4096)])) > FEW_LEVELS:
        return False
    if flat.dtype == np.uint8:
        return int(np.count_nonzero(np.bincount(flat, minlength=256))) <= FEW_LEVELS
    return len(np.unique(flat)) <= FEW_LEVELS


def average_channels(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the channels of (H, W, 3), bit for bit as numpy has it, but faster."""
    grey: NDArray[np.float32] = colours[..., 0] + colours[..., 1]
    grey += colours[..., 2]
    grey /= np.float32(3)
    return grey


def drop_equal_channels(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W) where the three channels of a (H, W, 3) palette picture are the same."""
    red = colours[..., 0]
    same = np.array_equal(red, colours[..., 1]) and np.array_equal(red, colours[..., 2])
    return red if same else colours


def convert_cmyk(inks: NDArray[Any], white: int) -> NDArray[Any]:
    """Turn (H, W, 4) ink amounts of 0..white into (H, W, 3) light; the dtype is kept."""
    light = np.empty((*inks.shape[:2], 3), inks.dtype)
    rows = max(1, _AT_ONCE // inks.shape[1])
    for top in range(0, len(inks), rows):  # the numbers between take eighty bytes a pixel
        part = inks[top : top + rows]
        key = 1.0 - part[..., 3:4].astype(np.float64) / white
        light[top : top + rows] = np.rint((white - part[..., :3].astype(np.float64)) * key)
    return light


def tell_fault(error: ImageError | MemoryError) -> str:
    """Return why a picture cannot be used."""
    return str(error) if isinstance(error, ImageError) else "it asks for more memory than there is"


@contextmanager
def name_damage(what: str) -> Iterator[None]:
    """Turn what a decoder raises on damaged bytes into an `ImageError` that begins with `what`."""
    try:
        yield
    except MemoryError as full:
        raise ImageError(f"{what}: {tell_fault(full)}") from full
    except _DAMAGE as damage:
        text = " ".join(str(damage).split()) or type(damage).__name__
        raise ImageError(f"{what}: {text[:200]}") from damage


def _hold(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        return pixels
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # float64 beyond float32 becomes infinite, and is counted
        return pixels.astype(np.float32)
