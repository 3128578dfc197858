"""Steps that are worked on in a thread of their own, while the round goes on with others.

Such a thread computes and writes nothing: the round saves what it made when a step first asks for
it, so that a crash leaves no more and no less than with one step after the other. Its loops leave
the interpreter's lock alone; of other work a second thread would gain nothing.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from discovery.runs import Provenance, Run
from embeddings.console import note_kept, stage
from embeddings.threads import one_blas_thread
from embeddings.usage import count_open, metering_apart

Facts = dict[str, Any]
Made = Mapping[str, bytes]
Work = Callable[[Facts], Made]


@dataclass(slots=True)
class _Pending:
    """One step at work."""

    name: str
    writes: tuple[str, ...]
    made_by: Provenance
    thread: threading.Thread | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    made: dict[str, bytes] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=dict)
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to wait for, and no error to tell."""
        return self.error is None and self.thread is not None and not self.thread.is_alive()

    def __enter__(self) -> None:
        """Begin to keep what goes wrong, for who waits for the step."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Keep it: raised here it would end in the terminal, and the round would not know."""
        self.error = error
        self.begun.set()
        return True


class StepsBeside:
    """The steps of one round that are at work beside it; a context, at whose end all are done.

    Linear algebra is of one thread from the beginning of a step to where it is waited for, here
    and there: who takes how many would else be chance, and with it the last bits of the results.

    Parameters
    ----------
    run : Run
        Where what they make is saved.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._pending: list[_Pending] = []
        self._limits = ExitStack()

    def __enter__(self) -> Self:
        """Begin a round."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """End it: what is computed is saved after an error elsewhere, too."""
        waits = kind is None or issubclass(kind, Exception)  # Ctrl-C is none: nobody waits
        try:
            for one in list(self._pending):
                if waits or one.is_done:
                    self._settle(one)
        finally:
            self._limits.close()

    def begin(self, name: str, *, writes: tuple[str, ...], made_by: Provenance, work: Work) -> None:
        """Begin a step's work, and come back at once."""
        one = _Pending(name, writes, made_by)
        depth = count_open()
        if not self._pending:
            self._limits.enter_context(one_blas_thread())
        # A daemon: after an error, or Ctrl-C, nobody waits for what nobody will save.
        one.thread = threading.Thread(target=_work, args=(one, work, depth), name=name, daemon=True)
        self._pending.append(one)
        one.thread.start()
        one.begun.wait()  # so that a table of the stages has it in its place

    def finish(self, *names: str) -> None:
        """Wait for the steps that write any of these files, and save what they made.

        Raises
        ------
        Exception
            What such a step came to.
        """
        for one in [one for one in self._pending if set(names) & set(one.writes)]:
            self._settle(one)

    def _settle(self, one: _Pending) -> None:
        if one.thread is not None:
            one.thread.join()
        self._pending.remove(one)
        if not self._pending:
            self._limits.close()
        if one.error is not None:
            raise one.error
        save_made(self._run, one.name, one.made, made_by=one.made_by, usage=one.usage)


def save_made(
    run: Run, step: str, made: Made, *, made_by: Provenance, usage: Mapping[str, float]
) -> None:
    """Save what a step made, and note that it is kept."""
    for name, data in made.items():
        run.save_bytes(name, data, made_by, usage=usage)
    if made:
        note_kept(f"all up to the step {step!r} in {run.path}; the same command goes on there")


def _work(one: _Pending, work: Work, depth: int) -> None:
    with one, metering_apart(depth), stage(one.name) as facts:
        one.begun.set()
        one.made = dict(work(facts))
    if one.error is None:
        one.usage = facts.usage.to_dict()
