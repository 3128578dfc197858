"""The data bar of an electron microscope: a band of text along an edge, found without reading it.

A tool writes magnification, date and a scale below (or above) the picture, on a background of one
grey level. A network sees the bar before it sees the defect: pictures of one tool look alike. What
tells a bar from a dark border, a saturated edge or stripes is its text: rows whose ink comes in
many narrow strokes and differs from row to row, in a band of one level that begins sharply and
runs over the whole width.

`find_data_bar` judges one picture and is strict. `find_known_bar` asks whether a bar that is known
of a tool's other pictures is in this one too, and may be lenient: place and level are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.images.picture import Picture, average_channels, has_few_levels
from embeddings.records import BarEdge, DataBar, DataBars

MIN_ROWS = 8  # of a bar: no text is readable in less
_MIN_HEIGHT = 64  # of a picture: below, a bar would be most of it
_MOST_RULES = 4  # rows that a line along the bar is thick
_MOST_SHARE = 0.18  # of the picture's height that a bar may take
_LEAST_SHARE = 0.02
_INSET = 0.02  # of the height: boxes of text drawn over a picture stop short of its edge
_WIDE = 2048  # columns that are looked at: of wider pictures every second, and so on
_NEAR = 0.05  # of the grey levels' range: noise and compression about the background
_NEAR_8_BIT = 10.0  # levels of 255 at least: ringing of a JPEG beside its letters
_LEVEL_ROW = 0.15  # of a row of the bar that is background: the rest is text, a logo, a box
_LEVEL_BAND = 0.5  # of the whole bar that is
_RULE_ROW = 0.8  # of a row that is one other level: a line drawn along the bar
_STEP = 0.35  # by which the share of background falls where the picture begins
_LINE_ART = 0.9  # of the pixels that are black or white
_RIM = 3  # rows along the picture, of which one is clear: nothing is written there
_CLEAR = 0.85  # of such a row that is background
_MOSTLY = 0.8  # of a known bar's rows that are like it
_STROKES = 8  # of ink in a row of text: four letters
_LINE_ROWS = 4  # that a line of text has
_VARIES = 0.12  # of its ink that differs from one row of text to the next: lines and bars do not
_INK = 0.4  # of the strongest contrast that counts as ink
_CONTRAST = 0.2  # of the range that ink is away from the background

Grey = NDArray[np.float32]


def find_data_bar(pixels: NDArray[Any]) -> DataBar | None:
    """Find the bar of one picture, (h, w) or (h, w, 3); None where none is certain."""
    if len(pixels) < _MIN_HEIGHT or has_few_levels(pixels):
        return None
    middle = _measure_middle(pixels)
    if middle.is_line_art:
        return None
    edges: tuple[BarEdge, ...] = ("bottom", "top")
    found = (_find_at(_look(pixels, edge, middle), edge) for edge in edges)
    return next((bar for bar in found if bar is not None), None)


def find_known_bar(pixels: NDArray[Any], bars: Sequence[DataBar]) -> DataBar | None:
    """Return the first of the bars of other pictures that this one has, too."""
    if not bars or has_few_levels(pixels):
        return None
    middle = _measure_middle(pixels)
    return next((bar for bar in bars if _has_bar(pixels, bar, middle)), None)


def _has_bar(pixels: NDArray[Any], bar: DataBar, middle: "_Middle") -> bool:
    if bar.rows >= len(pixels) or bar.level is None:
        return False
    view = _look(pixels, bar.edge, middle)
    rows = view.outer[: bar.rows]
    share = _share_near(rows, bar.level, view.near)
    is_band = (share >= _LEVEL_ROW) | _are_rules(rows, view.near)
    if is_band.mean() < _MOSTLY or share.mean() < _LEVEL_BAND:
        return False
    return bool((_count_strokes(_find_ink(rows, bar.level, view)) >= _STROKES // 2).sum() >= 2)


def name_size(picture: Picture) -> str:
    """Return what the bars of pictures of this size are kept under."""
    return f"{picture.width}x{picture.height}"


def pick_data_bar(picture: Picture, known: DataBars) -> DataBar | None:
    """Return the bar of a picture: as its file says, else one that is known of its size.

    Where nothing is known of its size, the picture alone is judged.
    """
    if 0 < picture.bar_rows < picture.height:
        return DataBar(edge="bottom", rows=picture.bar_rows)
    bars = known.get(name_size(picture))
    if bars is None:
        return find_data_bar(picture.pixels)
    return find_known_bar(picture.pixels, bars)


def cut_data_bar(picture: Picture, bar: DataBar | None) -> Picture:
    """Return the picture without its bar."""
    if bar is None:
        return picture
    return replace(picture, pixels=picture.pixels[bar.rows_kept(picture.height)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Middle:
    """What the middle of a picture says, which is picture whatever stands at the edges."""

    contrast: float  # between the darkest and lightest, without the outermost
    near: float  # grey levels that count as one
    is_line_art: bool  # all but black and white: boards and masks, where traces look like text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """The rows along one edge, from the outermost on, and what counts as one grey level."""

    outer: Grey
    height: int
    contrast: float
    near: float


def _thin(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels[:, :: -(-pixels.shape[1] // _WIDE)]


def _measure_middle(pixels: NDArray[Any]) -> _Middle:
    height, thinned = len(pixels), _thin(pixels)
    middle = thinned[height // 4 : height - height // 4][:: max(1, height // 512)]
    levels, counts = _count_levels(middle)
    low, high = _find_quantiles(levels, counts, (0.01, 0.99))
    contrast = high - low
    near = max(_NEAR * contrast, _NEAR_8_BIT if pixels.dtype == np.uint8 else 0.0)
    ends = (np.abs(levels - low) <= near) | (np.abs(levels - high) <= near)
    share = float(counts[ends].sum() / counts.sum())
    return _Middle(
        contrast=contrast,
        near=near,
        is_line_art=contrast > 4 * near and share > _LINE_ART,
    )


def _count_levels(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the grey levels that pixels have, ascending, and how many have each.

    Of whole numbers by a table: sorting the middle of a picture takes longer than decoding it.
    """
    if pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16):
        counts = np.bincount(pixels.ravel())
        levels = np.flatnonzero(counts)
        return levels, counts[levels]
    return np.unique(_to_grey(pixels), return_counts=True)


