"""Prepared pictures become rows: deep features of every orientation, GLCM and Zernike moments.

described = describe_images(read_parts(parts, reading), extractor, options=DescribeOptions())
described.rows  # (n, copies, deep + classical)
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.augment import (
    ORIENTATIONS,
    AugmentOptions,
    augment_many,
    list_orientations,
    turn_picture,
)
from discovery.classifier.enhance.gate import GateOptions, pass_gate
from discovery.classifier.enhance.noise import estimate_noise
from discovery.classifier.enhance.values import MIN_SIDE
from embeddings.console import track
from embeddings.extract.batches import Batches, default_batch_size
from embeddings.extractors import Extractor, find_extractor
from embeddings.reader import Fault, Part, ReadParts, run_ahead
from embeddings.texture import describe_glcm, describe_salient, describe_zernike

Image = NDArray[np.float32]
Floats = NDArray[np.float32]

_WORKERS = min(16, os.cpu_count() or 1)  # threads that measure pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeOptions:
    """What is computed of each picture.

    Attributes
    ----------
    orientations : int
        8, or 1 where the way up matters.
    augment : AugmentOptions or None
        Varied copies on top of them, for training.
    gate : GateOptions or None
        None measures the noise and lets everything pass.
    seed : int
    """

    orientations: int = ORIENTATIONS
    augment: AugmentOptions | None = None
    gate: GateOptions | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """n images as rows.

    Attributes
    ----------
    parts : tuple of Part
    rows : (n, c, d + m) float32
        c copies: the orientations, then the varied ones. d deep features, and m classical ones
        (GLCM, Zernike moments and the shape of what stands out), which do not change with the
        orientation; m = 0 where the deep ones are classical descriptors themselves (no weights).
    blocks : tuple of int
        Columns of the deep and of the classical features: (d, m), or (d,).
    n_orientations : int
        Copies at the front that are real orientations. Of a picture that is not square four keep
        its shape: they come twice, which leaves every mean over them as it is.
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
    rows: Floats
    blocks: tuple[int, ...]
    n_orientations: int
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What is known of a picture beside its deep features; `cleared`: what denoising left."""

    part: Part
    orientations: tuple[int, ...]
    moments: Floats
    noise: float = np.nan
    is_noisy: bool = False
    cleared: Image | None = None


def describe_images(
    files: Iterable[ReadParts],
    extractor: Extractor,
    *,
    options: DescribeOptions,
    known: Mapping[str, Floats] | None = None,
    batch_size: int | None = None,
    total: int = 0,
    before: int = 0,
) -> Described:
    """Describe the images of these files.

    Parameters
    ----------
    files : iterable of ReadParts
        As `read_parts` yields them.
    extractor : Extractor
    known : mapping of image id to (d,), optional
        Vectors of pictures as they are, from a store of the same extractor: not made again.
    total, before : int
        Files in all and those that earlier calls described, for the progress line.
    """
    describer = _Describer(
        extractor, options, known or {}, batch_size or default_batch_size(extractor.spec)
    )
    pieces = track(
        files, total=total, before=before, what="describe", ends=lambda piece: piece.is_last
    )
    # A few pictures ahead of the network: without a bound, all would wait in memory for a thread.
    for measured, image in run_ahead(
        describer.measure,
        describer.list_pictures(pieces),
        workers=_WORKERS,
        ahead=2 * _WORKERS,
        name="moments",
    ):
        describer.add(measured, image)
    return describer.finish()


class _Describer:
    """One call's state: what waits for the extractor, and what is known of the pictures so far."""

    def __init__(
        self,
        extractor: Extractor,
        options: DescribeOptions,
        known: Mapping[str, Floats],
        batch_size: int,
    ) -> None:
        self.extractor, self.options, self.known = extractor, options, known
        # The extractor is loaded already; `Batches` would load it when the first batch is full.
        self.batches = Batches(lambda: extractor, batch_size)
        self.is_deep = find_extractor(extractor.spec.name).is_network
        # The texture descriptors do not change with the orientation, and a turned wafer is a
        # shifted picture in the polar view, not a turned one.
        may_turn = self.is_deep and extractor.spec.view != "polar"
        self.n_orientations = options.orientations if may_turn else 1
        self.augment = options.augment if self.is_deep else None
        self.pictures: list[_Measured] = []
        self.faults: list[Fault] = []
        self.deferred: list[Part] = []
        self.dropped: set[int] = set()  # positions of pictures whose file turned out unusable

    def list_pictures(self, pieces: Iterable[ReadParts]) -> Iterator[tuple[Part, Image]]:
        """Yield the pictures of the files, and note what has none."""
        first = position = 0  # of the file that is being read, and of the next picture
        for piece in pieces:
            if piece.fault is not None:
                self.faults.append(piece.fault)
                self.dropped |= set(range(first, position))
            self.deferred += piece.deferred
            for pair in piece.images:
                position += 1
                yield pair
            if piece.is_last:
                first = position

    def measure(self, pair: tuple[Part, Image]) -> tuple[_Measured, Image]:
        """Compute all but the deep features; a picture that is too noisy is denoised, too."""
        part, image = pair
        measured = _Measured(
            part=part,
            orientations=list_orientations(image)[: self.n_orientations],
            moments=describe_moments(image) if self.is_deep else np.zeros(0, np.float32),
        )
        grey, gate = image.mean(axis=0), self.options.gate  # (h, w)
        if min(grey.shape) < MIN_SIDE:  # the filters need more: not measured
            return measured, image
        if gate is None:
            return replace(measured, noise=estimate_noise(grey)), image
        gated = pass_gate(grey, gate)
        cleared = None
        if gated.verdict == "denoised":
            # The filters work on grey; the extractor wants as many channels as before.
            cleared = np.broadcast_to(gated.picture, image.shape).copy()
        is_noisy = gated.verdict != "clear"
        noise = gated.noise_before
        return replace(measured, noise=noise, is_noisy=is_noisy, cleared=cleared), image

    def add(self, measured: _Measured, image: Image) -> None:
        """Give the picture's copies to the extractor, and keep the rest."""
        position = len(self.pictures)
        self.pictures.append(measured)
        for k in measured.orientations:
            # The picture as it is is what a store holds.
            if k or measured.part.image_id not in self.known:
                self.batches.add(f"{position} {k}", turn_picture(image, k))
        if self.augment is not None:
            varied = augment_many(image, self.augment, seed=self.options.seed)
            for number, copy in enumerate(varied):
                self.batches.add(f"{position} varied {number}", copy)

    def finish(self) -> Described:
        """Run the extractor on what still waits, and put everything together."""
        vectors = self.batches.take()
        kept = [i for i in range(len(self.pictures)) if i not in self.dropped]
        pictures = [self.pictures[i] for i in kept]
        varied = self.augment.copies if self.augment else 0
        deep, classical = self.extractor.spec.dim, len(pictures[0].moments) if pictures else 0
        n = self.n_orientations
        rows = np.zeros((len(kept), n + varied, deep + classical), np.float32)
        for row, i, one in zip(rows, kept, pictures, strict=True):
            # Taken out of `vectors`: 100 kB an image must not be in memory twice.
            for copy, k in enumerate(one.orientations):
                vector = vectors.pop(f"{i} {k}", None)
                row[copy, :deep] = self.known[one.part.image_id] if vector is None else vector
            own = len(one.orientations)
            row[own:n, :deep] = row[: n - own, :deep]
            for number in range(varied):
                row[n + number, :deep] = vectors.pop(f"{i} varied {number}")
            row[:, deep:] = one.moments
        return Described(
            parts=tuple(one.part for one in pictures),
            rows=rows,
            blocks=(deep, classical) if classical else (deep,),
            n_orientations=n,
            noises=np.array([one.noise for one in pictures], np.float32),
            is_noisy=np.array([one.is_noisy for one in pictures], bool),
            denoised=self._describe_cleared(pictures),
            faults=tuple(self.faults),
            deferred=tuple(self.deferred),
        )

    def _describe_cleared(self, pictures: Sequence[_Measured]) -> Described | None:
        images = [(one.part, one.cleared) for one in pictures if one.cleared is not None]
        if not images:
            return None
        again = replace(self.options, gate=None)
        return describe_images([ReadParts(images=images)], self.extractor, options=again, total=1)


def join_described(first: Described, second: Described) -> Described:
    """Put together what two calls described without a gate; what is deferred is the second's."""
    if not (len(first) and len(second)):
        whole = first if len(first) else second
        return replace(whole, faults=first.faults + second.faults, deferred=second.deferred)
    return Described(
        parts=first.parts + second.parts,
        rows=np.concatenate([first.rows, second.rows]),
        blocks=first.blocks,
        n_orientations=first.n_orientations,
        noises=np.concatenate([first.noises, second.noises]),
        is_noisy=np.concatenate([first.is_noisy, second.is_noisy]),
        denoised=None,
        faults=first.faults + second.faults,
        deferred=second.deferred,
    )


def describe_moments(image: Image) -> Floats:
    """Describe a picture (c, h, w) by GLCM, Zernike moments and what stands out of it, (m,)."""
    grey = image.mean(axis=0)  # texture is in the brightness, whatever the channels
    parts = [describe_glcm(grey), describe_zernike(grey), describe_salient(grey)]
    return np.concatenate(parts).astype(np.float32)
