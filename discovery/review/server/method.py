"""A method of the review as the tables of the themes list it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from discovery.review.server.arguments import Argument

Pool = Literal["quick", "slow", "pictures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method.

    Attributes
    ----------
    run : callable
        Takes the `ApiContext` and the checked arguments by name; returns an `Answer`.
    arguments : mapping of name to Argument
    pool : {"quick", "slow", "pictures"}
        Whose threads it takes: decisions never wait behind what is slow.
    """

    run: Callable[..., Any]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    pool: Pool = "quick"
