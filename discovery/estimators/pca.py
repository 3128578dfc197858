"""Principal components, partly whitened: the one place that all reduced rows come from.

`find_components` finds the axes, `whiten_scales` says how each is stretched, and `PCAReducer` is
both as a scikit-learn transformer that makes rows unit again.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from embeddings.errors import OptionError
from embeddings.large_values import LargeValues, Values, iter_blocks, mean_rows
from embeddings.records import unit_rows

Floats = NDArray[np.float64]

# Rows or columns up to which the axes are exact: a second or two. Random projections leave the last
# ones to chance, which whitening shows: on five image sets of 600 to 1,192 rows, the clusters of
# two seeds agreed at an ARI of .72 to .99 after it.
_EXACT_SIDE = 2048
_POWER_ROUNDS = 7  # of the random projections (Halko et al. 2011, 4.5)
_SAMPLE = 20_000  # rows that the axes are found of: more move them less than they cost
_BLOCK_ROWS = 1024
_FLAT = 1e-8  # share of the largest variance below which a direction is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """The first p principal axes of rows of length d.

    Attributes
    ----------
    mean : (d,) float64
    axes : (p, d) float64
        Orthonormal, by falling variance; the largest entry of each is positive.
    variances : (p,) float64
        Along each, over n - 1.
    total : float
        Variance along all d directions.
    """

    mean: Floats
    axes: Floats
    variances: Floats
    total: float


def find_components(values: NDArray[Any] | LargeValues, count: int, *, seed: int = 0) -> Components:
    """Find the first principal axes of (n, d) rows: `count`, or min(n, d) where these are fewer.

    Exact where there are at most 2,048 rows or columns, and without a copy of the rows; else by
    random projections. Of more than 20,000 rows a sample says where the axes lie.
    """
    n, d = values.shape
    p = min(count, n, d)
    mean = mean_rows(values)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))
    if isinstance(values, LargeValues):
        values, rows = values[rows], np.arange(len(rows))  # all that is looked at from here on
    if min(n, d) <= _EXACT_SIDE:
        # Of a sample products are single precision: what they round is less than it leaves open.
        centre = mean if n <= _SAMPLE else mean.astype(np.float32)
        axes, variances, total = _decompose(values, centre, p, rows=rows)
    else:
        pca = PCA(p, svd_solver="randomized", iterated_power=_POWER_ROUNDS, random_state=seed)
        pca.fit(values[rows])
        axes, variances = pca.components_.astype(np.float64), pca.explained_variance_
        total = float(variances.sum() + pca.noise_variance_ * (min(len(rows), d) - p))
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(p), largest])[:, None]
    return Components(mean=mean, axes=axes, variances=variances.astype(np.float64), total=total)


def whiten_scales(variances: Floats, power: float) -> Floats:
    """Return by what each axis is multiplied so that its spread counts less, (p,).

    Parameters
    ----------
    variances : (p,) by falling size
    power : float
        0 keeps the distances as they are, 1 makes all directions count alike. In between, what most
        images share (background, lighting) weighs less, and noise is not blown up.

    Returns
    -------
    (p,) float64
        1 for the first axis. Directions without variance (more axes than the rows span) are left
        out, not divided by zero.
    """
    relative = variances / max(float(variances.max()), 1e-30)
    return np.where(relative > _FLAT, np.maximum(relative, _FLAT) ** (-power / 2), 0.0)


class PCAReducer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Principal components of rows of any number; rows made unit.

    Parameters
    ----------
    n_components : int
        min(n, d) where there are fewer.
    whiten : float
        From 0 to 1: each component is divided by its standard deviation to this power, as in
        `whiten_scales`.
    random_state : int, RandomState instance or None
        Of the projections, where there are more than 2,048 rows and columns.

    Attributes
    ----------
    components_ : (p, d) float32
        Orthonormal, by falling variance; the largest entry of each is positive.
    mean_ : (d,) float32
    explained_variance_, explained_variance_ratio_ : (p,) float64
    """

    def __init__(
        self,
        n_components: int = 50,
        *,
        whiten: float = 0.0,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.random_state = random_state

    def fit(self, X: ArrayLike | LargeValues, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Find the principal components of the rows of X, an (n, d) array."""
        if not self.n_components >= 1:
            raise OptionError(f"n_components is {self.n_components}, expected 1 or more")
        if not 0 <= self.whiten <= 1:
            raise OptionError(f"whiten is {self.whiten}, expected 0 to 1")
        values = self._check(X, reset=True)
        seed = int(check_random_state(self.random_state).randint(1 << 30))
        found = find_components(values, int(self.n_components), seed=seed)
        self.mean_ = found.mean.astype(np.float32)
        self.components_ = np.ascontiguousarray(found.axes, dtype=np.float32)
        self.explained_variance_ = found.variances
        self.explained_variance_ratio_ = found.variances / max(found.total, 1e-30)
        self._n_features_out = len(found.axes)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # whatever comes in
        return tags

    def transform(self, X: ArrayLike | LargeValues) -> NDArray[np.float32]:  # noqa: N803
        """Project the rows of X, (n, d), to (n, p) float32 unit rows."""
        check_is_fitted(self)
        values = self._check(X, reset=False)
        # The mean is taken off afterwards: no centred copy of the data.
        centre = self.components_.astype(np.float64) @ self.mean_
        scales = whiten_scales(self.explained_variance_, self.whiten)
        reduced = np.empty((len(values), len(self.components_)), np.float32)
        for part, block in iter_blocks(values):
            reduced[part] = unit_rows((block @ self.components_.T - centre) * scales)
        return reduced

    def _check(self, rows: ArrayLike | LargeValues, *, reset: bool) -> Values:
        """Return rows as scikit-learn checks them; large ones would be read for it."""
        if isinstance(rows, LargeValues):
            if reset:
                self.n_features_in_ = rows.shape[1]
            elif rows.shape[1] != self.n_features_in_:
                raise ValueError(f"{rows.shape[1]} columns, fitted on {self.n_features_in_}")
            return rows
        found: NDArray[np.float32] = validate_data(self, rows, dtype=np.float32, reset=reset)
        return found


def _decompose(
    values: NDArray[Any], mean: NDArray[Any], p: int, *, rows: NDArray[np.intp]
) -> tuple[Floats, Floats, float]:
    """Return axes, variances and total of `Components`.

    From the smaller of the two products of the centred rows, (d, d) or (n, n), summed up block by
    block of the longer side. `rows` are those that are looked at where there are more rows than
    columns.
    """
    n, d = values.shape
    n = n if n < d else len(rows)
    side = min(n, d)
    product = np.zeros((side, side))
    blocks = [slice(first, first + _BLOCK_ROWS) for first in range(0, max(n, d), _BLOCK_ROWS)]
    for block in blocks:
        part = _centre_block(values, mean, block, rows)  # (b, side)
        product += part.T @ part
    scatters, vectors = eigh(product, subset_by_index=[side - p, side - 1])
    scatters, vectors = np.maximum(scatters[::-1], 0.0), vectors[:, ::-1]
    if n < d:  # eigenvectors of rows: back to columns
        parts = [_centre_block(values, mean, block, rows) @ vectors for block in blocks]
        vectors = np.linalg.qr(np.concatenate(parts))[0]  # (d, p); orthonormal where flat, too
    freedom = max(n - 1, 1)
    return vectors.T, scatters / freedom, float(np.trace(product)) / freedom


def _centre_block(
    values: NDArray[Any], mean: NDArray[Any], block: slice, rows: NDArray[np.intp]
) -> NDArray[Any]:
    """Return a block of the longer side of the centred rows, (b, shorter side)."""
    if len(values) < len(mean):
        return np.asarray((values[:, block] - mean[block]).T)
    return np.asarray(values[rows[block]] - mean)
