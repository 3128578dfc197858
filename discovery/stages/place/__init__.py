"""New images among clusters that are there: one contract for every clusterer.

::

    fitted = Fitted.of(clustering, rows, full_vectors=vectors.values)
    votes = NeighborVotes(fitted, n_neighbors=14)
    limits = calibrate_limits(fitted, votes)
    placement = answer_rows(new_rows, new_values, votes=votes, limits=limits)

It sees rows and labels alone, so that communities, density clustering, k-means, linkage and a list
of known types are served alike. `match_known` sets images of known types aside in the same way;
`learn_metric` lets known types say which differences matter less.
"""

from discovery.stages.place.known import KnownMatches, adapt_rows, learn_metric, match_known
from discovery.stages.place.limits import (
    Limits,
    answer_rows,
    calibrate_limits,
    measure_cluster_distances,
)
from discovery.stages.place.records import (
    NAMED,
    UNDECIDED,
    UNKNOWN,
    Fitted,
    Placement,
    PlaceOptions,
)
from discovery.stages.place.votes import NeighborVotes

__all__ = [
    "NAMED",
    "UNDECIDED",
    "UNKNOWN",
    "Fitted",
    "KnownMatches",
    "Limits",
    "NeighborVotes",
    "PlaceOptions",
    "Placement",
    "adapt_rows",
    "answer_rows",
    "calibrate_limits",
    "learn_metric",
    "match_known",
    "measure_cluster_distances",
]
