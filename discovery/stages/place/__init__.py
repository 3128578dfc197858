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

from discovery.stages.place.known import KnownMatches as KnownMatches
from discovery.stages.place.known import adapt_rows as adapt_rows
from discovery.stages.place.known import learn_metric as learn_metric
from discovery.stages.place.known import match_known as match_known
from discovery.stages.place.limits import Limits as Limits
from discovery.stages.place.limits import answer_rows as answer_rows
from discovery.stages.place.limits import calibrate_limits as calibrate_limits
from discovery.stages.place.limits import measure_cluster_distances as measure_cluster_distances
from discovery.stages.place.records import NAMED as NAMED
from discovery.stages.place.records import UNDECIDED as UNDECIDED
from discovery.stages.place.records import UNKNOWN as UNKNOWN
from discovery.stages.place.records import Fitted as Fitted
from discovery.stages.place.records import Placement as Placement
from discovery.stages.place.records import PlaceOptions as PlaceOptions
from discovery.stages.place.votes import NeighborVotes as NeighborVotes
