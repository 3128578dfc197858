"""What a step of a round is: what it writes, what that is made of, and which function makes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from discovery.flow.beside import Facts, Made, Work
from discovery.flow.context import RoundContext
from discovery.flow.settings import COMMAND
from discovery.runs import Provenance


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row of the table.

    Attributes
    ----------
    name : str
        What the log calls it.
    make : callable, optional
        ``make(context, facts)`` returns the bytes of what it writes, in the order in which it is
        saved (one that has saved all itself returns nothing), and puts figures for the log into
        the dict `facts`.
    begin : callable, optional
        In its place: ``begin(context)`` takes what it needs out of the context and returns
        ``work(facts)``, which does as `make` in a thread of its own. The round goes on meanwhile,
        up to a step that reads what this one writes.
    writes : tuple of str
        Artefacts. The step runs unless all of them are current; one that writes nothing always.
    reads : tuple of str
        Files of the run that it is made of, as far as they are there.
    needs : tuple of str
        What else it is made of, by the names in `RoundContext.hash_inputs`.
    spec : callable
        ``spec(context)`` returns the parameters that decide the result, as JSON-ready values.
    when : callable
        ``when(context)`` tells whether this round has the step at all.
    is_random : bool
        Whether the seed decides the result, too.
    """

    name: str
    make: Callable[[RoundContext, Facts], Made] | None = None
    begin: Callable[[RoundContext], Work] | None = None
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    spec: Callable[[RoundContext], dict[str, Any]] = lambda _: {}
    when: Callable[[RoundContext], bool] = lambda _: True
    is_random: bool = True

    def __post_init__(self) -> None:
        """Refuse a step that nothing makes, or two things."""
        if (self.make is None) == (self.begin is None):
            raise ValueError(f"step {self.name!r}: expected one of make and begin")

    def describe(self, context: RoundContext) -> Provenance:
        """Return how the step's artefacts are made now."""
        return Provenance(
            command=COMMAND,
            spec=self.spec(context),
            seed=context.seed if self.is_random else 0,
            inputs=context.run.hash_inputs(*self.reads) | context.hash_inputs(*self.needs),
        )
