"""New images among clusters that are there: one contract for every clusterer.

    fitted = Fitted.of(clustering, rows, wide=vectors.values)
    placement = place_rows(new_rows, fitted, wide=new_values)

`place_rows` is `calibrate_limits` and `answer_rows` in one. `match_known` sets images of known
types aside in the same way; `learn_metric` lets known types say which differences matter less.
"""

from discovery.stages.place.calibrate import Limits, calibrate_limits, measure_apart
from discovery.stages.place.known import Matched, match_known
from discovery.stages.place.metric import adapt_rows, learn_metric
from discovery.stages.place.records import (
    NAMED,
    UNDECIDED,
    UNKNOWN,
    Fitted,
    Placement,
    PlaceOptions,
)
from discovery.stages.place.verb import answer_rows, place_rows
from discovery.stages.place.votes import TieVotes

__all__ = [
    "NAMED",
    "UNDECIDED",
    "UNKNOWN",
    "Fitted",
    "Limits",
    "Matched",
    "PlaceOptions",
    "Placement",
    "TieVotes",
    "adapt_rows",
    "answer_rows",
    "calibrate_limits",
    "learn_metric",
    "match_known",
    "measure_apart",
    "place_rows",
]
