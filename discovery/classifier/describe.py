"""Prepared pictures become rows: deep features of every orientation, GLCM and Zernike moments.

described = describe_images(read_parts(parts, reading), extractor, options=DescribeOptions())
described.rows  # (n, copies, deep + classical)
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.augment import AugmentOptions, augment_many, turn_picture
from discovery.classifier.enhance.gate import GateOptions, pass_gate
from discovery.classifier.enhance.noise import estimate_noise
from discovery.classifier.enhance.values import MIN_SIDE
from embeddings.console import track
from embeddings.extract.batches import Batches, Extractor, default_batch_size
from embeddings.reader import Fault, Part, ReadParts
from embeddings.texture.descriptors import describe_glcm, describe_zernike
from embeddings.texture.standout import describe_standout

Image = NDArray[np.float32]
Floats = NDArray[np.float32]

ORIENTATIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeOptions:
    """What is computed of each picture.

    Attributes
    ----------
    turns : int
        Orientations: 8 of a square picture, 4 where it is not, or 1 where the way up matters.
    augment : AugmentOptions or None
        Varied copies on top of them, for training.
    gate : GateOptions or None
        None measures the noise and lets everything pass.
    seed : int
    """

    turns: int = ORIENTATIONS
    augment: AugmentOptions | None = None
    gate: GateOptions | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """n images as rows.

    Attributes
    ----------
    parts : tuple of Part
    deep : (n, c, d) float32
        c copies: the orientations, then the varied ones.
    classical : (n, m) float32
        GLCM, Zernike moments and the shape of what stands out; m = 0 where the deep features
        are classical descriptors themselves (no weights).
    noises : (n,) float32
    is_noisy : (n,) bool
        The noise is over the gate's threshold: `denoised` holds what is seen without it.
    denoised : Described or None
        The noisy images that came through the gate after denoising.
    faults : tuple of (path, reason)
    deferred : tuple of Part
        Not described: their kind of picture has no grey-level window yet.
    """

    parts: tuple[Part, ...]
    deep: Floats
    classical: Floats
    noises: Floats
    is_noisy: NDArray[np.bool_]
    denoised: "Described | None"
    faults: tuple[Fault, ...]
    deferred: tuple[Part, ...] = ()

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def ids(self) -> NDArray[np.str_]:
        """Image ids, (n,)."""
        return np.array([part.image_id for part in self.parts], dtype=np.str_)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Columns of the deep and of the classical features."""
        widths = (self.deep.shape[2], self.classical.shape[1])
        return tuple(width for width in widths if width)

    @property
    def rows(self) -> Floats:
        """All features, (n, c, d + m): the classical ones do not change with the orientation."""
        copies = self.deep.shape[1]
        repeated = np.repeat(self.classical[:, None, :], copies, axis=1)
        return np.concatenate([self.deep, repeated], axis=2)


def describe_images(
    files: Iterable[ReadParts],
    extractor: Extractor,
    *,
    options: DescribeOptions,
    known: Mapping[str, Floats] | None = None,
    batch_size: int | None = None,
    total: int = 0,
) -> Described:
    """Describe the images of these files.

    Parameters
    ----------
    files : iterable of ReadParts
        As `read_parts` yields them.
    extractor : Extractor
    known : mapping of image id to (d,), optional
        Vectors of pictures as they are, from a store of the same extractor: not made again.
    total : int
        Files, for the progress line.
    """
    work = _Work(extractor, options, known or {}, batch_size or default_batch_size(extractor.spec))
    with work.pool:
        for piece in track(files, total=total, what="describe", ends=lambda one: one.is_last):
            work.add(piece)
        return work.finish()


