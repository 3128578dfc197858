"""Which data bars the tools of a source write: what many of their pictures have in common.

One picture alone may be mistaken: a bar that several pictures of one size have at the same place
and on the same grey level is none by chance, and is then looked for in all others of that size,
also where the picture beside it is as black as the bar. Pictures of a size that few have are
judged one by one (`embeddings.images.pick_data_bar`).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from embeddings.errors import ImageError
from embeddings.images import (
    Picture,
    cut_data_bar,
    find_data_bar,
    find_known_bar,
    name_size,
    read_headers,
    stream_pictures,
)
from embeddings.reader.preparation import Stream
from embeddings.records import DataBar, DataBars

LEAST_PICTURES = 3  # of a size, and of those with the same bar
_LEAST_SHARE = 0.1  # of the pictures of a size that are looked at: one tool of several
_PER_SIZE = 24  # pictures of a size that are looked at
_MOST_FILES = 256  # that are opened beside the sample for the grey levels
_SLACK = 1  # rows by which compression blurs where a bar begins


class BarSurvey:
    """Looks at some pictures of a source, and says which bars they share.

    Parameters
    ----------
    known : DataBars
        Those known already; they are kept as they are.
    """

    def __init__(self, known: DataBars) -> None:
        self._known = known
        self._looked: Counter[str] = Counter()
        self._alone: dict[str, list[DataBar]] = defaultdict(list)
        self._spread: dict[str, float] = {}  # levels that are one background
        self.n_pictures = self.n_bars = 0

    def look(self, page: Picture) -> Picture:
        """Look at one page; return it without what looks like a bar."""
        size, bar = name_size(page), None
        self.n_pictures += 1
        if page.bar_rows:
            bar = DataBar(edge="bottom", rows=page.bar_rows)
        else:
            self._looked[size] += 1
            bar = find_known_bar(page.pixels, self._known.get(size, ()))
            if bar is None and (bar := find_data_bar(page.pixels)) is not None:
                self._alone[size].append(bar)
                self._spread[size] = _measure_spread(page)
        self.n_bars += bar is not None
        return cut_data_bar(page, bar)

    def extend(
        self,
        paths: Sequence[str],
        *,
        max_pixels: int,
        workers: int,
        stream: Stream = stream_pictures,
        again: bool = True,
    ) -> None:
        """Look at more pictures of each size that several of these files have.

        Parameters
        ----------
        paths : sequence of str
        max_pixels : int
            Most pixels a page may have.
        workers : int
            Threads that read headers.
        stream : callable
            As for `choose_windows`.
        again : bool
            Look at sizes too whose bars are known: a new tool may write another one.
        """
        with ThreadPoolExecutor(workers) as pool:
            sizes = pool.map(_read_size, paths)
            by_size: dict[str, list[str]] = defaultdict(list)
            for path, size in zip(paths, sizes, strict=True):
                if again or size not in self._known:
                    by_size[size].append(path)
        by_size.pop("", None)
        left = _MOST_FILES
        # The sizes of most pictures first: there a bar costs most.
        for size, own in sorted(by_size.items(), key=lambda item: (-len(item[1]), item[0])):
            wanted = min(_PER_SIZE, len(own)) - self._looked[size]
            if len(own) < LEAST_PICTURES or wanted <= 0 or left <= 0:
                continue
            chosen = _space_evenly(own, min(wanted, left))
            left -= len(chosen)
            for path in chosen:
                try:
                    for page in stream(Path(path), max_pixels=max_pixels, pages=(0,)):
                        self.look(page)
                except ImageError:
                    continue  # it goes to quarantine when its turn comes

    def settle(self) -> dict[str, tuple[DataBar, ...]]:
        """Return the bars of each size that enough pictures of were looked at, known ones first."""
        settled = dict(self._known)
        for size, n in sorted(self._looked.items()):
            if n >= LEAST_PICTURES:
                least = max(LEAST_PICTURES, _LEAST_SHARE * n)
                new = _agree(self._alone[size], least, self._spread.get(size, 0.0))
                settled[size] = (*settled.get(size, ()), *new)
        return settled


def _read_size(path: str) -> str:
    try:
        header = read_headers(Path(path))[0]
    except ImageError:
        return ""
    return f"{header.width}x{header.height}"


def _space_evenly(paths: Sequence[str], n: int) -> list[str]:
    step = len(paths) / n
    return [paths[int(i * step)] for i in range(n)]


def _measure_spread(page: Picture) -> float:
    """Return how far apart the levels of one background may be in two pictures."""
    if page.pixels.dtype == np.uint8:
        return 12.0
    return 0.05 * float(np.ptp(page.pixels))


def _agree(bars: Sequence[DataBar], least: float, spread: float) -> list[DataBar]:
    """Return what at least so many of these bars have in common."""
    found: list[DataBar] = []
    left = list(bars)
    while left:
        place = Counter((bar.edge, bar.rows) for bar in left)
        (edge, rows), _ = min(place.items(), key=lambda item: (-item[1], item[0]))
        levels = [bar.level or 0.0 for bar in left if (bar.edge, bar.rows) == (edge, rows)]
        level = float(np.percentile(levels, 50, method="lower"))
        alike = [
            bar
            for bar in left
            if bar.edge == edge
            and abs(bar.rows - rows) <= _SLACK
            and abs((bar.level or 0.0) - level) <= spread
        ]
        if len(alike) >= least:
            found.append(DataBar(edge=edge, rows=rows, level=level))
        left = [bar for bar in left if bar not in alike]
    return found
