"""The first pass of defect-weighted pooling: the patch bank, and the constants measured on it.

A sample of the images is looked at before any vector is made: what is usual for them, or how far
they are from the normals or from their golden references. Memory is bounded by the bank, however
many images there are. The sample depends on the source and the options alone, so that a run that
was killed and starts again makes the same bank.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.console import stage, track
from embeddings.errors import ImageError, InputError, OptionError
from embeddings.extract.batches import default_batch_size
from embeddings.extract.choose import Choice, open_weights, take_residuals
from embeddings.extract.data_bars import survey_bars
from embeddings.extract.defect import DistanceMeter, PatchNetwork
from embeddings.extract.normals import find_normals
from embeddings.extract.options import ExtractOptions
from embeddings.extract.pieces import Job, join_pieces
from embeddings.extract.recipe import Box, Recipe
from embeddings.extract.rows import RowPlan, read_jobs
from embeddings.extract.sources import OnlyList
from embeddings.images import Window, fingerprint_file, read_sizes
from embeddings.networks.features import turn_pictures
from embeddings.pooling import Bank, Memory, fingerprint_picture
from embeddings.pooling.bank import (
    BANK_IMAGES,
    BANK_PATCHES,
    NORMAL_IMAGES,
    NORMAL_PATCHES,
    RESIDUAL_TAU,
    SEED,
    TAU,
)
from embeddings.reader import BarSurvey, Preparation, Previews, choose_windows
from embeddings.records import REFERENCE, DataBars

Image = NDArray[np.float32]  # (c, h, w) in [0, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """The images that a new store is made for.

    Attributes
    ----------
    paths : sequence of str
    recipe : Recipe
    only : OnlyList or None
    references : mapping of path to path
        Each image's golden one; empty where it is compared with a bank.
    """

    paths: Sequence[str]
    recipe: Recipe
    only: OnlyList | None
    references: Mapping[str, str]


def run_first_pass(
    choice: Choice, lot: Lot, *, options: ExtractOptions, previews: Previews | None = None
) -> tuple[Choice, dict[str, Window], DataBars]:
    """Make the patch bank; return the choice with it, and what it was made with.

    That are the grey-level windows, and the data bars that were left out.

    Parameters
    ----------
    previews : Previews, optional
        Filled with what is looked at, which the extraction reads again.

    Raises
    ------
    InputError
        Too few images can be read, or no normal.
    OptionError
        Residuals are asked for, and nothing says what is normal.
    WeightsError
        The weights cannot be had.
    """
    if lot.references:
        choice = replace(choice, spec=take_residuals(choice.spec, options))
    is_residual = choice.spec.pooling == "residual"
    if is_residual and options.normal is None and not lot.references:
        raise OptionError(
            "--pooling residual leaves out what is normal, and nothing says what that is: expected "
            "--normal FOLDER of defect-free images, or a CSV with the columns path and reference"
        )
    windows, bars = _choose_windows(lot, choice, options)
    most = options.max_pixels
    how = Preparation(spec=choice.spec, windows=windows, max_pixels=most, bars=bars)
    plan = RowPlan(how=how, recipe=lot.recipe, references=lot.references, previews=previews)
    network = PatchNetwork(choice.spec, *open_weights(choice, options))
    work = _FirstPass(network, plan, options)
    with stage("patch bank") as facts:
        bank = work.run(lot)
        facts.update(
            images=len(bank.prints), patches=len(bank.patches), distance=f"{bank.centre:.3f}",
            spread=f"{bank.spread:.3f}",
        )  # fmt: skip
    spec = replace(
        choice.spec,
        tau=choice.spec.tau or (RESIDUAL_TAU if is_residual else TAU),
        bank_sha256=bank.sha256,
        normals_sha256=choice.spec.normals_sha256 or (REFERENCE if lot.references else ""),
    )
    return replace(choice, spec=spec, bank=bank), windows, bars


def _choose_windows(
    lot: Lot, choice: Choice, options: ExtractOptions
) -> tuple[dict[str, Window], DataBars]:
    """Choose the windows and bars that the store will have: what is compared must look alike."""
    spec, most = choice.spec, options.max_pixels
    paths = [path for path in lot.paths if _is_listed(path, lot)]
    normals = [] if options.normal is None else [str(path) for path in find_normals(options)]
    survey = BarSurvey({})
    cut = survey.look if spec.data_bar != "keep" else lambda page: page
    choose = partial(
        choose_windows, level=spec.level, max_pixels=most, reading=spec.reading, cut=cut
    )
    windows: dict[str, Window] = {}
    if spec.window is None:
        windows = choose(paths, {})
        windows |= choose(normals, windows)
    if spec.data_bar == "keep":
        return windows, {}
    return windows, survey_bars(survey, [*paths, *normals], options)


def _is_listed(path: str, lot: Lot) -> bool:
    """Tell whether a file may be one of the lot's, before it is hashed."""
    has_boxes = lot.recipe.boxes is None or path in lot.recipe.boxes
    return has_boxes and (lot.only is None or not lot.only.paths or path in lot.only.paths)


