"""The driver's side of an extraction by a cluster: blocks are given out, and committed at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from embeddings.console import get_logger, note_kept, stage, track
from embeddings.extract.batches import default_batch_size
from embeddings.extract.blocks import Block, BlockDone, BlockPlan, make_key
from embeddings.extract.choose import Choice, make_extractor, open_bank
from embeddings.extract.compute import Computation
from embeddings.extract.options import ExtractOptions
from embeddings.extract.pieces import Job
from embeddings.extract.recipe import Recipe
from embeddings.extract.rows import RowPlan
from embeddings.extractors import find_extractor
from embeddings.files import hash_json
from embeddings.ray_pool import RayPool
from embeddings.records import bars_to_dict
from embeddings.store import StoreWriter
from embeddings.store.staging import open_staging, remove_staging

_BLOCKS_EACH = 4  # of a worker at least, so that none waits long for the last
_FILES_CUT = 64  # of a block whose files are cut into many rows each


class SpreadComputation(Computation):
    """A computation whose files are read and embedded by the workers of a pool.

    Parameters
    ----------
    pool : callable
        Gives the workers; called when there is something to do.
    """

    def __init__(
        self,
        choice: Choice,
        options: ExtractOptions,
        *,
        recipe: Recipe,
        references: Mapping[str, str],
        previews: None,
        pool: Callable[[], RayPool],
    ) -> None:
        super().__init__(choice, options, recipe=recipe, references=references, previews=previews)
        self._pool = pool

    def check(self) -> None:
        """Load the extractor on a worker, so that weights that do not fit are told at once."""
        self._pool().call(partial(_try_extractor, *self._pack()))

    def _pack(self) -> tuple[Choice, ExtractOptions]:
        """Return the choice and the options as workers need them."""
        choice, options = self.choice, self.options
        bank = open_bank(choice) if choice.spec.compares else None
        pool = self._pool()
        options = replace(options, workers=options.workers or pool.cpus)
        if find_extractor(choice.spec.name).is_network:
            # By name: a worker must not take another device than the spec says.
            device = choice.spec.backend.partition("-")[2]
            options = replace(options, device=device)  # type: ignore[arg-type]  # cpu or cuda
        return replace(choice, store=None, bank=bank), options

    def _compute_pass(self, jobs: Sequence[Job], writer: StoreWriter) -> list[Job]:
        """Let workers compute, then commit all of it; return the jobs that lack a window."""
        plan = self.make_plan(writer)
        plan = replace(plan, how=replace(plan.how, bars=dict(plan.how.bars)))  # can be sent
        staging = self._describe(writer, plan)
        taken = _take_up(open_staging(writer.folder, staging), jobs, plan, writer)
        done = {job.path for one in taken for job in one[0]}
        results = [one for _, one in taken]
        left = [job for job in jobs if job.path not in done]
        deferred: list[str] = []
        with stage("extract") as facts:
            if left:
                choice, options = self._pack()
                blocks = self._cut(left, _find_free(writer, results))
                work = BlockPlan(
                    folder=writer.folder.absolute(),
                    staging=staging,
                    choice=choice,
                    options=options,
                    rows=plan,
                    reads_elsewhere="cuda" in choice.spec.backend,
                )
                for result in self._give_out(work, blocks, before=len(jobs) - len(left)):
                    results.append(result)
                    self.faults += result.faults
                    self.changed += result.changed
                    deferred += result.deferred
            self._adopt(results, writer)
            facts.update(images=len(self.computed), vectors=self.rows)
            if left:
                pool = self._pool()
                facts.update(workers=pool.members, lost=pool.losses)
        waiting = set(deferred)
        return [job for job in jobs if job.path in waiting]

    def _describe(self, writer: StoreWriter, plan: RowPlan) -> dict[str, Any]:
        """Return all that what is staged depends on, beside each file."""
        how = {
            "windows": dict(writer.windows),
            "bars": bars_to_dict(writer.bars),
            "recipe": self.recipe.name,
            "um_per_pixel": plan.um_per_pixel,
            "needs_bar": plan.needs_bar,
            "max_pixels": plan.how.max_pixels,
            "batch_size": self.options.batch_size,
            "listed": dict(self.recipe.listed),
        }
        # Of the same commit: what was written to the store since may hold the same images.
        return {
            "next_number": writer.next_number,
            "spec": self.choice.spec.hash,
            "how": hash_json(how),
        }

    def _cut(self, jobs: Sequence[Job], first: int) -> list[Block]:
        """Cut the jobs into blocks; those of one content stay together, as their ids may meet."""
        members = self._pool().members
        batch = self.options.batch_size or default_batch_size(self.choice.spec)
        most = _FILES_CUT if self.recipe.name else self.options.commit_every
        size = min(max(-(-len(jobs) // (_BLOCKS_EACH * members)), batch), most)
        groups: dict[str, list[Job]] = {}
        for job in jobs:
            groups.setdefault(job.file_id, []).append(job)
        blocks: list[Block] = []
        block: list[Job] = []
        for group in [*groups.values(), []]:
            if block and (not group or len(block) + len(group) > size):
                blocks.append(Block(first=first, jobs=tuple(block), known=self._find_known(block)))
                first, block = first + len(block), []
            block += group
        return blocks

    def _find_known(self, jobs: Sequence[Job]) -> frozenset[str]:
        crops = (one for job in jobs for one in self.recipe.crop_ids(job.path, job.file_id))
        return frozenset(crops) & self._known

    def _give_out(
        self, work: BlockPlan, blocks: Sequence[Block], *, before: int
    ) -> Iterator[BlockDone]:
        """Yield what comes of the blocks, in their order once all are done."""
        found: dict[int, BlockDone] = {}

        def count() -> Iterator[None]:
            for number, result in self._pool().map(work, blocks):
                found[number] = result
                note_kept(
                    f"{len(found)} of {len(blocks)} blocks are staged in {work.folder}; the same "
                    "command takes them up"
                )
                yield from [None] * len(blocks[number].jobs)

        total = before + sum(len(block.jobs) for block in blocks)
        for _ in track(count(), total=total, what="extract", before=before):
            pass
        for number in range(len(blocks)):
            yield found[number]

    def _adopt(self, results: Sequence[BlockDone], writer: StoreWriter) -> None:
        """Commit all segments, and the files they are of, at once."""
        done = [one for result in results for one in result.done]
        contents = [file_id for _, file_id in done]
        writer.set_files(self._files[self._files["file_id"].isin(contents)])
        staged = [one for result in results for one in result.staged]
        writer.adopt(sorted(staged, key=lambda one: one.entry.number))
        remove_staging(writer.folder)
        self.rows += sum(one.entry.rows for one in staged)
        self.contents.update(contents)
        self.computed.update(path for path, _ in done)


def _take_up(
    receipts: Sequence[dict[str, Any]], jobs: Sequence[Job], plan: RowPlan, writer: StoreWriter
) -> list[tuple[list[Job], BlockDone]]:
    """Return what an earlier call has done of these very jobs, no job and no number twice."""
    if not receipts:
        return []
    by_key = {make_key(job, plan): job for job in jobs}
    numbers: set[int] = set()
    taken = []
    for receipt in receipts:
        result = BlockDone.from_receipt(receipt)
        own = {one.entry.number for one in result.staged}
        is_whole = all(one.is_whole(writer.folder) for one in result.staged)
        if is_whole and numbers.isdisjoint(own) and all(key in by_key for key in result.keys):
            numbers |= own
            taken.append(([by_key.pop(key) for key in result.keys], result))
    done = sum(len(of) for of, _ in taken)
    get_logger().info("staged: %d of %d files were done by an earlier call", done, len(jobs))
    return taken


def _find_free(writer: StoreWriter, results: Sequence[BlockDone]) -> int:
    """Return the first number that no segment has, staged ones included."""
    used = [one.entry.number + 1 for result in results for one in result.staged]
    return max([writer.next_number, *used])


def _try_extractor(choice: Choice, options: ExtractOptions) -> None:
    make_extractor(choice, options)
