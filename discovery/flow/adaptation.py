"""`--adapt`: vectors projected by what the images themselves say of their extractor, if proven.

Variants of a sample of the images (moved, mirrored, in other light and noise) go through the same
network once. Where a projection learned of them is better on images held out, all vectors of the
view are looked at through it, those of later images too; where it is not, they stay as they are.
The answer is kept in RUN/adaptation.npz, so that a run is not adapted anew for further images.
"""

import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from discovery.flow.embedded_variants import VariantEmbedder
from discovery.flow.settings import GRAPH_WHITEN, choose_dimensions, name_view
from discovery.flow.sources import RoundSource
from discovery.runs import Run
from discovery.stages.adapt import Evidence, Projection, learn_projection, make_variants
from embeddings.activities import naming_part
from embeddings.bounded import parse_npz
from embeddings.console import get_logger, stage
from embeddings.errors import InputError, OptionError, RunError
from embeddings.extract import ExtractOptions
from embeddings.extractors import find_extractor
from embeddings.files import hash_bytes, write_bytes
from embeddings.large_values import change_rows
from embeddings.records import ExtractorSpec, Vectors
from embeddings.store import Store

ADAPTATION: Final = "adaptation.npz"
_SAMPLE: Final = 512  # images: as many as a hundred axes need, however many there are
_LEAST: Final = 24  # images, of half of which something can be learned


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """What was learned of a run's images, by the hash of each view's spec.

    Attributes
    ----------
    evidence : mapping of str to Evidence
    projections : mapping of str to Projection
        Looked through where the evidence says that it is better; see `taken`.
    """

    evidence: Mapping[str, Evidence]
    projections: Mapping[str, Projection]

    @property
    def taken(self) -> dict[str, Projection]:
        """The projections that are proven."""
        found = self.projections.items()
        return {name: one for name, one in sorted(found) if self.evidence[name].is_better}

    @property
    def digest(self) -> str:
        """sha256 over the projections that are taken: what the vectors depend on."""
        parts = [
            f"{name} {one.axes.shape}".encode() + one.mean.tobytes() + one.axes.tobytes()
            for name, one in self.taken.items()
        ]
        return hash_bytes(b"".join(parts))

    def apply(self, views: Sequence[Vectors]) -> tuple[Vectors, ...]:
        """Look at the vectors of each view through its projection, where it has one."""
        taken = self.taken
        return tuple(
            project_vectors(view, taken[view.spec.hash]) if view.spec.hash in taken else view
            for view in views
        )

    def describe(self, specs: Sequence[ExtractorSpec]) -> str:
        """Say of each view how many held-out variants find their image, without and with it."""
        found = [(spec.view, self.evidence.get(spec.hash)) for spec in specs]
        return "; ".join(
            f"{view} {one.before / one.variants:.3f} to {one.after / one.variants:.3f}"
            f"{', taken' if one.is_better else ', not taken'}"
            for view, one in found
            if one is not None
        )


def project_vectors(view: Vectors, projection: Projection) -> Vectors:
    """Return the vectors as they are seen through a projection."""
    width = len(projection.axes)
    values = change_rows(view.values, width, projection.apply)
    return replace(view, values=values, spec=replace(view.spec, dim=width))


def adapt_source(
    source: RoundSource, run: Path, *, options: ExtractOptions, seed: int
) -> RoundSource:
    """Return the source seen through its adaptation, learned now or in an earlier round.

    Raises
    ------
    OptionError
        No view of the source is a network's.
    InputError
        Too few of the images can be read again.
    DefectDiscoveryError
        The extractor cannot be loaded.
    """
    stores = [store for store in source.stores if find_extractor(store.spec.name).is_network]
    if not stores:
        raise OptionError(
            f"--adapt: {source.store.spec.name} is no network, and sees all images in the same "
            "way; leave it out, or use --extractor resnet50 or lite"
        )
    if len(source.ids) < _LEAST:
        raise InputError(
            f"--adapt: there are {len(source.ids)} images ({source.counts}), expected {_LEAST} or "
            "more to learn of: leave it out"
        )
    known = read_adaptation(run / ADAPTATION)
    evidence = {} if known is None else dict(known.evidence)
    projections = {} if known is None else dict(known.projections)
    new = [store for store in stores if store.spec.hash not in evidence]
    for store in new:
        name = store.spec.hash
        with naming_part(name_view(store.path) if len(stores) > 1 else ""):
            learned = _learn(store, source.ids, options=options, seed=seed)
        evidence[name], projections[name] = learned
    found = Adaptation(evidence=evidence, projections=projections)
    if new:
        run.mkdir(parents=True, exist_ok=True)
        write_bytes(run / ADAPTATION, format_adaptation(found))
        get_logger().info(
            "adapt: held-out variants that find their image: %s",
            found.describe([store.spec for store in new]),
        )
    return replace(source, adaptation=found)


