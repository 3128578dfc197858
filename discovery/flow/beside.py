"""Steps that are worked on in a thread of their own, while the round goes on with others.

Such a thread computes and writes nothing: the round saves what it made when a step first asks for
it, so that a crash leaves no more and no less than with one step after the other. Its loops leave
the interpreter's lock alone; of other work a second thread would gain nothing.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Self

from discovery.runs import Provenance, Run
from embeddings.console import note_kept, stage
from embeddings.threads import one_blas_thread
from embeddings.usage import count_open, metering_apart

Facts = dict[str, Any]
Made = Mapping[str, bytes]
Work = Callable[[Facts], Made]


class _Thread(threading.Thread):
    """One step at work; a daemon, as after Ctrl-C nobody waits for what nobody will save."""

    def __init__(
        self, name: str, *, writes: tuple[str, ...], made_by: Provenance, work: Work
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.writes, self.made_by = writes, made_by
        self.begun = threading.Event()
        self.made: Made = {}
        self.usage: dict[str, float] = {}
        self.error: BaseException | None = None
        self._work, self._depth = work, count_open()

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to wait for, and no error to tell."""
        return self.error is None and not self.is_alive()

    def run(self) -> None:
        """Do the step's work."""
        with ExitStack() as inside:
            inside.push(self._keep)
            inside.enter_context(metering_apart(self._depth))
            with stage(self.name) as facts:
                self.begun.set()
                self.made = self._work(facts)
            self.usage = facts.usage.to_dict()

    def _keep(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Keep what went wrong: raised here it would end in the terminal, and nobody would know."""
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
        self._pending: list[_Thread] = []
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
        one = _Thread(name, writes=writes, made_by=made_by, work=work)
        if not self._pending:
            self._limits.enter_context(one_blas_thread())
        self._pending.append(one)
        one.start()
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

    def _settle(self, one: _Thread) -> None:
        one.join()
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
