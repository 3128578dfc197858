"""Images of known types, and those that match one, set aside before anything is clustered.

Known and new images are seen in one space. What matches a known type, as surely as the target
purity asks, needs no discovery: matched.csv names it. What is left is clustered; of it, matched.csv
says whether it lies beyond every known type (unknown) or in between (undecided).
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.flow.sources import RoundSource
from discovery.formats.handoff import read_known_types
from discovery.graph import choose_n_neighbors
from discovery.records import warn_of_alike_labels
from embeddings.console import get_logger
from embeddings.errors import HandoffError, ImageError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.files import format_csv, hash_bytes, parse_csv, write_bytes
from embeddings.images import fingerprint_file
from embeddings.large_values import join_rows
from embeddings.plurals import tell_count
from embeddings.records import Vectors

COLUMNS = ("image_id", "path", "label", "confidence", "novelty", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImages:
    """Images of known types that have vectors.

    Attributes
    ----------
    views : tuple of Vectors of m images
        View by view, as those of the images to discover.
    labels : (m,) array of str
    """

    views: tuple[Vectors, ...]
    labels: NDArray[np.str_]

    @property
    def digest(self) -> str:
        """sha256 over what an artefact that is measured against known types depends on."""
        # Sorted: the order in a handoff says nothing.
        pairs = sorted(zip(self.views[0].ids.tolist(), self.labels.tolist(), strict=True))
        return hash_bytes(repr(pairs).encode())


def extract_known(known: Path, run: Path, place: str, *, options: ExtractOptions) -> None:
    """Bring the labelled images of a handoff into the store at `place` in a run's folder.

    Raises
    ------
    DefectDiscoveryError
        As `extract_vectors` and `read_known_types`.
    """
    labelled = read_known_types(known)
    # A handoff names files of long ago; those that are gone may still be in the store.
    there = [path for path in labelled["path"].unique() if Path(path).is_file()]
    if not there:
        return
    run.mkdir(parents=True, exist_ok=True)
    listed = run / "known.csv"
    write_bytes(listed, format_csv([["path"], *([path] for path in there)]))
    extract_vectors(
        listed,
        run / place,
        # What picks or cuts the source's images says nothing of the known ones.
        options=replace(
            options, only=None, boxes=None, metadata=None, exclude=(), check_precision=None
        ),
    )


def split_known(source: RoundSource, known: Path) -> tuple[RoundSource, KnownImages]:
    """Set the images of known types aside.

    Returns
    -------
    RoundSource
        Without them.
    KnownImages

    Raises
    ------
    HandoffError
        No known image has a vector, or nothing is left to discover.
    """
    labelled = read_known_types(known)
    warn_of_alike_labels(f"--known {known}", set(labelled["label"]))
    label_of = _label_by_id(labelled, known)
    # A known image must have a vector in every view to lie in their joined space.
    everywhere = set.intersection(*(set(store.ids().tolist()) for store in source.stores))
    in_store = [i for i in source.store.ids().tolist() if i in label_of and i in everywhere]
    if not in_store:
        raise HandoffError(
            f"--known {known}: none of its {len(labelled)} labelled images is in "
            f"{source.store.path}: put their files where it says they are, or extract them into "
            "that store"
        )
    left = np.array([i for i in source.ids.tolist() if i not in label_of], dtype=np.str_)
    if not len(left):
        raise HandoffError(f"--known {known}: all {len(source.ids)} images have a known type")
    views = source.adapt([store.load_vectors(in_store) for store in source.stores])
    labels = np.array([label_of[i] for i in in_store], dtype=np.str_)
    get_logger().info(
        "known types: %s of %s (from %s); %s of the source set aside, %d left",
        tell_count(len(labels), "image"), tell_count(len(np.unique(labels)), "type"),
        tell_count(len(labelled), "labelled row"),
        tell_count(len(source.ids) - len(left), "image"), len(left),
    )  # fmt: skip
    return replace(source, ids=left), KnownImages(views=views, labels=labels)


def tabulate_matches(
    source: RoundSource, known: KnownImages, *, seed: int, target_purity: float
) -> list[Sequence[str]]:
    """Match the images with the known types: the rows of matched.csv, its header first."""
    from discovery.flow.space import fit_space
    from discovery.stages.place import PlaceOptions, match_known

    views = source.load_views()
    # How many come first.
    n = len(views[0])
    # One space for both: the known images come behind the new ones.
    rows = fit_space(stack_views(views, known.views), seed=seed).rows
    found = match_known(
        rows[:n],
        rows[n:],
        known.labels,
        groups=group_together(rows, seed=seed),
        n_neighbors=max(1, choose_n_neighbors(len(rows)) - 1),
        options=PlaceOptions(target_purity=target_purity),
    )
    table: list[Sequence[str]] = [COLUMNS]
    for i, image_id in enumerate(views[0].ids.tolist()):
        # Four digits: a table to read, not to compute with.
        figures = (f"{found.confidences[i]:.4f}", f"{found.novelties[i]:.4f}")
        row = (str(found.labels[i]), *figures, str(found.verdicts[i]))
        table += [(image_id, path, *row) for path in views[0].rows["paths"].iloc[i]]
    return table


def read_matches(table: bytes) -> dict[str, str]:
    """Return the label of each image that matched a known type, by the bytes of matched.csv."""
    rows = parse_csv(table)
    return {row["image_id"]: row["label"] for row in rows if row["verdict"] == "named"}


def stack_views(views: Sequence[Vectors], others: Sequence[Vectors]) -> list[Vectors]:
    """Return two sets of images as one, the second behind the first, view by view."""
    return [_stack(one, other) for one, other in zip(views, others, strict=True)]


def group_together(rows: NDArray[np.float32], *, seed: int) -> NDArray[np.int32]:
    """Group known and new images as one, finely: a new type must not hide in a known one, (n,)."""
    from discovery.flow.route import find_lasting_groups

    labels: NDArray[np.int32] = find_lasting_groups(rows, granularity="fine", seed=seed).labels_
    return labels


def guide_rows(views: Sequence[Vectors], known: KnownImages, *, seed: int) -> NDArray[np.float32]:
    """Reduce the views to rows in which differences inside the known types count less, (n, p)."""
    from discovery.flow.space import fit_space
    from discovery.stages.place import adapt_rows, learn_metric

    n = len(views[0])
    rows = fit_space(stack_views(views, known.views), seed=seed).rows
    # The metric is learned of the known images alone, and applied to the new ones.
    return adapt_rows(rows[:n], learn_metric(rows[n:], known.labels))


def _stack(one: Vectors, other: Vectors) -> Vectors:
    return Vectors(
        ids=np.concatenate([one.ids, other.ids]),
        values=join_rows(one.values, other.values),
        rows=pd.concat([one.rows, other.rows], ignore_index=True),
        spec=one.spec,
    )


def _label_by_id(labelled: pd.DataFrame, known: Path) -> dict[str, str]:
    """Return the label of each image id; a table without ids is matched by the files' content.

    Raises
    ------
    HandoffError
        One image has two labels.
    """
    label_of: dict[str, str] = {}
    first: dict[str, str] = {}
    for image_id, path, label in labelled[["image_id", "path", "label"]].itertuples(index=False):
        if not image_id and Path(path).is_file():
            # One that cannot be read is missing like one that is gone: both are counted.
            with contextlib.suppress(ImageError):
                image_id = fingerprint_file(Path(path))
        if not image_id:
            continue
        if label_of.setdefault(image_id, label) != label:
            raise HandoffError(
                f"--known {known}: one image has two labels, {label_of[image_id]!r} "
                f"({first[image_id]}) and {label!r} ({path}): give it one"
            )
        first.setdefault(image_id, path)
    return label_of