def _find_quantiles(
    levels: NDArray[Any], counts: NDArray[np.int64], shares: Sequence[float]
) -> list[float]:
    """Return quantiles of counted levels, on straight lines between two pixels."""
    below = np.cumsum(counts)
    found = []
    for share in shares:
        place = share * (below[-1] - 1)
        first, second = np.searchsorted(below, (np.floor(place), np.ceil(place)), side="right")
        low, high = float(levels[first]), float(levels[second])
        found.append(low + (high - low) * float(place - np.floor(place)))
    return found


def _look(pixels: NDArray[Any], edge: BarEdge, middle: _Middle) -> _View:
    height, thinned = len(pixels), _thin(pixels)
    most = int(height * _MOST_SHARE) + 24
    outer = thinned[:most] if edge == "top" else thinned[::-1][:most]
    return _View(outer=_to_grey(outer), height=height, contrast=middle.contrast, near=middle.near)


def _to_grey(pixels: NDArray[Any]) -> Grey:
    grey = np.asarray(pixels, dtype=np.float32)
    return grey if grey.ndim == 2 else average_channels(grey)


def _find_at(view: _View, edge: BarEdge) -> DataBar | None:
    level = _find_level(view)
    rows = _find_rows(view, level)
    if not rows or not _has_text(_find_ink(view.outer[:rows], level, view)):
        return None
    return DataBar(edge=edge, rows=rows, level=round(level, 3))


def _find_level(view: _View) -> float:
    """Return the most frequent grey level of the outermost rows."""
    rows = view.outer[: max(MIN_ROWS, int(view.height * _LEAST_SHARE))]
    step = max(view.near, 1e-30)
    low = float(rows.min())
    # Cut off before it is rounded: where the middle is of one level, a step is next to nothing.
    bins = np.minimum((rows - low) / np.float64(step), 4096).astype(np.int64).ravel()
    # Two neighbouring bins: a background that noise spreads over the border of one is found too.
    counts = np.bincount(bins, minlength=2)
    first = int(np.argmax(counts[:-1] + counts[1:]))
    inside = (bins >= first) & (bins <= first + 1)
    return float(np.median(rows.ravel()[inside]))


def _share_near(rows: Grey, level: float | Grey, near: float) -> NDArray[np.float64]:
    """Return which share of each row is of this grey level, or of its own one of several."""
    levels = np.asarray(level, dtype=np.float32).reshape(-1, 1)
    shares: NDArray[np.float64] = (np.abs(rows - levels) <= near).mean(axis=1)
    return shares


