"""Within-image scatter divided out of the vectors, where that is proven on images held out.

In the principal axes of the images, S is the scatter of an image's variants about the image itself.
Vectors are multiplied by (S + c tr(S) / p)^(-1/2): directions in which one and the same image
wavers count less, those in which only different images differ count more. It is the within-class
covariance normalisation of Hatch, Kajarekar and Stolcke (Interspeech 2006), each image a class of
its own, so that no label is needed.

The proof: what is learned of half of the images must bring the other half's variants nearer to
their originals, among all originals, than the round's own axes do (exact counts, McNemar's test).
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from discovery.estimators.pca import PCAReducer, find_components
from embeddings.records import unit_rows

Floats = NDArray[np.float32]

_SHRINK: Final = 0.1  # of the mean scatter, beside it: a direction is never divided by nothing
_SURELY: Final = 2.0  # standard deviations of the variants that change sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """An affine map of unit rows to fewer dimensions; rows are unit again.

    Attributes
    ----------
    mean : (d,) float32
    axes : (p, d) float32
    """

    mean: Floats
    axes: Floats

    @classmethod
    def fit(cls, values: Floats, variants: Floats, *, dimensions: int, seed: int = 0) -> Self:
        """Learn it of n images and m variants of each.

        Parameters
        ----------
        values : (n, d) float32
        variants : (n, m, d) float32
        dimensions : int
            min(n, d) where there are fewer.
        """
        found = find_components(values, dimensions, seed=seed)
        apart = (variants - values[:, None]).reshape(-1, values.shape[1]) @ found.axes.T  # (n m, p)
        scatter = apart.T @ apart / len(apart)
        p = len(scatter)
        scatter += _SHRINK * max(float(np.trace(scatter)), 1e-12) / p * np.eye(p)
        powers, directions = np.linalg.eigh(scatter)
        evened = (directions * powers**-0.5) @ directions.T
        axes = evened @ found.axes
        # Of one length whatever the scatter: rows are made unit anyway.
        axes /= np.linalg.norm(axes, axis=1).max()
        return cls(mean=found.mean.astype(np.float32), axes=axes.astype(np.float32))

    def apply(self, values: Floats) -> Floats:
        """Bring (n, d) rows to (n, p) unit rows."""
        centre = self.axes.astype(np.float64) @ self.mean
        return unit_rows(values @ self.axes.T - centre)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How often a held-out variant's nearest original is its own.

    Attributes
    ----------
    images : int
        Images of which there are variants.
    variants : int
        Held-out variants in all.
    before, after : int
        Of these, how many find their original as the vectors are, and by the projection.
    gained, lost : int
        How many find it only by the projection, and only without.
    """

    images: int
    variants: int
    before: int
    after: int
    gained: int
    lost: int

    @property
    def is_better(self) -> bool:
        """Whether the projection finds more, by more than chance."""
        return bool(self.gained - self.lost > _SURELY * np.sqrt(self.gained + self.lost))

    def __add__(self, other: "Evidence") -> "Evidence":
        return replace(
            self,
            variants=self.variants + other.variants,
            before=self.before + other.before,
            after=self.after + other.after,
            gained=self.gained + other.gained,
            lost=self.lost + other.lost,
        )


def learn_projection(
    values: Floats, variants: Floats, *, dimensions: int, whiten: float, seed: int = 0
) -> tuple[Evidence, Projection]:
    """Learn a projection of all images, and measure it on halves that did not teach it.

    Parameters
    ----------
    values : (n, d) float32, unit rows
    variants : (n, m, d) float32, unit rows
    dimensions, whiten
        Of the axes that a round looks along, as in `PCAReducer`.

    Returns
    -------
    (Evidence, Projection)
        Whoever takes the projection without `Evidence.is_better` has no proof.
    """
    even = np.arange(len(values)) % 2 == 0
    first, second = (
        _hold_out(values, variants, taught, dimensions=dimensions, whiten=whiten, seed=seed)
        for taught in (even, ~even)
    )
    projection = Projection.fit(values, variants, dimensions=dimensions, seed=seed)
    return first + second, projection


def _hold_out(
    values: Floats,
    variants: Floats,
    taught: NDArray[np.bool_],
    *,
    dimensions: int,
    whiten: float,
    seed: int,
) -> Evidence:
    """Learn of the images `taught`, and look for the originals of the others' variants."""
    of = np.repeat(np.flatnonzero(~taught), variants.shape[1])
    held = variants[~taught].reshape(len(of), -1)
    learned = Projection.fit(values[taught], variants[taught], dimensions=dimensions, seed=seed)

    def finds(originals: Floats, sought: Floats) -> NDArray[np.bool_]:
        reducer = PCAReducer(dimensions, whiten=whiten, random_state=seed).fit(originals)
        rows, wanted = reducer.transform(originals), reducer.transform(sought)
        found: NDArray[np.bool_] = (wanted @ rows.T).argmax(axis=1) == of
        return found

    before = finds(values, held)
    after = finds(learned.apply(values), learned.apply(held))
    return Evidence(
        images=len(values),
        variants=len(of),
        before=int(before.sum()),
        after=int(after.sum()),
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
    )