class _FirstPass:
    """One call's state: the network, and how pictures are read."""

    def __init__(self, network: PatchNetwork, plan: RowPlan, options: ExtractOptions) -> None:
        self.network, self.plan, self.options = network, plan, options
        self.rng = np.random.default_rng(SEED)

    def run(self, lot: Lot) -> Bank:
        # Shuffled: the first files of a folder are often of one lot, or of one type.
        order = self.rng.permutation(len(lot.paths))
        jobs = _make_jobs([lot.paths[place] for place in order], lot)
        pictures = list(self._read(jobs, self.plan, len(lot.paths), most=BANK_IMAGES))
        if not pictures:
            pooling = self.plan.how.spec.pooling
            raise InputError(f"--pooling {pooling}: none of the images can be read")
        if self.options.normal is not None:
            bank = self._remember_normals(lot.recipe)
        elif lot.references:
            # Each picture has its own: only centre and spread are measured, no patch is kept.
            empty = np.zeros((0, self.network.dim), np.float16)
            bank = Bank(
                memory="reference",
                patches=empty,
                owners=np.zeros(0, np.int32),
                prints=np.zeros((0, 1), np.str_),
            )
        else:
            bank = self._remember_images(pictures)
        return self._calibrate(bank, pictures)

    def _read(
        self, jobs: Iterable[Job], plan: RowPlan, files: int, *, most: int
    ) -> Iterator[Image]:
        """Yield up to `most` different pictures, about the same number of each file."""
        share = -(-most // max(files, 1))  # rounded up: a stack must not fill the bank alone
        seen: set[str] = set()
        workers = self.options.threads
        for file in join_pieces(read_jobs(jobs, plan, workers=workers, ahead=2 * workers)):
            for place in np.sort(self.rng.permutation(len(file.images))[:share]):
                name = fingerprint_picture(file.images[place])
                if name not in seen:  # copies would say twice what is usual
                    seen.add(name)
                    yield file.images[place]
                if len(seen) == most:
                    return

    def _remember_images(self, pictures: Sequence[Image]) -> Bank:
        if len(pictures) < 2:
            raise InputError(
                "--pooling defect compares images with one another, and there is one: expected "
                "more, or defect-free ones with --normal FOLDER"
            )
        tracked = track(pictures, total=len(pictures), what="patch bank")
        return self._remember(tracked, BANK_PATCHES, memory="images")

    def _remember_normals(self, recipe: Recipe) -> Bank:
        normals = [str(path) for path in find_normals(self.options)]
        drawn = [normals[place] for place in self.rng.permutation(len(normals))[:NORMAL_IMAGES]]
        as_images = self._place_boxes(drawn, recipe) if recipe.boxes is not None else recipe
        lot = Lot(paths=drawn, recipe=as_images, only=None, references={})
        # Their own references they would be: they are compared with nothing.
        plan = replace(self.plan, recipe=as_images, references={}, previews=None)
        most = max(NORMAL_IMAGES, len(drawn)) if recipe.name else len(drawn)
        pictures = self._read(_make_jobs(drawn, lot), plan, len(drawn), most=most)
        tracked = track(pictures, total=most, what="normals")
        bank = self._remember(tracked, max(1, NORMAL_PATCHES // most), memory="normals")
        if not len(bank.prints):
            raise InputError(f"--normal {self.options.normal}: none of its images can be read")
        return bank

    def _place_boxes(self, normals: Sequence[str], recipe: Recipe) -> Recipe:
        """Cut normals as the images are cut: a box of the size of one of theirs, anywhere."""
        boxes = [box for own in (recipe.boxes or {}).values() for box in own]
        placed: dict[str, list[Box]] = {}
        for path in normals:
            try:
                width, height = read_sizes(Path(path), reading=self.plan.how.spec.reading)[0]
            except ImageError:
                continue
            for _ in range(-(-NORMAL_IMAGES // len(normals))):
                box = boxes[self.rng.integers(len(boxes))]
                w, h = min(box[2] - box[0], width), min(box[3] - box[1], height)
                x, y = np.floor(self.rng.random(2) * (width - w, height - h)).tolist()
                placed.setdefault(path, []).append((x, y, x + w, y + h, 0))
        return Recipe(boxes=placed)

    def _remember(self, pictures: Iterable[Image], quota: int, *, memory: Memory) -> Bank:
        """Keep up to `quota` patches of each picture, over all orientations that are embedded."""
        patches, prints = [], []
        for picture in pictures:
            turned = list(turn_pictures(picture[None], self.plan.how.spec.orientations))
            prints.append([fingerprint_picture(one[0]) for one in turned])
            seen = np.concatenate([self.network.compute_array(one).reshape(-1, self.network.dim)
                                   for one in turned])  # fmt: skip
            # float16 halves the bank; the order within a picture is kept, for owners ascend.
            kept = np.sort(self.rng.permutation(len(seen))[:quota])
            patches.append(seen[kept].astype(np.float16))
        sizes = [len(one) for one in patches]
        empty = np.zeros((0, self.network.dim), np.float16)
        return Bank(
            memory=memory,
            patches=np.concatenate([empty, *patches]),
            owners=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
            prints=np.array(prints, dtype=np.str_).reshape(len(prints), -1),
        )

    def _calibrate(self, bank: Bank, pictures: Sequence[Image]) -> Bank:
        """Measure how far the lot's own patches are: the unit in which weights are given."""
        meter = DistanceMeter(self.network, bank)
        size = default_batch_size(self.plan.how.spec)
        batches = [np.stack(group) for group in _group_shapes(pictures, size)]
        tracked = track(batches, total=len(batches), what="measure")
        distances = np.concatenate([meter.measure(batch).ravel() for batch in tracked])
        return replace(bank, centre=float(distances.mean()), spread=float(distances.std()))


def _group_shapes(pictures: Sequence[Image], size: int) -> Iterator[list[Image]]:
    """Yield up to `size` pictures of one shape together."""
    waiting: dict[tuple[int, ...], list[Image]] = {}
    for picture in pictures:
        waiting.setdefault(picture.shape, []).append(picture)
    for group in waiting.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _make_jobs(paths: Iterable[str], lot: Lot) -> Iterator[Job]:
    """Yield a job a file: hashed only when its turn comes."""
    for path in paths:
        if not _is_listed(path, lot):
            continue
        try:
            file_id = fingerprint_file(Path(path))
        except ImageError:
            continue  # it goes to quarantine when its turn comes
        if lot.only is None or lot.only.has_file(path, file_id):
            yield Job(path=path, file_id=file_id)
