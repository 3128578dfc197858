"""A review: the actions of a person on a run, appended to its ledger."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

from numpy.typing import ArrayLike

from discovery.flow.context import find_user
from discovery.review import actions
from discovery.review.session import Asked, ReviewSession
from discovery.review.state import ReviewState
from discovery.runs import Run, open_run


class Review(ReviewSession):
    """A person's review of a run. Every action appends to decisions.jsonl and gives a new state.

    Images are positions in the order of clustering.parquet. All actions take, besides, what
    `Asked` lists; they raise `ConflictError` where someone decided on the same meanwhile, and
    `OptionError` where they make no sense. Use it as a context manager, or call `close`:
    handoff.csv and handoff.json follow within about a second, in the background.

    Parameters
    ----------
    run : Run
    by : str
        Who decides.
    """

    # --- proposals ---

    def accept(
        self,
        proposal: str,
        label: str,
        *,
        shown: ArrayLike = (),
        thrown: ArrayLike = (),
        definition: str = "",
        **asked: Unpack[Asked],
    ) -> ReviewState:
        """Name a proposal.

        Parameters
        ----------
        proposal : str
            Its id.
        label : str
        shown : (m,) ints, optional
            Images the person looked at: they bear the label as a person's, the rest as a
            cluster's.
        thrown : (m,) ints, optional
            Those that do not belong: they are never offered for the type again.
        definition : str
            What the type means.
        """
        asked.setdefault("selection", {"kind": "proposal"})
        return self._act(
            lambda scene: actions.accept_proposal(
                scene, proposal, label, shown=shown, thrown=thrown, definition=definition
            ),
            asked,
        )

    def reject(self, proposal: str, **asked: Unpack[Asked]) -> ReviewState:
        """Say that a proposal is no type; a label it had is taken back."""
        asked.setdefault("selection", {"kind": "proposal"})
        return self._act(lambda scene: actions.reject_proposal(scene, proposal), asked)

    def defer(self, proposal: str, **asked: Unpack[Asked]) -> ReviewState:
        """Put a proposal off; nothing else changes."""
        asked.setdefault("selection", {"kind": "proposal"})
        return self._act(lambda scene: actions.defer_proposal(scene, proposal), asked)

    def merge_proposals(
        self, proposals: Sequence[str], label: str, **asked: Unpack[Asked]
    ) -> ReviewState:
        """Give several proposals one name."""
        asked.setdefault("selection", {"kind": "proposal"})
        return self._act(lambda scene: actions.merge_proposals(scene, proposals, label), asked)

    def split(
        self, proposal: str, parts: Sequence[ArrayLike], **asked: Unpack[Asked]
    ) -> ReviewState:
        """Divide a proposal into new ones; what is in none of the parts becomes one more."""
        return self._act(lambda scene: actions.split_proposal(scene, proposal, parts), asked)

    def regroup(
        self,
        parts: Sequence[ArrayLike],
        *,
        likely: Mapping[int, str] | None = None,
        **asked: Unpack[Asked],
    ) -> ReviewState:
        """Propose what is left anew; images that were named meanwhile stay out of it.

        Parameters
        ----------
        parts : sequence of (m,) ints
            The images of each new proposal; none in two.
        likely : mapping of int to str, optional
            The type that a part's images look like, by the part's place in `parts`.
        """
        return self._act(lambda scene: actions.regroup_rest(scene, parts, likely=likely), asked)

    # --- images ---

    def move(
        self,
        images: ArrayLike,
        label: str,
        *,
        as_group: bool = False,
        definition: str = "",
        **asked: Unpack[Asked],
    ) -> ReviewState:
        """Name images; `as_group` where the person did not look at each: as a cluster's."""
        return self._act(
            lambda scene: actions.move_images(
                scene, images, label, as_group=as_group, definition=definition
            ),
            asked,
        )

    def settle(
        self,
        moves: Mapping[str, ArrayLike],
        *,
        as_group: bool = False,
        copies: Mapping[str, ArrayLike] | None = None,
        thrown: Mapping[str, ArrayLike] | None = None,
        **asked: Unpack[Asked],
    ) -> ReviewState:
        """Name images, each list under its label, in one action.

        Parameters
        ----------
        moves : mapping of label to images
        as_group : bool
            As with `move`.
        copies : mapping of label to images
            Near copies that were folded into an image: nobody saw them, so they are a group.
        thrown : mapping of label to images
            Images that are not of the type: never offered for it again.
        """
        return self._act(
            lambda scene: actions.settle_images(
                scene, moves, as_group=as_group, copies=copies, thrown=thrown
            ),
            asked,
        )

    def grow(
        self,
        label: str,
        *,
        taken: ArrayLike = (),
        shown: ArrayLike = (),
        thrown: ArrayLike = (),
        **asked: Unpack[Asked],
    ) -> ReviewState:
        """Add images to a type in one action.

        Parameters
        ----------
        label : str
        taken : (m,) ints
            All that belong: those not shown bear the label as a cluster's.
        shown : (m,) ints
            Those the person looked at: they bear it as a person's.
        thrown : (m,) ints
            Those shown that do not belong.
        """
        return self._act(
            lambda scene: actions.grow_type(scene, label, taken=taken, shown=shown, thrown=thrown),
            asked,
        )

    def exclude(self, images: ArrayLike, label: str, **asked: Unpack[Asked]) -> ReviewState:
        """Say that images are not of a type: they lose its label, and are not offered again."""
        return self._act(lambda scene: actions.exclude_images(scene, images, label), asked)

    def release(self, images: ArrayLike, **asked: Unpack[Asked]) -> ReviewState:
        """Let images follow their proposal again."""
        return self._act(lambda scene: actions.release_images(scene, images), asked)

    def discard(self, images: ArrayLike, **asked: Unpack[Asked]) -> ReviewState:
        """Leave images without a label on purpose, whatever their proposal says."""
        return self._act(lambda scene: actions.discard_images(scene, images), asked)

    def set_prototypes(
        self, images: ArrayLike, label: str, *, on: bool = True, **asked: Unpack[Asked]
    ) -> ReviewState:
        """Mark images that show their type best, or take the mark away."""
        return self._act(lambda scene: actions.mark_prototypes(scene, images, label, on=on), asked)

    # --- types ---

    def rename(
        self, label: str, to: str, *, definition: str = "", **asked: Unpack[Asked]
    ) -> ReviewState:
        """Give a type another name; the same name with a definition says what it means."""
        return self._act(
            lambda scene: actions.rename_type(scene, label, to, definition=definition), asked
        )

    def merge_types(self, labels: Sequence[str], to: str, **asked: Unpack[Asked]) -> ReviewState:
        """Give several types one name."""
        return self._act(lambda scene: actions.merge_types(scene, labels, to), asked)


def open_review(run: Run | Path | str, by: str | None = None) -> Review:
    """Open a run for review.

    Parameters
    ----------
    run : Run or Path
    by : str, optional
        Who decides; by default the user's name.

    Raises
    ------
    RunError
        The folder is no run, or an artefact or its ledger is missing or damaged.
    """
    opened = run if isinstance(run, Run) else open_run(Path(run))
    return Review(opened, by=find_user() if by is None else by)
