"""A block of files on one worker of a cluster: read, embedded, staged as segments of its own.

The worker keeps nothing between blocks but its extractor. A block can be done anew, wherever the
worker before was lost: what that one wrote has other names, and nobody asks for it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from embeddings.extract.batches import Batches, default_batch_size
from embeddings.extract.choose import Choice, make_extractor
from embeddings.extract.compute import Round, read_pieces
from embeddings.extract.options import ExtractOptions
from embeddings.extract.pieces import Job, Prepared
from embeddings.extract.rows import RowPlan, read_job
from embeddings.extractors import Extractor
from embeddings.files import hash_json
from embeddings.store.staging import Staged, check_staging, stage_segment, write_receipt

_GROUP = 32  # files that a reading task of another process hands on together
_READ_AGAIN = 5  # times, where the process or the machine that reads is lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Files that one worker does together.

    Attributes
    ----------
    first : int
        Number of its first segment; it has as many as it has files at most.
    jobs : tuple of Job
    known : frozenset of str
        Ids of its files that the store has already.
    """

    first: int
    jobs: tuple[Job, ...]
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDone:
    """What came of a block; all but `staged`, `done` and `keys` is by path."""

    staged: tuple[Staged, ...] = ()
    done: tuple[tuple[str, str], ...] = ()  # path, file_id
    keys: tuple[str, ...] = ()  # of the jobs that are done, see `make_key`
    faults: tuple[tuple[str, str], ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    deferred: tuple[str, ...] = ()

    def to_receipt(self) -> dict[str, Any]:
        """Return what another call needs to know of it; what went wrong is tried again there."""
        staged = [one.to_dict() for one in self.staged]
        return {"staged": staged, "done": [list(one) for one in self.done], "keys": self.keys}

    @classmethod
    def from_receipt(cls, values: dict[str, Any]) -> "BlockDone":
        """Read back what `to_receipt` returned."""
        return cls(
            staged=tuple(Staged.from_dict(one) for one in values["staged"]),
            done=tuple((path, file_id) for path, file_id in values["done"]),
            keys=tuple(values["keys"]),
        )


@dataclass(frozen=True, kw_only=True)
class BlockPlan:
    """All that doing blocks needs to know beside the block.

    Attributes
    ----------
    folder : Path
        The store.
    staging : dict
        What `check_staging` holds the folder against.
    choice, options, rows
        As on one machine; the choice names no store and holds its bank, and the options say where
        the network runs.
    reads_elsewhere : bool
        Files are read by tasks on any machine, and not by threads of the worker.
    """

    folder: Path
    staging: dict[str, Any]
    choice: Choice
    options: ExtractOptions
    rows: RowPlan
    reads_elsewhere: bool = False
    batch_size: int = field(init=False)

    def __post_init__(self) -> None:
        size = self.options.batch_size or default_batch_size(self.choice.spec)
        object.__setattr__(self, "batch_size", size)

    def __call__(self) -> "BlockWorker":
        """Return what does the blocks; a worker of the pool calls this once."""
        check_staging(self.folder, self.staging)
        return BlockWorker(self)


class BlockWorker:
    """Does blocks, one after the other, with an extractor that it loads once."""

    def __init__(self, plan: BlockPlan) -> None:
        self.plan = plan
        self._extractor: Extractor | None = None
        self._shared: Any = None  # the plan of rows in the cluster's memory

    def __call__(self, block: Block) -> BlockDone:
        """Read, embed and stage the files of a block, and leave its receipt."""
        staged: list[Staged] = []
        done: list[Job] = []
        round_ = Round(Batches(self._load, self.plan.batch_size))

        def flush() -> None:
            done.extend(round_.jobs)
            made = round_.take()
            if made is not None:
                ids, values, rows = made
                number = block.first + len(staged)
                staged.append(
                    stage_segment(self.plan.folder, number, ids=ids, values=values, rows=rows)
                )

        for piece in self._read(block.jobs):
            round_.add(piece, block.known)
            # Between files: one is in a segment with all its rows.
            if piece.is_last and len(round_.rows) >= self.plan.options.commit_every:
                flush()
        flush()
        result = BlockDone(
            staged=tuple(staged),
            done=tuple((job.path, job.file_id) for job in done),
            keys=tuple(make_key(job, self.plan.rows) for job in done),
            faults=tuple(round_.faults),
            changed=tuple(round_.changed),
            deferred=tuple(job.path for job in round_.deferred),
        )
        write_receipt(self.plan.folder, f"{block.first:06d}", result.to_receipt())
        return result

    def _load(self) -> Extractor:
        if self._extractor is None:
            self._extractor = make_extractor(self.plan.choice, self.plan.options)
        return self._extractor

    def _read(self, jobs: Sequence[Job]) -> Iterator[Prepared]:
        workers = self.plan.options.threads
        if not self.plan.reads_elsewhere:
            size = self.plan.batch_size
            yield from read_pieces(jobs, self.plan.rows, workers=workers, batch_size=size)
            return
        import ray

        if self._shared is None:
            self._shared = ray.put(self.plan.rows)
        ahead = workers + 2 * self.plan.batch_size // _GROUP
        yield from read_elsewhere(jobs, self._shared, ahead=ahead)


def make_key(job: Job, plan: RowPlan) -> str:
    """Return what tells whether a job that was done earlier is the very same."""
    metadata = sorted(job.metadata.items())
    crops = plan.recipe.crop_ids(job.path, job.file_id)
    return hash_json([job.path, job.file_id, metadata, crops, plan.references.get(job.path)])


def read_elsewhere(jobs: Sequence[Job], plan: Any, *, ahead: int) -> Iterator[Prepared]:
    """Yield the pieces of each job's file in order, read by tasks on any machine of the cluster.

    Parameters
    ----------
    plan : RowPlan, or where the cluster's memory has it
    ahead : int
        Groups of files that are begun and not taken yet; of each two parcels are in memory.
    """
    import ray

    read = ray.remote(
        num_cpus=1,
        max_retries=_READ_AGAIN,
        num_returns="streaming",
        _generator_backpressure_num_objects=2,
    )(read_group)
    left = iter(jobs)
    groups = iter(lambda: list(islice(left, _GROUP)), [])
    waiting: deque[Any] = deque()
    for group in groups:
        waiting.append(read.remote(group, plan))
        if len(waiting) > ahead:
            yield from _unpack(waiting.popleft())
    while waiting:
        yield from _unpack(waiting.popleft())


def _unpack(parcels: Any) -> Iterator[Prepared]:
    import ray

    for parcel in parcels:
        yield from ray.get(parcel)


def read_group(jobs: Sequence[Job], plan: RowPlan) -> Iterator[list[Prepared]]:
    """Yield the pieces of some files in parcels of `_GROUP` pictures or a little more."""
    parcel: list[Prepared] = []
    for job in jobs:
        for piece in read_job(job, plan):
            parcel.append(piece)
            if sum(len(one.images) for one in parcel) >= _GROUP:
                yield parcel
                parcel = []
    if parcel:
        yield parcel
