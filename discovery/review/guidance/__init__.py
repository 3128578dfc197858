"""What a person is shown next, and in which order: functions over arrays, without the engine.

Images are positions 0..n-1, types are codes 0..k-1, -1 is none. `make_features` once a run,
`fit_judge` after each screen, and the screens: `order_members` (validate), `rank_growth` and
`GrowSearch` (grow), `rank_doubt` (doubt), `label_rest` (the end), `suggest_next` (which of them).
What a person excluded from a type is never offered for it again, by any of them.
"""

from discovery.review.guidance.copies import fold_copies
from discovery.review.guidance.doubt import DoubtPage, rank_doubt
from discovery.review.guidance.features import Features, make_features
from discovery.review.guidance.growth import Growth, pick_prototypes, rank_growth
from discovery.review.guidance.judge import Judge, fit_judge
from discovery.review.guidance.labelled import Labelled
from discovery.review.guidance.members import Order, order_members
from discovery.review.guidance.rest import expected_right, label_rest
from discovery.review.guidance.search import GrowSearch
from discovery.review.guidance.suggest import Suggestion, suggest_next

__all__ = [
    "DoubtPage",
    "Features",
    "GrowSearch",
    "Growth",
    "Judge",
    "Labelled",
    "Order",
    "Suggestion",
    "expected_right",
    "fit_judge",
    "fold_copies",
    "label_rest",
    "make_features",
    "order_members",
    "pick_prototypes",
    "rank_doubt",
    "rank_growth",
    "suggest_next",
]
