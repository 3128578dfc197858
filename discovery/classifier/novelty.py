"""How far an image is from every known type: what tells *unknown* from a type that was learned.

Three measures of it, each on its own scale among known images that were held out, then averaged:

- the distance to the nearest known image, in half whitened principal axes;
- the relative Mahalanobis distance (Ren et al. 2021, arXiv:2106.09022): to the nearest type, less
  the one to all images alike, so that what is unusual in every type alike does not count;
- the uncertainty of the classifier, 1 - the highest probability (Hendrycks and Gimpel 2017).

No one of them is best on every kind of image (docs/log.md); their mean is never far from the best.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from discovery.estimators.pca import find_components

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

MEASURES = ("nearest", "relative", "uncertainty")  # columns, in the order of a model file
_MOST_AXES = 100
_IMAGES_AN_AXIS = 5  # as few images carry an axis of the graph that discovery builds
_WHITEN = 0.5
_LEAST_AXIS = 1e-4  # spread of an axis as a share of the first: below is rounding of float32
_BLOCK = 1024  # images whose cosines to all known ones are in memory at a time
# Held-out images that are all copies have no spread: rounding must not be many units.
_LEAST_UNIT = 1e-2
_HIGH = 95  # percentile of held-out known images that is one unit above their median
_MOST = 30.0  # units beyond the limit: exp() of more says nothing more


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSpace:
    """The known images as a space to measure distances in.

    Attributes
    ----------
    mean : (d,)
    axes : (d, q)
        Principal axes.
    spread : (q,)
        Standard deviation along each.
    points : (m, q)
        Known images, half whitened, unit rows.
    centres : (k, q)
        Of the types, along the axes.
    within, total : (q, q)
        Precision matrices inside the types and of all images.
    """

    mean: Floats
    axes: Floats
    spread: Floats
    points: Floats
    centres: Floats
    within: Floats
    total: Floats

    @classmethod
    def fit(cls, rows: NDArray[np.floating], labels: NDArray[np.str_], *, seed: int) -> Self:
        """Learn the space from known images: rows (m, d), label paths (m,)."""
        wide = rows.astype(np.float64)
        count = max(1, min(_MOST_AXES, len(rows) // _IMAGES_AN_AXIS, rows.shape[1]))
        found = find_components(wide, count, seed=seed)
        spread = np.sqrt(np.maximum(found.variances, 1e-12))
        rank = max(1, int((spread > _LEAST_AXIS * spread[0]).sum()))  # copies span few axes
        axes, spread = found.axes[:rank].T, spread[:rank]
        along = (wide - found.mean) @ axes  # (m, q)
        types, which = np.unique(labels, return_inverse=True)
        centres = np.stack([along[which == i].mean(axis=0) for i in range(len(types))])
        return cls(
            mean=found.mean,
            axes=axes,
            spread=spread,
            points=_unit(along / spread**_WHITEN),
            centres=centres,
            within=_invert(along - centres[which]),
            total=_invert(along - along.mean(axis=0)),
        )

    def measure(self, rows: NDArray[np.floating]) -> Floats:
        """Return the first two measures of rows (n, d), (n, 2): larger is stranger."""
        along = (rows - self.mean) @ self.axes  # (n, q)
        nearest = _find_nearest(_unit(along / self.spread**_WHITEN), self.points)
        to_types = [_square(along - centre, self.within) for centre in self.centres]
        # The points' mean is zero along the axes: `total` needs no centre.
        relative = np.min(to_types, axis=0) - _square(along, self.total)
        return np.stack([nearest, relative], axis=1)

    def to_arrays(self) -> Arrays:
        """Return the space as named arrays, for a file.

        In float64 as they are: rounded, an image at the limit of the known would change sides.
        """
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take back what `to_arrays` gave."""
        return cls(**{name: arrays[name].astype(np.float64) for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyScale:
    """What distances held-out known images have, and the limit of acceptance.

    Attributes
    ----------
    medians, units : (3,)
        Of each measure among held-out known images; a unit is the way to their 95th percentile.
    limit : float
        Mean of the scaled measures that the accepted share of known images stays below.
    """

    medians: Floats
    units: Floats
    limit: float

    @classmethod
    def fit(cls, measures: Floats, *, false_alarms: float) -> Self:
        """Scale by the (n, 3) measures of held-out known images; at most that share is refused."""
        medians = np.median(measures, axis=0)
        units = np.maximum(np.percentile(measures, _HIGH, axis=0) - medians, _LEAST_UNIT)
        scaled = ((measures - medians) / units).mean(axis=1)
        # "higher": between two images the limit must not fall short of the share.
        limit = float(np.quantile(scaled, 1 - false_alarms, method="higher"))
        return cls(medians=medians, units=units, limit=limit)

    def score(self, measures: Floats) -> NDArray[np.float32]:
        """Return the novelty (n,) of images by their measures: 1 at the limit, above it unknown.

        However great the uncertainty, the distances must lie beyond the limit too: an image between
        two types that lies as near as known ones do is no unknown.
        """
        units = (measures - self.medians) / self.units  # (n, 3)
        uncertainty = MEASURES.index("uncertainty")
        units[:, uncertainty] = np.minimum(units[:, uncertainty], max(self.limit, 0.0))
        scaled = units.mean(axis=1)
        return np.asarray(np.exp(np.clip(scaled - self.limit, -_MOST, _MOST)), np.float32)


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = rows / np.maximum(lengths, 1e-12)
    return unit


def _invert(deviations: Floats) -> Floats:
    """Precision matrix of deviations (m, q), shrunk as much as their number asks for."""
    if len(deviations) < 2:
        return np.eye(deviations.shape[1])
    covariance, _ = ledoit_wolf(deviations, assume_centered=True)
    scale = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    inverse: Floats = np.linalg.inv(covariance + 1e-6 * scale * np.eye(len(covariance)))
    return inverse


def _square(deviations: Floats, precision: Floats) -> Floats:
    squares: Floats = ((deviations @ precision) * deviations).sum(axis=1)
    return squares


def _find_nearest(rows: Floats, points: Floats) -> Floats:
    """Distance of each unit row (n, q) to the nearest unit point (m, q), (n,)."""
    starts = range(0, len(rows), _BLOCK)
    cosines = [(rows[start : start + _BLOCK] @ points.T).max(axis=1) for start in starts]
    distances: Floats = np.sqrt(np.maximum(2 - 2 * np.concatenate(cosines), 0))
    return distances
