from .conflicts import ConflictError as ConflictError
from .data import ReviewData as ReviewData
from .review import Review as Review
from .review import open_review as open_review
from .state import OpenProposal as OpenProposal
from .state import Progress as Progress
from .state import ReviewState as ReviewState
from .state import ReviewType as ReviewType
