"""Which groups of two generations belong together: by common images, else by their centroids.

The one threshold on images is the majority: a group has at most one successor that took more than
half of it, and at most one origin that gave more than half of it. The one threshold on centroids
is two standard deviations along the line between them: closer than that, two normal groups of the
same spread have one hump together and not two (Behboodian 1970; Holzmann & Vollmer 2008).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from discovery.records import Generation

SAME_GROUP = 2.0  # standard deviations between two centroids
# Rows stored as float16 are this far from themselves; a group of coincident rows has no less.
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOverlap:
    """How b groups of before and a groups of after belong together.

    Attributes
    ----------
    shared : (b, a) int64
        Common images.
    majorities : (b, a) bool
        More than half of the old group, images that are gone counted, is in the new one.
    fates : (b, a) bool
        Most of the old group went there.
    origins : (b, a) bool
        Most of the new group came from there.
    separations : (b, a) float64
        Between the centroids, in standard deviations; NaN where not needed or not known.
    strange_before, strange_after : (b,) and (a,) bool
        Half or more of its images are not among those of the other run, so that its members do
        not say what became of it, or where it comes from.
    """

    shared: NDArray[np.int64]
    majorities: NDArray[np.bool_]
    fates: NDArray[np.bool_]
    origins: NDArray[np.bool_]
    separations: NDArray[np.float64]
    strange_before: NDArray[np.bool_]
    strange_after: NDArray[np.bool_]

    @property
    def related(self) -> NDArray[np.bool_]:
        """Pairs that belong together by their members, (b, a)."""
        return np.asarray(self.fates | self.origins, np.bool_)


def compare_groups(
    before: Generation, after: Generation, *, values: NDArray[np.float32] | None
) -> GroupOverlap:
    """Compare every group of `before` with every group of `after`.

    Parameters
    ----------
    values : (n, d) float32, optional
        Rows of after's images, of after's space.
    """
    shared, known_before, known_after = _count_shared(before, after)
    sizes, own = before.sizes[:, None], after.sizes[None, :]  # (b, 1), (1, a)
    majorities, mostly = 2 * shared > sizes, 2 * shared > own
    # A majority of the images that both runs have, where these are not all.
    likely_fates = 2 * shared > known_before[:, None]
    likely_origins = 2 * shared > known_after[None, :]
    strange_before = 2 * known_before <= before.sizes
    strange_after = 2 * known_after <= after.sizes
    wanted = (likely_fates & ~majorities) | (likely_origins & ~mostly)
    wanted |= strange_before[:, None] & strange_after[None, :]
    separations = _measure_separations(before, after, values=values, wanted=wanted)
    # A few images speak for their group where the vectors do not contradict.
    credible = ~(separations > SAME_GROUP)  # NaN is no contradiction
    return GroupOverlap(
        shared=shared,
        majorities=majorities,
        fates=majorities | (likely_fates & credible),
        origins=mostly | (likely_origins & credible),
        separations=separations,
        strange_before=strange_before,
        strange_after=strange_after,
    )


def _count_shared(
    before: Generation, after: Generation
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count common images of each pair, and of each group those the other run has at all."""
    _, old, new = np.intersect1d(before.ids, after.ids, assume_unique=True, return_indices=True)
    of_before = _tabulate(before)[old]  # (common, b)
    of_after = _tabulate(after)[new]  # (common, a)
    shared = np.asarray((of_before.T @ of_after).toarray(), np.int64)
    known_before, known_after = of_before.sum(axis=0), of_after.sum(axis=0)
    return shared, np.asarray(known_before, np.int64), np.asarray(known_after, np.int64)


def _tabulate(generation: Generation) -> csr_array:
    """Which image is in which group, as a sparse (n, k) matrix of 0 and 1."""
    rows = np.concatenate([*generation.members, np.empty(0, np.int64)])
    columns = np.repeat(np.arange(len(generation)), generation.sizes)
    shape = (len(generation.ids), len(generation))
    return csr_array((np.ones(len(rows), np.int64), (rows, columns)), shape=shape)


def _measure_separations(
    before: Generation,
    after: Generation,
    *,
    values: NDArray[np.float32] | None,
    wanted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Measure how far apart the wanted pairs are, in standard deviations of the new group's rows.

    The squared distance of two means is, by chance alone, the sum of their groups' variances over
    their sizes; that much is taken away first, or small groups would never meet again.
    """
    separations = np.full(wanted.shape, np.nan)
    width = after.centroids.shape[1]
    comparable = before.space == after.space and before.centroids.shape[1] == width
    if values is None or not width or not comparable:
        return separations
    known = ~np.isnan(before.scatters)
    for j in np.flatnonzero(wanted[known].any(axis=0)):
        olds = np.flatnonzero(wanted[:, j] & known)
        lines = before.centroids[olds].astype(np.float64) - after.centroids[j]  # (olds, d)
        lengths = np.linalg.norm(lines, axis=1)
        directions = lines / np.maximum(lengths, 1e-12)[:, None]
        along = values[after.members[j]] @ directions.T.astype(np.float32)  # (m, olds)
        spread = along.std(axis=0, ddof=min(1, len(along) - 1))
        chance = before.scatters[olds] / before.sizes[olds] + after.scatters[j] / after.sizes[j]
        apart = np.sqrt(np.maximum(lengths**2 - chance, 0))
        separations[olds, j] = apart / np.maximum(spread, _LEAST_SPREAD)
    return separations