def _are_rules(rows: Grey, near: float) -> NDArray[np.bool_]:
    """Tell which rows are a line drawn along the bar: of one level, and few of them together."""
    middle = np.median(rows, axis=1)
    is_flat = _share_near(rows, middle, near) >= _RULE_ROW
    # A plain picture has such rows too, but many of one level.
    joins = is_flat[1:] & is_flat[:-1] & (np.abs(np.diff(middle)) <= near)
    runs = np.concatenate([[0], np.cumsum(~joins)])
    rules: NDArray[np.bool_] = is_flat & (np.bincount(runs)[runs] <= _MOST_RULES)
    return rules


def _find_rows(view: _View, level: float) -> int:
    """Return how many rows from the edge on are background with what is drawn on it; 0: none."""
    if _share_near(view.outer[:MIN_ROWS], level, view.near).mean() < _LEVEL_BAND / 2:
        return 0  # nearly every picture without a bar
    share = _share_near(view.outer, level, view.near)
    is_rule = _are_rules(view.outer, view.near) & (share < _LEVEL_ROW)
    drawn = np.where(is_rule, 1.0, share)  # a line along the bar is as clear as its background
    inset = int(view.height * _INSET)  # boxes are drawn short of the edge
    least = max(MIN_ROWS, int(view.height * _LEAST_SHARE))
    most = min(int(view.height * _MOST_SHARE), len(share) - 4)
    # From far on: a line of text within the bar begins as sharply as the picture does.
    for rows in _list_ends(drawn, least, most):
        beyond = share[rows : rows + max(4, min(rows, 16))]
        step = drawn[rows - 1] - max(float(np.median(beyond)), float(share[rows : rows + 2].mean()))
        if step < _STEP:
            continue
        band = drawn[min(inset, rows // 4) : rows]
        if band.mean() >= _LEVEL_BAND and band.min() >= _LEVEL_ROW:
            return rows - _count_foreign(view, is_rule[:rows], rows)
    return 0


def _list_ends(drawn: NDArray[np.float64], least: int, most: int) -> list[int]:
    """List where a bar may end, from far on: a row is clear there, and the last is background."""
    if most < least:
        return []
    ends = np.arange(most, least - 1, -1)
    rim = drawn[ends[:, None] - np.arange(1, _RIM + 1)].max(axis=1)
    # A step down from less than its height there cannot be.
    found: list[int] = ends[(rim >= _CLEAR) & (drawn[ends - 1] >= _STEP)].tolist()
    return found


def _count_foreign(view: _View, is_rule: NDArray[np.bool_], rows: int) -> int:
    """Count the flat rows of a plain picture that follow the last line of the bar."""
    clear = np.flatnonzero(~is_rule)
    first = int(clear[-1]) + 1 if len(clear) else 0
    levels = np.median(view.outer[first:rows], axis=1)  # of the line, and what follows it
    is_other = np.abs(levels - levels[:1]) > view.near
    return len(levels) - int(np.argmax(is_other)) if is_other.any() else 0


def _find_ink(rows: Grey, level: float, view: _View) -> NDArray[np.bool_]:
    """Tell which pixels are written on the background."""
    away = np.abs(rows - level)
    least = max(_INK * float(np.percentile(away, 99.5)), _CONTRAST * view.contrast, 4 * view.near)
    ink: NDArray[np.bool_] = away >= least
    return ink


def _count_strokes(ink: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the runs of ink in each row."""
    starts = ink[:, 1:] & ~ink[:, :-1]
    counts: NDArray[np.int64] = starts.sum(axis=1) + ink[:, 0]
    return counts


def _has_text(ink: NDArray[np.bool_]) -> bool:
    """Tell whether some rows are a line of text: many narrow strokes that vary from row to row."""
    strokes = _count_strokes(ink)
    is_text = strokes >= _STROKES
    start = None
    for row in range(len(ink) + 1):
        if row < len(ink) and is_text[row]:
            start = row if start is None else start
        elif start is not None:
            if row - start >= _LINE_ROWS and _reads_as_text(ink[start:row], strokes[start:row]):
                return True
            start = None
    return False


def _reads_as_text(ink: NDArray[np.bool_], strokes: NDArray[np.int64]) -> bool:
    amount = int(ink.sum())
    width = amount / int(strokes.sum())
    step = max(1, len(ink) // 8)  # large letters change as much over as many rows
    varies = float((ink[step:] ^ ink[:-step]).mean(axis=1).mean()) / float(ink.mean())
    return width <= max(len(ink), _LINE_ROWS) and varies >= _VARIES
