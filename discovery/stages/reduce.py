"""Fewer dimensions before clustering: PCA on rows of any number, and UMAP on the cached graph.

`reduce_pca` keeps the metric (unit rows again, L2); `PCAReducer` is the same as a scikit-learn
transformer, which can place new images. `embed_umap` draws dense regions together, which density
clustering needs; it places only the images it was given.
"""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from discovery.records import Neighbours
from embeddings.errors import OptionError
from embeddings.records import unit_rows

# Rows or columns up to which PCA is exact: a second or two. Iteration leaves the last components
# to chance, which whitening shows: on five image sets of 600 to 1,192 rows, the clusters of two
# seeds agreed at an ARI of .72 to .99 after it.
_EXACT_SIDE = 2048
_OVERSAMPLE = 10  # extra directions: the wanted ones converge faster (Halko et al. 2011, 4.5)
_MOST_ROUNDS = 8
_TOLERANCE = 1e-4  # relative growth of the captured variance at which iteration stops
_BLOCK_ROWS = 1024
_FLAT = 1e-8  # share of the largest variance below which a direction is rounding


def reduce_pca(
    values: NDArray[np.float32], n_components: int, *, seed: int = 0, whiten: float = 0.0
) -> NDArray[np.float32]:
    """Project rows onto their first principal components and make them unit again.

    Parameters
    ----------
    values : (n, d) float32
    n_components : int
        min(n, d) where there are fewer.
    whiten : float
        As in `PCAReducer`.

    Returns
    -------
    (n, p) float32, unit rows

    Raises
    ------
    OptionError
        n_components is below 1, or whiten outside 0 to 1.
    """
    reducer = PCAReducer(n_components, whiten=whiten, random_state=seed)
    return reducer.fit_transform(values)  # type: ignore[no-any-return]


class PCAReducer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Principal components without a copy of the data; rows made unit.

    Exact where there are at most 2,048 rows or columns, else by subspace iteration.

    Parameters
    ----------
    n_components : int
        min(n, d) where there are fewer.
    whiten : float
        Each component is divided by its standard deviation to this power: 0 keeps the distances
        as they are, 1 makes all directions count alike. In between, what most images share
        (background, lighting) weighs less, and noise is not blown up.
    random_state : int, RandomState instance or None
        Of the starting subspace.

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

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Find the principal components of the rows of X, an (n, d) array."""
        if not self.n_components >= 1:
            raise OptionError(f"n_components is {self.n_components}, expected 1 or more")
        if not 0 <= self.whiten <= 1:
            raise OptionError(f"whiten is {self.whiten}, expected 0 to 1")
        values = validate_data(self, X, dtype=np.float32)
        n, d = values.shape
        p = min(int(self.n_components), n, d)
        random = check_random_state(self.random_state)
        mean = values.mean(axis=0, dtype=np.float64)  # (d,)
        if min(n, d) <= _EXACT_SIDE:
            basis, variances = _decompose(values, mean, p)
        else:
            start = random.standard_normal((d, min(p + _OVERSAMPLE, n, d)))
            basis, variances = _iterate(values, mean, start)
        components = basis[:, :p].T  # (p, d)
        largest = np.abs(components).argmax(axis=1)
        components = components * np.sign(components[np.arange(p), largest])[:, None]
        total = _total_variance(values, mean)
        self.mean_ = mean.astype(np.float32)
        self.components_ = np.ascontiguousarray(components, dtype=np.float32)
        self.explained_variance_ = variances[:p] * n / max(n - 1, 1)
        self.explained_variance_ratio_ = variances[:p] / total if total > 0 else np.zeros(p)
        self._n_features_out = p
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # whatever comes in
        return tags

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        """Project the rows of X, (n, d), to (n, p) float32 unit rows."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float32, reset=False)
        # The mean is taken off afterwards: no centred copy of the data.
        centre = self.components_.astype(np.float64) @ self.mean_
        # Relative to the largest: the scale is lost anyway when rows are made unit. Directions
        # without variance (more components than rows have) are left out, not divided by zero.
        relative = self.explained_variance_ / max(self.explained_variance_.max(), 1e-30)
        scale = np.where(relative > _FLAT, np.maximum(relative, _FLAT) ** (-self.whiten / 2), 0.0)
        return unit_rows((values @ self.components_.T - centre) * scale)


