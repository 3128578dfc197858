"""The pool: actors that take blocks of work, and what becomes of a block whose actor is lost."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from embeddings.console import get_logger
from embeddings.errors import DefectDiscoveryError, InputError, OptionError
from embeddings.ray_pool.connection import TEXTS, connect, measure_capacity

Block = TypeVar("Block")
Result = TypeVar("Result")

_MOST_LOSSES = 4  # of members that had one and the same block: then it is the block's fault
_MOST_STARTS = 4  # of members in a row that did not come up
_WAIT_SECONDS = 300.0  # for the first member, and where all others are gone
_CPUS = 4  # of a worker: they decode for one network
_MOST_MEMBERS = 4096


def open_pool(address: str | None, *, cpus: int | None, takes_gpus: bool) -> "RayPool":
    """Return the workers of a cluster: one a GPU, where these are wanted and there, else by CPUs.

    Parameters
    ----------
    address : str or None
        As `connect` takes it.
    cpus : int or None
        Of a worker without a GPU, by default `_CPUS`; never more than the smallest machine has.
    takes_gpus : bool

    Raises
    ------
    MissingExtraError, OptionError
        As `connect`; or no machine has a processor to spare.
    """
    ray = connect(address)
    capacity = measure_capacity(ray)
    if capacity.gpus and takes_gpus:
        return RayPool(ray, cpus=1, gpus=1, most=min(capacity.gpus, _MOST_MEMBERS))
    if not capacity.cpus:
        raise OptionError(
            "--engine ray: the cluster has no processors; expected machines with some: see "
            "`ray status`"
        )
    each = min(cpus or _CPUS, *capacity.cpus)
    return RayPool(ray, cpus=each, most=min(capacity.count(each), _MOST_MEMBERS))


class _Member:
    """One actor: it makes what does the work once, and then takes block after block."""

    def __init__(self) -> None:
        self._key, self._work = -1, None

    def begin(self) -> None:
        """Answer: the actor is there."""

    def call(self, key: int, make: list[Any], block: Any) -> Any:
        import ray

        if key != self._key:  # `make` lies in a list, so that it is fetched only now
            self._work = ray.get(make[0])()
            self._key = key
        return self._work(block)  # type: ignore[misc]  # made by the line above


class RayPool:
    """Actors of a cluster, and the blocks of work that they take.

    Parameters
    ----------
    ray : module
        As `connect` gives it.
    cpus, gpus : int
        Of each member.
    most : int
        Members.
    """

    def __init__(self, ray: Any, *, cpus: int, gpus: int = 0, most: int) -> None:
        self.ray, self.cpus, self.members = ray, cpus, max(1, most)
        # Restarts are the pool's own, and a call that was lost is no call that was made.
        how = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        self._actor = ray.remote(**how)(_Member)
        self._ready: list[Any] = []
        self._starting: dict[Any, Any] = {}  # answer to come -> actor
        self._key, self._failures, self.losses = 0, 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all members."""
        for actor in [*self._ready, *self._starting.values()]:
            self._kill(actor)
        self._ready, self._starting = [], {}

    def map(
        self, make: Callable[[], Callable[[Block], Result]], blocks: Sequence[Block]
    ) -> Iterator[tuple[int, Result]]:
        """Yield the number and the result of each block, as they come.

        Parameters
        ----------
        make : callable
            Run once by each member; what it returns is given block after block.

        Raises
        ------
        DefectDiscoveryError
            As a member raises it; or no member can be had, or a block ends every member.
        """
        self._key += 1
        made = [self.ray.put(make)]
        waiting, losses = deque(range(len(blocks))), [0] * len(blocks)
        running: dict[Any, tuple[Any, int]] = {}
        try:
            while waiting or running:
                self._start(min(self.members, len(waiting) + len(running)) - len(running))
                while waiting and self._ready:
                    actor, number = self._ready.pop(), waiting.popleft()
                    call = actor.call.remote(self._key, made, blocks[number])
                    running[call] = actor, number
                done = self._wait([*running, *self._starting], has_work=bool(running))
                if done in self._starting:
                    self._welcome(done)
                    continue
                actor, number = running.pop(done)
                try:
                    result = self._get(done)
                except _LostError as error:
                    losses[number] += 1
                    self._mourn(actor, error, losses[number])
                    waiting.append(number)
                    continue
                self._ready.append(actor)
                yield number, result
        finally:  # the consumer stopped early, or a block failed
            for actor, _ in running.values():
                self._kill(actor)

    def call(self, work: Callable[[], Result]) -> Result:
        """Return what a member makes of `work`."""
        found = list(self.map(_Lone(work), [None]))
        result: Result = found[0][1]
        return result

    def _start(self, wanted: int) -> None:
        for _ in range(wanted - len(self._ready) - len(self._starting)):
            actor = self._actor.remote()
            self._starting[actor.begin.remote()] = actor

    def _wait(self, calls: Sequence[Any], *, has_work: bool) -> Any:
        done, _ = self.ray.wait(
            list(calls), num_returns=1, timeout=None if has_work else _WAIT_SECONDS
        )
        if not done:
            raise InputError(
                f"--engine ray: no worker came up in {_WAIT_SECONDS:.0f} s; expected free "
                "processors in the cluster: see `ray status`"
            )
        return done[0]

    def _welcome(self, answer: Any) -> None:
        actor = self._starting.pop(answer)
        try:
            self._get(answer)
        except _LostError as error:
            self._failures += 1
            self._kill(actor)
            if self._failures >= _MOST_STARTS:
                raise InputError(
                    f"--engine ray: no worker can be started ({error}); expected this very "
                    "version of defect-discovery on every machine of the cluster"
                ) from error
            return
        self._failures = 0
        self._ready.append(actor)

    def _mourn(self, actor: Any, error: Exception, times: int) -> None:
        self.losses += 1
        self._kill(actor)
        if times >= _MOST_LOSSES:
            raise InputError(
                f"--engine ray: {times} workers in turn were lost over the same files ({error}); "
                "expected room for them: raise the memory of the machines, or lower --commit-every"
            ) from error
        get_logger().warning("WARNING: a worker was lost: what it had is done by another")

    def _get(self, call: Any) -> Any:
        errors = self.ray.exceptions
        try:
            return self.ray.get(call)
        except errors.RayTaskError as error:  # raised by the work itself
            if isinstance(error.cause, DefectDiscoveryError | MemoryError | OSError):
                raise error.cause from None
            raise
        except errors.RayError as error:
            raise _LostError(" ".join(str(error).split())[:TEXTS]) from error

    def _kill(self, actor: Any) -> None:
        with contextlib.suppress(self.ray.exceptions.RayError):
            self.ray.kill(actor)


class _LostError(Exception):
    """A member is gone, or out of reach."""


@dataclass(frozen=True)
class _Lone:
    """Makes what answers any block with one and the same work."""

    work: Callable[[], Any]

    def __call__(self) -> Callable[[None], Any]:
        return lambda _: self.work()