class _Work:
    """One call's state: what waits for the extractor and for the classical descriptors."""

    def __init__(
        self,
        extractor: Extractor,
        options: DescribeOptions,
        known: Mapping[str, Floats],
        batch_size: int,
    ) -> None:
        self.extractor, self.options, self.known = extractor, options, known
        self.batches = Batches(lambda: extractor, batch_size)
        self.is_deep = extractor.spec.name != "texture"
        self.pool = ThreadPoolExecutor(thread_name_prefix="moments")
        self.parts: list[Part] = []
        self.copies: list[int] = []
        self.noises: list[float] = []
        self.moments: list[Future[Floats]] = []
        self.cleared: dict[int, Image] = {}  # position -> the picture after denoising
        self.noisy: list[bool] = []
        self.faults: list[Fault] = []
        self.deferred: list[Part] = []
        self.first = 0  # position of the first image of the file that is being read
        self.dropped: set[int] = set()  # positions of images whose file turned out unusable

    def add(self, piece: ReadParts) -> None:
        if piece.fault is not None:
            self.faults.append(piece.fault)
            self.dropped |= set(range(self.first, len(self.parts)))
        self.deferred += piece.deferred
        for part, image in piece.images:
            self._add_image(part, image)
        if piece.is_last:
            self.first = len(self.parts)

    def _add_image(self, part: Part, image: Image) -> None:
        position = len(self.parts)
        self._pass_gate(position, image)
        self.parts.append(part)
        copies = 0
        for copies, copy in enumerate(self._list_copies(image), start=1):
            if copies > 1 or part.image_id not in self.known:
                self.batches.add(f"{position} {copies - 1}", copy)
        self.copies.append(copies)
        if self.is_deep:
            self.moments.append(self.pool.submit(describe_moments, image))

    def _pass_gate(self, position: int, image: Image) -> None:
        """Measure the noise; a picture that is too noisy is denoised beside the one that came."""
        grey = image.mean(axis=0)
        gate = self.options.gate
        if min(grey.shape) < MIN_SIDE:
            self.noises.append(np.nan)
            self.noisy.append(False)
            return
        if gate is None:
            self.noises.append(estimate_noise(grey))
            self.noisy.append(False)
            return
        gated = pass_gate(grey, gate)
        self.noises.append(gated.noise_before)
        self.noisy.append(gated.verdict != "clear")
        if gated.verdict == "denoised":
            self.cleared[position] = np.broadcast_to(gated.picture, image.shape).copy()

    def _list_copies(self, image: Image) -> Iterator[Image]:
        if not self.is_deep:
            yield image  # the texture descriptors do not change with the orientation
            return
        is_square = image.shape[1] == image.shape[2]
        turns = list(range(ORIENTATIONS)) if is_square else [0, 2, 4, 6]
        if self.extractor.spec.view == "polar":
            turns = [0]  # a turned wafer is a shifted picture there, not a turned one
        for k in turns[: self.options.turns]:
            yield turn_picture(image, k)
        if self.options.augment is not None:
            yield from augment_many(image, self.options.augment, seed=self.options.seed)

    def finish(self) -> Described:
        vectors = self.batches.take()
        kept = [i for i in range(len(self.parts)) if i not in self.dropped]
        # Pictures that are not square have fewer copies.
        least = min((self.copies[i] for i in kept), default=0)
        width = self.extractor.spec.dim
        deep = np.zeros((len(kept), max(least, 1), width), np.float32)  # (n, c, d)
        for row, i in enumerate(kept):
            for copy in range(least):
                name = f"{i} {copy}"
                is_made = name in vectors
                deep[row, copy] = vectors[name] if is_made else self.known[self.parts[i].image_id]
        moments = [self.moments[i].result() for i in kept] if self.is_deep else []
        return Described(
            parts=tuple(self.parts[i] for i in kept),
            deep=deep,
            classical=np.stack(moments) if moments else np.zeros((len(deep), 0), np.float32),
            noises=np.array(self.noises, np.float32)[kept],
            is_noisy=np.array(self.noisy, bool)[kept],
            denoised=self._describe_cleared(),
            faults=tuple(self.faults),
            deferred=tuple(self.deferred),
        )

    def _describe_cleared(self) -> Described | None:
        if not self.cleared:
            return None
        cleared = {i: image for i, image in self.cleared.items() if i not in self.dropped}
        images = [(self.parts[position], image) for position, image in cleared.items()]
        again = replace(self.options, gate=None)
        return describe_images([ReadParts(images=images)], self.extractor, options=again, total=1)


def join_described(first: Described, second: Described) -> Described:
    """Put together what two calls described without a gate; what is deferred is the second's."""
    arrays = ("deep", "classical", "noises", "is_noisy")
    if not (len(first) and len(second)):
        whole = first if len(first) else second
        return replace(whole, faults=first.faults + second.faults, deferred=second.deferred)
    return Described(
        parts=first.parts + second.parts,
        denoised=None,
        faults=first.faults + second.faults,
        deferred=second.deferred,
        **{n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in arrays},
    )


def describe_moments(image: Image) -> Floats:
    """Describe a picture (c, h, w) by GLCM, Zernike moments and what stands out of it, (m,)."""
    grey = image.mean(axis=0)
    parts = [describe_glcm(grey), describe_zernike(grey), describe_standout(grey)]
    return np.concatenate(parts).astype(np.float32)