def _decompose(
    values: NDArray[np.float32], mean: NDArray[np.float64], p: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what `_iterate` does, from the smaller of the two products of the centred rows."""
    n, d = values.shape
    side, length = min(n, d), max(n, d)
    product = np.zeros((side, side))
    blocks = [slice(first, first + _BLOCK_ROWS) for first in range(0, length, _BLOCK_ROWS)]
    for block in blocks:
        part = _centre_block(values, mean, block)  # (b, side)
        product += part.T @ part
    scatters, vectors = eigh(product, subset_by_index=[side - p, side - 1])
    scatters, vectors = np.maximum(scatters[::-1], 0.0), vectors[:, ::-1]
    if n < d:  # eigenvectors of rows: back to columns
        parts = [_centre_block(values, mean, block) @ vectors for block in blocks]
        vectors = np.linalg.qr(np.concatenate(parts))[0]  # (d, p); orthonormal where flat, too
    return vectors, scatters / n


def _centre_block(
    values: NDArray[np.float32], mean: NDArray[np.float64], block: slice
) -> NDArray[np.float64]:
    """Return a block of the longer side of the centred rows, (b, shorter side)."""
    if len(values) < len(mean):
        return (values[:, block] - mean[block]).T
    return values[block] - mean


def _iterate(
    values: NDArray[np.float32], mean: NDArray[np.float64], start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (d, q) leading eigenvectors of the covariance and their (q,) variances.

    Block power iteration with a Rayleigh-Ritz step each round.
    """
    basis = np.linalg.qr(start)[0]  # (d, q)
    captured = 0.0
    for _ in range(_MOST_ROUNDS):
        image = _times_covariance(values, mean, basis)  # (d, q)
        projected = basis.T @ image
        variances, rotation = np.linalg.eigh((projected + projected.T) / 2)
        variances, rotation = np.maximum(variances[::-1], 0.0), rotation[:, ::-1]
        ritz = basis @ rotation
        if variances.sum() <= captured * (1 + _TOLERANCE):
            break
        captured = variances.sum()
        basis = np.linalg.qr(image @ rotation)[0]
    return ritz, variances


def _times_covariance(
    values: NDArray[np.float32], mean: NDArray[np.float64], basis: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return covariance @ basis, (d, q), block by block of rows."""
    narrow = basis.astype(np.float32)
    offset = (mean @ basis).astype(np.float32)  # (q,)
    product = np.zeros(basis.shape)
    for first in range(0, len(values), _BLOCK_ROWS):
        block = values[first : first + _BLOCK_ROWS]
        # As the centred projections sum to zero, the left factor need not be centred.
        product += block.T @ (block @ narrow - offset)
    return product / len(values)


def _total_variance(values: NDArray[np.float32], mean: NDArray[np.float64]) -> float:
    centre = mean.astype(np.float32)
    total = 0.0
    for first in range(0, len(values), _BLOCK_ROWS):
        gaps = values[first : first + _BLOCK_ROWS] - centre
        total += float(np.vdot(gaps, gaps))
    return total / len(values)


def embed_umap(
    values: NDArray[np.float32],
    neighbours: Neighbours,
    n_components: int,
    *,
    seed: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.0,
) -> NDArray[np.float32]:
    """Lay images out by UMAP on the neighbour graph at hand (McInnes, Healy and Melville 2018).

    Parameters
    ----------
    values : (n, d) float32
        The vectors; only the starting layout (PCA) is taken from them.
    neighbours : Neighbours
        At least ``n_neighbors - 1`` a row (UMAP counts the image itself).
    n_components : int
    min_dist : float
        0 packs a dense region tight, which density clustering wants.

    Returns
    -------
    (n, n_components) float32
        The same for a seed on one platform, single-threaded. Fewer than n_components + 2 images
        have nothing to lay out: their centred PCA coordinates are returned.

    Raises
    ------
    OptionError
        A number is out of range, or the graph has too few neighbours.
    """
    n, k = neighbours.indices.shape
    width = min(n_neighbors, n - 1)  # the image itself counted
    _check_layout(n_components, width, k)
    if n < n_components + 2 or width < 2:
        return _pad_columns(_project(values, n_components, seed), n_components)
    indices = np.column_stack((np.arange(n), neighbours.indices[:, : width - 1]))  # (n, width)
    distances = np.column_stack((np.zeros(n), neighbours.distances[:, : width - 1]))
    with warnings.catch_warnings():
        # Known and meant: no network is trained, and no new image is placed by an index.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm without ipywidgets
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
        from umap import UMAP

        layout = UMAP(
            n_neighbors=width, n_components=n_components, min_dist=min_dist, init="pca",
            random_state=seed, n_jobs=1,
            precomputed_knn=(indices.astype(np.int32), distances.astype(np.float32), None),
        )  # fmt: skip
        embedded = layout.fit_transform(values)
    return np.ascontiguousarray(embedded, dtype=np.float32)


def _check_layout(n_components: int, width: int, k: int) -> None:
    if n_components < 1:
        raise OptionError(f"n_components is {n_components}, expected 1 or more")
    if k < width - 1:
        raise OptionError(
            f"n_neighbors is {width}, but the graph has {k} neighbours a row: "
            f"lower n_neighbors or build the graph with k={width - 1}"
        )


def _project(values: NDArray[np.float32], n_components: int, seed: int) -> NDArray[np.float64]:
    reducer = PCAReducer(n_components, random_state=seed).fit(values)
    return np.asarray((values - reducer.mean_) @ reducer.components_.T, dtype=np.float64)


def _pad_columns(values: NDArray[np.float64], width: int) -> NDArray[np.float32]:
    padded = np.zeros((len(values), width), np.float32)
    padded[:, : values.shape[1]] = values
    return padded
