"""Vectors of more images than memory should hold: read part by part, where they are asked for.

    values = store.load_vectors(whole=False).values   # of a million images
    values[rows]                                      # (m, d) float32, read now
    for part, block in iter_blocks(values): ...       # all of them, a block at a time
    select(values, rows)                              # a part, left unread where it is large

`Values` is either: an array as ever, or `LargeValues`. What goes over all rows goes block by block,
and comes to the same figures for both.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 16_384  # 128 MiB of 2,048 numbers each
MOST_BYTES = 1 << 28  # of float32 that a round holds in memory: 32,768 rows of 2,048 numbers
_MOST_SELECTED = 1 << 28  # of a part of large values: several are at work at once


class LargeValues:
    """An (n, d) array of float32 that is read, or made, a part at a time.

    Parameters
    ----------
    shape : (n, d)
    read : callable
        Given the (m,) positions of rows, in any order, returns (m, d) float32. Called by several
        threads at once.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self,
        shape: tuple[int, int],
        read: Callable[[NDArray[np.intp]], NDArray[np.float32]],
    ) -> None:
        self.shape = shape
        self._read = read

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[Any]) -> NDArray[np.float32]:
        """Return the rows at these positions, of this slice, or of this mask, (m, d)."""
        return self._read(np.arange(len(self))[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all of them: what knows arrays alone takes the memory of one."""
        if copy is False:
            raise ValueError("large values are no array: they can only be read into one")
        whole = np.empty(self.shape, np.float32)
        for part, block in iter_blocks(self):
            whole[part] = block
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def change(
        self, width: int, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    ) -> "LargeValues":
        """Return what a function makes of each block of rows, (n, width), made when it is read."""
        read = self._read
        return LargeValues((len(self), width), lambda rows: change(read(rows)))

    def part(self, rows: NDArray[Any]) -> "LargeValues":
        """Return the rows at these positions, or of this mask, without reading them."""
        read, positions = self._read, np.arange(len(self))[rows]
        return LargeValues((len(positions), self.shape[1]), lambda rows: read(positions[rows]))


Values = NDArray[np.float32] | LargeValues


def iter_blocks(
    values: Values, *, rows: int = BLOCK_ROWS
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield (b, d) rows from the first to the last, and where they stand."""
    for first in range(0, len(values), rows):
        part = slice(first, min(first + rows, len(values)))
        yield part, values[part]


def select(values: Values, rows: NDArray[Any]) -> Values:
    """Return the rows at these positions, or of this mask; unread where they are large."""
    if isinstance(values, LargeValues):
        count = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
        if count * values.shape[1] * values.dtype.itemsize > _MOST_SELECTED:
            return values.part(rows)
    return values[rows]


def take_columns(values: Values, start: int, stop: int) -> Values:
    """Return the columns from one to another, (n, stop - start)."""
    if isinstance(values, LargeValues):
        return values.change(stop - start, lambda block: block[:, start:stop])
    return values[:, start:stop]


def change_rows(
    values: Values, width: int, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> Values:
    """Return what a function makes of the rows, each by itself, (n, width)."""
    if isinstance(values, LargeValues):
        return values.change(width, change)
    return change(values)


def join_columns(
    parts: Sequence[Values], join: Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]
) -> Values:
    """Return rows side by side as a function puts them; unread where one of them is large."""
    if not any(isinstance(one, LargeValues) for one in parts):
        return join([np.asarray(one) for one in parts])
    shape = (len(parts[0]), sum(one.shape[1] for one in parts))
    return LargeValues(shape, lambda rows: join([one[rows] for one in parts]))


def join_rows(first: Values, second: Values) -> Values:
    """Return the rows of the second behind those of the first, (n + m, d)."""
    if not isinstance(first, LargeValues) and not isinstance(second, LargeValues):
        return np.concatenate([first, second])
    n = len(first)

    def read(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        found = np.empty((len(rows), first.shape[1]), np.float32)
        is_first = rows < n
        found[is_first], found[~is_first] = first[rows[is_first]], second[rows[~is_first] - n]
        return found

    return LargeValues((n + len(second), first.shape[1]), read)


def mean_rows(values: Values) -> NDArray[np.float64]:
    """Return the mean row, (d,): float32 sums drift over thousands of rows."""
    total = np.zeros(values.shape[1])
    for _, block in iter_blocks(values):
        total += block.sum(axis=0, dtype=np.float64)
    return total / max(len(values), 1)


def multiply(values: Values, others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of (n, d) rows with (d, k) columns, or a column (d,): (n, k) or (n,)."""
    if not isinstance(values, LargeValues):
        return np.asarray(values @ others)
    found = np.empty((len(values), *others.shape[1:]), np.float32)
    for part, block in iter_blocks(values):
        found[part] = block @ others
    return found
