"""Deep features and classical moments, standardised and fused into one vector.

    fusion = Fusion.fit(rows, blocks=(3072, 132))
    fused = fusion.transform(rows)  # (n, p)

A wide block (ResNet features) is reduced to its principal components, a narrow one (GLCM and
Zernike moments) is standardised column by column; then each block gets its share of the variance.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from discovery.estimators.pca import find_components, whiten_scales

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

# The principal axes that are kept: 128 lose half a point on small defects, 512 gain nothing.
N_COMPONENTS = 256
# Half way to whitened: the first axes are background and brightness, and must not drown the rest.
_WHITEN = 0.5
_CLIP = 5.0  # standard deviations: one odd moment must not outweigh all others
# Share of the variance of a narrow block beside a wide one: with 0.2 the moments cost 1.6 points
# from ten labels a type, with none small defects on large sets lose 0.8 (docs/log.md).
_NARROW_SHARE = 0.05
# Rows an axis at least: axes that few rows carry are noise, which whitening would blow up.
_ROWS_AN_AXIS = 3
# Spreads below are rounding of float32: dividing by them would blow up what differs in new rows.
_LEAST_SPREAD = 1e-6  # of a column, as a share of its mean where that is over 1
_SAMPLE = 20_000  # rows that find the axes: more move them less than they cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """Blocks of columns, each standardised by its own scale, fused into one vector.

    Attributes
    ----------
    parts : tuple of arrays by name
        Each block's mean (c,), its axes ((c, q) of a wide one, (c,) factors else) and its scale.
    """

    parts: tuple[Arrays, ...]

    @classmethod
    def fit(
        cls,
        rows: Floats,
        *,
        blocks: tuple[int, ...] | None = None,
        n_components: int = N_COMPONENTS,
        seed: int = 0,
    ) -> Self:
        """Find the scale of each block in rows (n, d).

        Parameters
        ----------
        rows : (n, d)
        blocks : tuple of int, optional
            Columns of each block, in order; None takes all as one.
        n_components : int
            Principal components at most of a block that has more columns.
        seed : int

        Raises
        ------
        ValueError
            The blocks do not add up to the columns.
        """
        blocks = blocks or (rows.shape[1],)
        if sum(blocks) != rows.shape[1]:
            raise ValueError(f"blocks {blocks} for {rows.shape[1]} columns: they must add up")
        if len(rows) > _SAMPLE:
            rng = np.random.default_rng(seed)
            rows = rows[np.sort(rng.choice(len(rows), _SAMPLE, replace=False))]
        parts = []
        for (start, stop), share in zip(
            _span(blocks), _share_variance(blocks, n_components), strict=True
        ):
            part = _fit_block(rows[:, start:stop], n_components, seed=seed)
            spread = np.sqrt(_apply_block(rows[:, start:stop], part).var(axis=0).sum())
            # A block whose rows are all alike says nothing, of new rows neither.
            scale = np.sqrt(share) / spread if spread > _LEAST_SPREAD else 0.0
            parts.append({**part, "scale": np.float32(scale).reshape(1)})
        return cls(parts=tuple(parts))

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Where each block lies in the fused vector."""
        return _span(tuple(part["axes"].shape[-1] for part in self.parts))

    def transform(self, rows: Floats) -> Floats:
        """Return the fused rows (n, p) float32 of rows (n, d); a typical one has length sqrt(p)."""
        spans = _span(tuple(len(part["mean"]) for part in self.parts))
        fused = [
            _apply_block(rows[:, start:stop], part) * part["scale"]
            for (start, stop), part in zip(spans, self.parts, strict=True)
        ]
        joined = np.concatenate(fused, axis=1)  # (n, p)
        return np.ascontiguousarray(joined * np.sqrt(joined.shape[1]), dtype=np.float32)

    def to_arrays(self) -> Arrays:
        """Return what was found as named arrays, for a file."""
        return {f"{i}.{name}": v for i, part in enumerate(self.parts) for name, v in part.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, count: int) -> Self:
        """Take back the `count` blocks that `to_arrays` gave.

        Raises
        ------
        KeyError
            An array is missing.
        """
        names = ("mean", "axes", "scale")
        return cls(
            parts=tuple({name: arrays[f"{i}.{name}"] for name in names} for i in range(count))
        )


def _span(widths: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    ends = np.cumsum((0, *widths)).tolist()
    return tuple(itertools.pairwise(ends))


def _share_variance(blocks: tuple[int, ...], most: int) -> list[float]:
    """Give wide blocks what narrow ones leave; blocks of one kind alone share equally."""
    wide = np.array([width > most for width in blocks])  # (blocks,)
    if wide.all() or not wide.any():
        return [1 / len(blocks)] * len(blocks)
    shares = np.where(wide, (1 - _NARROW_SHARE) / wide.sum(), _NARROW_SHARE / (~wide).sum())
    return [float(share) for share in shares]


def _fit_block(rows: Floats, most: int, *, seed: int) -> Arrays:
    """Return the block's mean (c,) and its axes: (c, q) for a wide one, (c,) factors else."""
    mean = rows.mean(axis=0, dtype=np.float64)  # float32 sums drift over thousands of rows
    if rows.shape[1] <= most:
        spread = rows.std(axis=0, dtype=np.float64)
        least = _LEAST_SPREAD * np.maximum(np.abs(mean), 1)
        axes = 1 / np.where(spread > least, spread, np.inf)
        return {"mean": mean.astype(np.float32), "axes": axes.astype(np.float32)}
    count = max(1, min(most, len(rows) // _ROWS_AN_AXIS))
    found = find_components(rows, count, seed=seed)
    axes = found.axes.T * whiten_scales(found.variances, _WHITEN)  # (c, q)
    return {"mean": mean.astype(np.float32), "axes": axes.astype(np.float32)}


def _apply_block(rows: Floats, part: Arrays) -> Floats:
    axes = part["axes"]
    if axes.ndim == 2:
        product: Floats = (rows - part["mean"]) @ axes
        return product
    return np.clip((rows - part["mean"]) * axes, -_CLIP, _CLIP)
