"""`--check-precision`: how well the vectors of a store agree with those of float32.

Faster arithmetic moves vectors a little, and neighbours with them. How far is measured on the
user's own images: what the store has of a sample of them is held against what torch makes of the
same pictures in float32, on the CPU, wherever the store was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embeddings.console import stage
from embeddings.errors import InputError, OptionError
from embeddings.extract.batches import Batches, default_batch_size
from embeddings.extract.choose import Choice, make_extractor
from embeddings.extract.compute import read_pieces
from embeddings.extract.options import ExtractOptions
from embeddings.extract.pieces import Job
from embeddings.extract.rows import RowPlan
from embeddings.extractors import find_extractor
from embeddings.images import file_of_id
from embeddings.plurals import tell_count
from embeddings.records import Vectors
from embeddings.store import Store

NEIGHBOURS = 10
LEAST_IMAGES = NEIGHBOURS + 2  # else the nearest ten of an image are all others
ENOUGH_IMAGES = 200  # of an image's ten, one in twenty is the same by chance
MOST_IMAGES = 5000  # whose similarities are held at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well two sets of vectors of the same images agree.

    Attributes
    ----------
    precision : str
        Of the vectors that were held against float32.
    images : int
    overlap : float
        Share of an image's ten nearest neighbours that are the same by both, on average.
    cosine : float
        Between an image's two vectors, on average.
    """

    precision: str
    images: int
    overlap: float
    cosine: float

    def __str__(self) -> str:
        text = (
            f"precision: {self.precision} agrees with float32: {NEIGHBOURS}-NN overlap "
            f"{_format_share(self.overlap, 3)} of {self.images} images, "
            f"cosine {_format_share(self.cosine, 4)}"
        )
        if self.images >= ENOUGH_IMAGES:
            return text
        # Any ten of the others have so many in common with any ten.
        chance = _format_share(NEIGHBOURS / (self.images - 1), 3)
        return (
            f"{text}; chance alone gives an overlap of {chance} among so few, which says little: "
            f"{ENOUGH_IMAGES} images say enough"
        )


def measure_agreement(
    values: NDArray[np.float32], reference: NDArray[np.float32], *, precision: str
) -> Agreement:
    """Measure how well vectors agree with those of a reference.

    Parameters
    ----------
    values, reference : (n, d) float32, unit rows
        Of the same images in the same order; at least `LEAST_IMAGES`.
    precision : str
        What `values` are called.
    """
    near, expected = _find_neighbours(values), _find_neighbours(reference)
    shared = [len(np.intersect1d(*rows)) for rows in zip(near, expected, strict=True)]
    return Agreement(
        precision=precision,
        images=len(values),
        overlap=float(np.mean(shared)) / NEIGHBOURS,
        cosine=float(np.einsum("ij,ij->i", values, reference, dtype=np.float64).mean()),
    )


def require_network(choice: Choice) -> None:
    """Refuse an extractor that has no arithmetic to be chosen.

    Raises
    ------
    OptionError
        It is no network.
    """
    if not find_extractor(choice.spec.name).is_network:
        raise OptionError(
            f"--check-precision: {choice.spec.name} is no network and always computes alike; "
            "leave it out"
        )


def check_precision(
    choice: Choice, store: Store, ids: NDArray[np.str_], *, plan: RowPlan, options: ExtractOptions
) -> Agreement:
    """Hold a sample of what a store has against float32.

    Parameters
    ----------
    choice : Choice
        Of the store's extractor; weights and patch bank are found by it.
    store : Store
    ids : (n,) array of str
        The images that the sample is spread over evenly.
    plan : RowPlan
        How their files become pictures.
    options : ExtractOptions
        `check_precision` says how many images.

    Raises
    ------
    InputError
        There are too few images.
    """
    drawn = _draw_evenly(ids, options.check_precision or LEAST_IMAGES)
    _require_enough(len(drawn), store)
    vectors = store.load_vectors(drawn)
    with stage("check precision") as facts:
        # The reference is the same on every machine.
        spec = replace(choice.spec, precision="float32", backend="torch-cpu")
        exact = replace(choice, spec=spec, store=store)
        again = _compute(vectors, plan, exact, replace(options, device="cpu", backend="torch"))
        there = np.array([at for at, name in enumerate(vectors.ids.tolist()) if name in again], int)
        _require_enough(len(there), store)
        reference = np.stack([again[name] for name in vectors.ids[there].tolist()])
        by = " by OpenVINO" if choice.spec.backend == "openvino-cpu" else ""
        precision = choice.spec.precision + by
        found = measure_agreement(vectors.values[there], reference, precision=precision)
        facts.update(images=found.images)
    return found


def _require_enough(images: int, store: Store) -> None:
    if images < LEAST_IMAGES:
        raise InputError(
            f"--check-precision: {tell_count(images, 'image')} can be compared, expected "
            f"{LEAST_IMAGES} or more; their vectors are in {store.path}: leave it out"
        )


def _compute(
    vectors: Vectors, plan: RowPlan, choice: Choice, options: ExtractOptions
) -> Mapping[str, NDArray[np.float32]]:
    """Embed images anew, by their ids; one whose file is gone or changed is left out."""
    extractor, size = make_extractor(choice, options), default_batch_size(choice.spec)
    batches, wanted = Batches(lambda: extractor, size), set(vectors.ids.tolist())
    rows = zip(vectors.rows["path"].tolist(), vectors.ids.tolist(), strict=True)
    files = {path: file_of_id(name) for path, name in rows if path}
    jobs = [Job(path=path, file_id=file_id) for path, file_id in files.items()]
    for piece in read_pieces(jobs, plan, workers=options.threads, batch_size=size):
        for name, image in zip(piece.ids, piece.images, strict=True):
            if name in wanted:  # else another page, tile or crop of the same file
                batches.add(name, image)
                wanted.remove(name)
    return batches.take()


def _draw_evenly(ids: NDArray[np.str_], n: int) -> list[str]:
    """Return n of the ids, or all of fewer: the same ones each time, from first to last."""
    places = np.linspace(0, len(ids) - 1, min(n, len(ids))).round().astype(np.intp)
    drawn: list[str] = ids[places].tolist()
    return drawn


def _find_neighbours(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the (n, `NEIGHBOURS`) nearest others of each row."""
    likeness = values @ values.T  # (n, n)
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBOURS]


def _format_share(share: float, digits: int) -> str:
    """Write .957; what is less than 1 is never rounded up to it."""
    if share >= 1:
        return f"{share:.{digits}f}"
    return f"{min(share, 1 - 10.0**-digits):.{digits}f}".removeprefix("0")