def _learn(
    store: Store, ids: NDArray[np.str_], *, options: ExtractOptions, seed: int
) -> tuple[Evidence, Projection]:
    with stage("adapt") as facts:
        values, variants = _vary_sample(store, ids, options=options, seed=seed)
        evidence, projection = learn_projection(
            values,
            variants,
            dimensions=choose_dimensions(len(values)),
            whiten=GRAPH_WHITEN,
            seed=seed,
        )
        facts.update(
            images=evidence.images,
            found=f"{evidence.before / evidence.variants:.3f}",
            adapted=f"{evidence.after / evidence.variants:.3f}",
            taken="yes" if evidence.is_better else "no",
        )
    return evidence, projection


def _vary_sample(
    store: Store, ids: NDArray[np.str_], *, options: ExtractOptions, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the vectors of a sample of the images, (n, d), and of their variants, (n, m, d)."""
    places = np.linspace(0, len(ids) - 1, min(_SAMPLE, len(ids))).round().astype(np.intp)

    def vary(image_id: str, image: NDArray[np.float32]) -> Iterable[NDArray[np.float32]]:
        # By the image itself, so that the order of the files is no matter.
        rng = np.random.default_rng([seed, zlib.crc32(image_id.encode())])
        return make_variants(image, view=store.spec.view, rng=rng)

    again = VariantEmbedder(store, options).embed(ids[places], vary=vary, what="adapt")
    read, total = len(again.read), len(places)
    if read < _LEAST:
        raise InputError(
            f"--adapt: {read} of {total} images can be read again, expected {_LEAST} or more: put "
            "their files back, or leave it out"
        )
    if read < total:
        get_logger().warning(
            "WARNING: --adapt learns of %d images, %d of the sample cannot be read again",
            read,
            total - read,
        )
    return again.vectors.values[again.read], again.variants


def read_adaptation(path: Path) -> Adaptation | None:
    """Read RUN/adaptation.npz; None where there is none, or where it is damaged."""
    try:
        arrays = parse_npz(path.read_bytes())
        names = [name.removesuffix("/evidence") for name in arrays if name.endswith("/evidence")]
        return Adaptation(
            evidence={name: _read_evidence(arrays[f"{name}/evidence"]) for name in names},
            projections={
                name: Projection(mean=arrays[f"{name}/mean"], axes=arrays[f"{name}/axes"])
                for name in names
            },
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None  # learned anew: the same images say the same


def _read_evidence(counts: NDArray[np.int64]) -> Evidence:
    names = [field.name for field in fields(Evidence)]
    return Evidence(**dict(zip(names, counts.tolist(), strict=True)))


def format_adaptation(found: Adaptation) -> bytes:
    """Return the bytes of adaptation.npz: HASH/evidence, and HASH/mean and HASH/axes."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, evidence in found.evidence.items():
        arrays[f"{name}/evidence"] = np.array(astuple(evidence), np.int64)
    for name, one in found.projections.items():
        arrays |= {f"{name}/mean": one.mean, f"{name}/axes": one.axes}
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def open_fitted_adaptation(run: Run) -> Adaptation | None:
    """Return what a run's vectors were looked at through; None where they were as they are.

    Raises
    ------
    RunError
        It is gone, or another one by now.
    """
    wanted = run.store.get("adaptation")
    if wanted is None:
        return None
    found = read_adaptation(run.path / ADAPTATION)
    if found is None or found.digest != wanted:
        place = run.path / ADAPTATION
        fault = "is not what the run was made with" if place.exists() else "is missing"
        raise RunError(f"{place} {fault}: put it back, or run discovery.cluster again")
    return found


def load_adapted(
    stores: Sequence[Store], ids: NDArray[np.str_], adaptation: Adaptation | None
) -> tuple[Vectors, ...]:
    """Load the vectors of images, view by view, as they are looked at."""
    views = tuple(store.load_vectors(ids) for store in stores)
    return views if adaptation is None else adaptation.apply(views)
