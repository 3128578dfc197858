"""Two people at once: what was decided since a person looked, and touches the same."""

from collections.abc import Mapping, Sequence

from discovery.ledger import Action
from discovery.records import Decision
from discovery.review.describe import describe_action
from embeddings.errors import DefectDiscoveryError

_HARMLESS = ("prototype", "unprototype")  # marks beside each other change no label


class ConflictError(DefectDiscoveryError):
    """Someone decided on the same images, type or proposal since the person looked.

    Nothing was recorded: show what came between, then ask again.

    Parameters
    ----------
    decisions : sequence of Decision
        What came between.
    text : str
        One line.

    Attributes
    ----------
    decisions : tuple of Decision
    by, at : str
        Of the last of them.
    """

    def __init__(self, decisions: Sequence[Decision], text: str) -> None:
        super().__init__(text)
        self.decisions = tuple(decisions)
        self.by, self.at = self.decisions[-1].by, self.decisions[-1].at


def check_conflicts(
    wanted: Sequence[Decision], since: Sequence[Action], numbers: Mapping[str, str]
) -> None:
    """Refuse decisions where an action since then touched the same.

    Raises
    ------
    ConflictError
        With all that came between and touches the same.
    """
    met = [action for action in since if _meet(wanted, action.decisions)]
    if met:
        last = met[-1]
        what = describe_action(last.decisions, numbers)
        undone = "" if last.holds else ", since undone"
        more = f" and {len(met) - 1} more" if len(met) > 1 else ""
        raise ConflictError(
            [decision for action in met for decision in action.decisions],
            f"{last.by} decided meanwhile: {what}{undone}{more}; look again, then decide",
        )


def _meet(wanted: Sequence[Decision], other: Sequence[Decision]) -> bool:
    if _list_proposals(wanted) & _list_proposals(other):
        return True
    # Two people may well name images of one type; that it is renamed meanwhile concerns both.
    if any(one.scope == "type" for one in (*wanted, *other)) and (
        _list_labels(wanted) & _list_labels(other)
    ):
        return True
    return not _list_images(wanted).isdisjoint(_list_images(other))


def _list_proposals(decisions: Sequence[Decision]) -> set[str]:
    of = {one.proposal_id for one in decisions if one.scope == "proposal"}
    return of | {name for one in decisions for name in one.parts}


def _list_labels(decisions: Sequence[Decision]) -> set[str]:
    return {label for one in decisions for label in (one.label, one.previous) if label}


def _list_images(decisions: Sequence[Decision]) -> set[str]:
    found: set[str] = set()
    for one in decisions:
        if one.verdict not in _HARMLESS:
            found.update(one.image_ids, *one.parts.values())
    return found
