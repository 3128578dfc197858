"""Work in the background: one job at a time, with progress, that can be given up."""

import contextlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from embeddings.errors import DefectDiscoveryError, OptionError
from embeddings.usage import give_memory_back

Status = Literal["running", "done", "failed", "cancelled"]
_REMEMBERED = 50  # jobs that have ended, and can still be asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands.

    Attributes
    ----------
    id : str
    kind : str
    status : {"running", "done", "failed", "cancelled"}
        A job that waits for its turn is running, at a share of 0.
    share : float
        Done, from 0 to 1.
    text : str
        What it is at, or what came of it.
    """

    id: str
    kind: str
    status: Status = "running"
    share: float = 0.0
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        names = ("kind", "status", "share", "text")
        return {"job": self.id} | {name: getattr(self, name) for name in names}


class JobCancelled(Exception):  # noqa: N818
    """Raised inside a job that was given up."""


class Progress:
    """What a job tells of its progress with; raises `JobCancelled` where it was given up."""

    def __init__(self, report: Callable[[float, str], None]) -> None:
        self._report, self._cancelled = report, threading.Event()

    def __call__(self, share: float, text: str = "") -> None:
        """Tell which share is done, and what comes now."""
        if self._cancelled.is_set():
            raise JobCancelled
        self._report(min(max(share, 0.0), 1.0), text)

    def cancel(self) -> None:
        """Give the job up: the next call raises."""
        self._cancelled.set()


class Jobs:
    """The jobs of one server.

    Parameters
    ----------
    tell : callable
        Called with a `Job` whenever one changes, from the job's own thread.
    """

    def __init__(self, tell: Callable[[Job], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # one works at a time: the page must stay quick
        self._numbers = itertools.count(1)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._progress: dict[str, Progress] = {}

    def start(self, kind: str, work: Callable[[Progress], str]) -> Job:
        """Begin a job and return at once.

        Parameters
        ----------
        kind : str
            Of one kind only one job runs: a second call returns the first.
        work : callable
            Told of progress through its argument; returns what came of it, in words.
        """
        with self._lock:
            for job in self._jobs.values():
                if job.kind == kind and job.status == "running":
                    return job
            job = Job(id=str(next(self._numbers)), kind=kind)
            progress = Progress(lambda share, text: self._change(job.id, share=share, text=text))
            self._jobs[job.id], self._progress[job.id] = job, progress
            while len(self._jobs) > _REMEMBERED and self._drop_oldest():
                pass
        # A daemon: what is computed in the background must not hold up the end of the server.
        thread = threading.Thread(
            target=self._work, args=(job.id, progress, work), name=f"job-{kind}", daemon=True
        )
        thread.start()
        return job

    def find(self, job: str) -> Job:
        """Return a job as it stands.

        Raises
        ------
        OptionError
            There is none of this id.
        """
        with self._lock:
            found = self._jobs.get(job)
        if found is None:
            raise OptionError(f"no job {job!r} is known: it belongs to a server that has ended")
        return found

    def list_running(self) -> list[Job]:
        """Return the jobs that have not ended."""
        with self._lock:
            return [job for job in self._jobs.values() if job.status == "running"]

    def cancel(self, job: str) -> Job:
        """Give a job up; one that has ended stays as it is."""
        found = self.find(job)
        with self._lock:
            progress = self._progress.get(job)
        if progress is not None:
            progress.cancel()
        return found

    def close(self) -> None:
        """Give all jobs up."""
        for job in self.list_running():
            self.cancel(job.id)

    def _work(self, job: str, progress: Progress, work: Callable[[Progress], str]) -> None:
        with self._turn:
            try:
                progress(0.0)
                self._end(job, status="done", share=1.0, text=work(progress))
            except JobCancelled:
                self._end(job, status="cancelled", text="given up")
            except DefectDiscoveryError as error:
                self._end(job, status="failed", text=str(error))
            except BaseException as error:
                # A bug: the page says so, and the traceback goes to where the server runs.
                self._end(job, status="failed", text=f"{type(error).__name__}: see the terminal")
                raise
            finally:
                give_memory_back()

    def _end(self, job: str, **changes: Any) -> None:
        with self._lock, contextlib.suppress(KeyError):
            del self._progress[job]
        self._change(job, **changes)

    def _change(self, job: str, **changes: Any) -> None:
        with self._lock:
            changed = self._jobs[job] = replace(self._jobs[job], **changes)
        self._tell(changed)

    def _drop_oldest(self) -> bool:
        for name, job in self._jobs.items():
            if job.status != "running":
                del self._jobs[name]
                return True
        return False
