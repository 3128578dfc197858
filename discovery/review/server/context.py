"""What the methods of one review share: the review, its pictures, its jobs."""

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from discovery.review import Review, ReviewState
from discovery.review.data import ReviewData
from discovery.review.regroup import Levels, open_levels
from discovery.review.server.image_files import ImageFiles
from discovery.review.server.jobs import Job, Jobs
from discovery.review.server.pictures import Pictures
from discovery.review.state import OpenProposal
from embeddings.errors import OptionError

PAGE_SIZE = 60  # images on a screen


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

    @cached_property
    def files(self) -> ImageFiles:
        """Where the pixels of the images are."""
        return ImageFiles(self.data.store, self.data.ids, self.data.paths)

    @cached_property
    def pictures(self) -> Pictures:
        """What can be seen of the images."""
        return Pictures(self.files)

    @cached_property
    def levels(self) -> Levels:
        """The groups of the run at every resolution."""
        return open_levels(self.review.run)

    @cached_property
    def level_of_the_run(self) -> int:
        """The position of `levels` that is most like the run's own clusters; -1 for none."""
        return self.levels.find_position(self.data.clustering.labels)

    @cached_property
    def metadata_columns(self) -> list[str]:
        """What is known of images beside their pixels, by name."""
        names: dict[str, None] = {}
        for text in set(self.files.rows["metadata"].tolist()):
            names |= dict.fromkeys(json.loads(text) if text else ())
        return sorted(names)

    @cached_property
    def places(self) -> dict[str, int]:
        """The position of each image by its id."""
        return {name: place for place, name in enumerate(self.state.ids.tolist())}

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

    def _tell_job(self, job: Job) -> None:
        self.tell({"job": job.to_dict()})
