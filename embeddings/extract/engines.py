"""Where an extraction is done: on this machine, or by a Ray cluster (`--engine ray`).

The driver of a cluster finds the files and chooses the grey-level windows; its workers hash, read
and embed them, block by block, and stage segments in the store. The driver commits them all at
once. A driver that is killed leaves the store as it was, with the segments that are staged; the
same command takes these up.
"""

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from embeddings.errors import MissingExtraError
from embeddings.extract.choose import Choice, choose_extractor, tell_stored
from embeddings.extract.compute import Computation
from embeddings.extract.options import ExtractOptions
from embeddings.extract.sources import Fingerprinted, fingerprint_files
from embeddings.extract.spread import SpreadComputation
from embeddings.extractors import find_extractor
from embeddings.ray_pool import RayPool, measure_capacity, open_pool
from embeddings.store import Store

_FILES = 4096  # that a worker hashes at a time; fewer in all are hashed by the driver


class LocalEngine:
    """The machine that the command runs on, with its threads."""

    def __init__(self, options: ExtractOptions, store: Store | None) -> None:
        self.options, self.store = options, store

    def choose(self, *, tells: bool) -> Choice:
        """Decide the spec, as `choose_extractor`."""
        if tells and self.store is not None:
            tell_stored(self.store)
        return choose_extractor(self.options, self.store, tells=tells)

    def run_first_pass(self, choice: Choice, lot: Any, *, previews: Any) -> Any:
        """Make the patch bank, as `embeddings.extract.first_pass` does."""
        from embeddings.extract.first_pass import run_first_pass

        return run_first_pass(choice, lot, options=self.options, previews=previews)

    def make_computation(self, choice: Choice, **what: Any) -> Computation:
        """Return what computes and commits."""
        return Computation(choice, self.options, **what)

    def fingerprint(self, files: Sequence[Path], known: pd.DataFrame) -> Fingerprinted:
        """Hash files, as `fingerprint_files`."""
        return fingerprint_files(files, known, workers=self.options.threads)


class RayEngine(LocalEngine):
    """A Ray cluster; it is connected to when there is something to do."""

    @cached_property
    def pool(self) -> RayPool:
        """The workers: one a GPU where the network runs on GPUs, else one a few processors."""
        return open_pool(
            self.options.ray_address, cpus=self.options.workers, takes_gpus=self._takes_gpus
        )

    def close(self) -> None:
        """End the workers."""
        if "pool" in self.__dict__:
            self.pool.close()

    @property
    def _takes_gpus(self) -> bool:
        """Whether workers have a GPU each, where there are any."""
        if self.store is not None:
            return "cuda" in self.store.spec.backend
        name = self.options.extractor
        is_network = name == "auto" or find_extractor(name).is_network
        is_elsewhere = self.options.device == "cpu" or self.options.backend == "openvino"
        return is_network and not is_elsewhere

    @cached_property
    def _is_blind(self) -> bool:
        """Whether the network of a new store runs on GPUs, and this machine has none."""
        if self.store is not None or not self._takes_gpus:
            return False
        import torch

        return not torch.cuda.is_available() and measure_capacity(self.pool.ray).gpus > 0

    def choose(self, *, tells: bool) -> Choice:
        """Decide the spec, where the network will run."""
        if not self._is_blind:
            return super().choose(tells=tells)
        return self.pool.call(partial(choose_extractor, self.options, None, tells=tells))

    def run_first_pass(self, choice: Choice, lot: Any, *, previews: Any) -> Any:
        """Make the patch bank, where the network will run."""
        if not self._is_blind:
            return super().run_first_pass(choice, lot, previews=previews)
        from embeddings.extract.first_pass import run_first_pass

        return self.pool.call(partial(run_first_pass, choice, lot, options=self.options))

    def make_computation(self, choice: Choice, **what: Any) -> Computation:
        """Return what lets workers compute, and commits."""
        what["previews"] = None  # they would have to travel: pictures are opened again instead
        return SpreadComputation(choice, self.options, pool=lambda: self.pool, **what)

    def fingerprint(self, files: Sequence[Path], known: pd.DataFrame) -> Fingerprinted:
        """Hash files, by the workers where there are many that may be new."""
        if len(files) - len(known) < _FILES:
            return super().fingerprint(files, known)
        parts = [files[start : start + _FILES] for start in range(0, len(files), _FILES)]
        place = known.set_index("path")
        blocks = [
            (part, place.loc[place.index.intersection([str(path) for path in part])].reset_index())
            for part in parts
        ]
        make = partial(_Hasher, self.options.threads)
        found = dict(self.pool.map(make, blocks))
        ordered = [found[number] for number in range(len(blocks))]
        return Fingerprinted(
            files=pd.concat([one.files for one in ordered], ignore_index=True),
            quarantined=tuple(fault for one in ordered for fault in one.quarantined),
        )


class _Hasher:
    """Hashes blocks of files on a worker."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __call__(self, block: tuple[Sequence[Path], pd.DataFrame]) -> Fingerprinted:
        return fingerprint_files(*block, workers=self.workers)


def check_engine(options: ExtractOptions) -> None:
    """Check that the engine of the options is here.

    Raises
    ------
    MissingExtraError
        It is Ray, which is not installed.
    """
    if options.engine == "ray" and importlib.util.find_spec("ray") is None:
        raise MissingExtraError("ray", "ray")


@contextlib.contextmanager
def open_engine(options: ExtractOptions, store: Store | None) -> Iterator[LocalEngine]:
    """Give the engine that the options name; at the end its workers are gone."""
    if options.engine == "local":
        yield LocalEngine(options, store)
        return
    engine = RayEngine(options, store)
    try:
        yield engine
    finally:
        engine.close()
