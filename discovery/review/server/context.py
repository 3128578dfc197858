"""What the methods of one review share: the review, its pictures, its jobs."""

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.records import Neighbours
from discovery.review import Review, ReviewState
from discovery.review.advisor import Advisor
from discovery.review.data import ReviewData
from discovery.review.regroup import Levels, open_levels
from discovery.review.server.estimate import Estimate
from discovery.review.server.fits import Fits
from discovery.review.server.grow import Searches
from discovery.review.server.image_files import ImageFiles
from discovery.review.server.jobs import Job, Jobs
from discovery.review.server.lazy import Lazy
from discovery.review.server.pictures import Pictures
from discovery.review.state import OpenProposal
from embeddings.bounded import parse_json
from embeddings.errors import OptionError
from embeddings.records import NOTES


class ApiContext:
    """What the methods work on.

    Parameters
    ----------
    review : Review
    tell : callable
        Takes an event for everyone who listens.
    """

    def __init__(self, review: Review, tell: Callable[[dict[str, Any]], None]) -> None:
        self.review, self.tell = review, tell
        self.jobs = Jobs(self._tell_job)
        # Several threads ask for the same: each is made by one of them.
        vectors = threading.RLock()
        self._rows = Lazy(lambda: self.data.rows, vectors)
        self._files = Lazy(lambda: ImageFiles(self.data.store, self.data.ids, self.data.paths))
        self._pictures = Lazy(lambda: Pictures(self.files))
        self._levels = Lazy(lambda: open_levels(review.run))
        self._level_of_the_run = Lazy(
            lambda: self.levels.find_position(self.data.clustering.labels)
        )
        self._neighbours = Lazy(lambda: self.data.neighbours)
        self._advisor = Lazy(self._make_advisor, vectors)
        self.searches = Searches()
        self.fault = ""  # why the ledger could not be followed, when it was looked at last
        self.fits = Fits(lambda: self.advisor.read())
        self.estimate = Estimate(lambda: self.advisor.expected_right(), self._tell_estimate)

    @property
    def state(self) -> ReviewState:
        """How the review stands."""
        return self.review.state

    @property
    def data(self) -> ReviewData:
        """What is known of the images beside the decisions."""
        return self.review.data

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.review.state)

    @property
    def rows(self) -> NDArray[np.float32]:
        """The (n, p) unit rows of the neighbour graph."""
        return self._rows()

    @property
    def advisor(self) -> Advisor:
        """What should be shown next; it has seen the vectors."""
        return self._advisor()

    @property
    def neighbours(self) -> Neighbours:
        """The nearest neighbours of each image."""
        return self._neighbours()

    @property
    def files(self) -> ImageFiles:
        """Where the pixels of the images are."""
        return self._files()

    @property
    def pictures(self) -> Pictures:
        """What can be seen of the images."""
        return self._pictures()

    @property
    def levels(self) -> Levels:
        """The groups of the run at every resolution."""
        return self._levels()

    @property
    def level_of_the_run(self) -> int:
        """The position of `levels` that is most like the run's own clusters; -1 for none."""
        return self._level_of_the_run()

    @cached_property
    def metadata_columns(self) -> list[str]:
        """What is known of images beside their pixels, by name."""
        names: dict[str, None] = {}
        for text in set(self.files.rows["metadata"].tolist()):
            names |= dict.fromkeys(parse_json(text) if text else ())
        return sorted(set(names) - NOTES)

    @cached_property
    def places(self) -> dict[str, int]:
        """The position of each image by its id."""
        return {name: place for place, name in enumerate(self.state.ids.tolist())}

    def warm(self) -> None:
        """Make what takes long, in the order in which a page asks for it."""
        for make in (self._pictures, self._level_of_the_run, self._rows, self._advisor):
            make()
        self.estimate.wake()

    def find_proposal(self, proposal_id: str) -> OpenProposal:
        """Return a proposal by its id.

        Raises
        ------
        OptionError
            There is none.
        """
        found = self.state.find_proposal(proposal_id)
        if found is None:
            raise OptionError(f"there is no proposal {proposal_id!r}: it may have been undone")
        return found

    def find_medoid(self, proposal: OpenProposal) -> int | None:
        """Return the image that stands for a proposal; None where it has no images."""
        named = self.places.get(str(proposal.evidence.get("medoid", "")))
        if named is not None and named in proposal.images:
            return named
        if not len(proposal.images):
            return None
        # Of a part no medoid was sought: its firmest member, which needs no vectors.
        memberships = self.data.clustering.memberships[proposal.images]
        return int(proposal.images[int(np.argmax(memberships))])

    def find_exemplars(self, proposal: OpenProposal) -> list[int]:
        """Return the images that show what a proposal spans, each once: central, edge, diverse."""
        kinds = proposal.evidence.get("exemplars", {})
        named = dict.fromkeys(name for names in kinds.values() for name in names)
        members = set(proposal.images.tolist())
        places = (self.places.get(name) for name in named)
        return [place for place in places if place is not None and place in members]

    def tell_revision(self) -> None:
        """Tell everyone that something was decided."""
        self.tell({"revision": self.review.revision})
        self.estimate.wake()

    def list_notices(self) -> list[str]:
        """Say what a person must know though no request failed, one line each."""
        fault = self.review.handoff_fault
        handoff = f"handoff.csv does not follow: {fault}" if fault else ""
        ledger = self.review.ledger_fault
        return [text for text in (self.fault, ledger, handoff) if text]

    def close(self) -> None:
        """Give up what runs in the background."""
        self.jobs.close()
        self.estimate.close()
        self.fits.close()

    def _make_advisor(self) -> Advisor:
        advisor = Advisor(self.review)
        advisor.features  # noqa: B018  (made here, by one thread)
        # Rows and features are a fifth of them, and all that the methods look at.
        self.data.drop_vectors()
        return advisor

    def _tell_estimate(self, share: float | None) -> None:
        self.tell({"expected_right": share})

    def _tell_job(self, job: Job) -> None:
        self.tell({"job": job.to_dict()})
