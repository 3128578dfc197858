"""Find the values of a column that a cluster has more often than all images of the round."""

import numpy as np
from numpy.typing import NDArray

from discovery.stages.enrich.associate import Candidate
from discovery.stages.enrich.chance import measure_odds, weigh_excess
from discovery.stages.enrich.columns import Column
from discovery.stages.enrich.records import Association, EnrichOptions


def weigh_values(
    column: Column, labels: NDArray[np.int32], *, options: EnrichOptions
) -> tuple[list[Candidate], int]:
    """Test each value of a column in each cluster.

    Parameters
    ----------
    column : Column of kind ``value``
    labels : (n,) int32
        Cluster of each image. Noise (-1) belongs to the round's images as well.

    Returns
    -------
    list of Candidate
        Those with enough members and odds; their p is not yet held against the other tests.
    int
        How many tests were made, those that came to nothing included.
    """
    known = column.codes >= 0
    k, v = int(labels.max(initial=-1)) + 1, len(column.values)
    inside = known & (labels >= 0)
    flat = labels[inside].astype(np.int64) * v + column.codes[inside]
    counts = np.bincount(flat, minlength=k * v).reshape(k, v)
    having = np.bincount(column.codes[known], minlength=v)  # (v,)
    sizes, total = counts.sum(axis=1), int(known.sum())  # (k,)
    testable = np.outer(sizes >= options.least_size, having >= options.least_count)
    clusters, codes = np.nonzero(testable & (counts >= options.least_count))
    of = counts[clusters, codes], sizes[clusters], having[codes]
    odds = measure_odds(*of, total=total)
    kept = odds >= options.least_odds
    clusters, codes, odds = clusters[kept], codes[kept], odds[kept]
    p = weigh_excess(*(part[kept] for part in of), total=total)
    missing = np.bincount(labels[(labels >= 0) & ~known], minlength=k)
    found: list[Candidate] = []
    for cluster, code, effect, chance in zip(clusters, codes, odds, p, strict=True):
        if chance > options.q:
            continue  # its q is no less
        count, size = int(counts[cluster, code]), int(sizes[cluster])
        association = Association(
            cluster_id=int(cluster),
            column=column.name,
            kind="value",
            value=column.values[code],
            count=count,
            size=size,
            others=int(having[code]) - count,
            rest=total - size,
            effect=float(effect),
            p=float(chance),
            missing=int(missing[cluster]),
            same_as=column.same_as,
        )
        found.append(Candidate(association=association, mask=column.codes == code))
    return found, int(testable.sum())
