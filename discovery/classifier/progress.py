"""What the training of a classifier keeps of itself: described images and answers of each fold.

Pictures are described in chunks of files. A picture gets the same numbers in whatever batch it
comes, so that chunks change nothing, and those that are there already are not made again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.describe import Described
from discovery.classifier.examples import Examples
from discovery.classifier.fitted import MEMBERS, FittedNetworks, answer_all
from discovery.classifier.options import TrainOptions
from discovery.runs import package_versions
from discovery.runs.checkpoint import Checkpoint
from embeddings.files import hash_json
from embeddings.records import ExtractorSpec

_CHUNK = 32  # files: half a minute of a processor without a graphics card


def make_training_key(
    examples: Examples,
    spec: ExtractorSpec,
    windows: Mapping[str, tuple[float, float]],
    *,
    options: TrainOptions,
) -> str:
    """Return a hash of all that decides what comes of a training, wherever its files lie."""
    given = asdict(options)
    del given["extract"]  # the spec says what came of it
    return hash_json(
        {
            "images": [part.image_id for part in examples.parts],
            "labels": examples.labels.tolist(),
            "weights": examples.weights.tolist(),
            "definitions": dict(examples.definitions),
            "spec": spec.to_dict(),
            "windows": {kind: list(window) for kind, window in windows.items()},
            "options": given,
            "members": MEMBERS,  # what each fold was answered by
            "max_pixels": options.extract.max_pixels,
            "versions": package_versions(),
        }
    )


def describe_chunks(
    examples: Examples, describe: Callable[[Examples, int, int], Described], checkpoint: Checkpoint
) -> Described:
    """Describe examples, chunk by chunk; chunks that are kept already are read.

    Parameters
    ----------
    describe : callable
        Describes some of the examples, without a gate; it is given them, the files that are done
        before them, and the files in all.
    """
    total = _count_files(examples)
    if not checkpoint.keeps:
        return describe(examples, 0, total)
    chunks, before = [], 0
    for number, positions in enumerate(_list_chunks(examples)):
        chunk, name = examples.take(positions), f"images-{number}"
        kept = checkpoint.load(name)
        if kept is None:
            described = describe(chunk, before, total)
            checkpoint.save(name, *_take_apart(described, chunk))
        else:
            described = _put_together(*kept, chunk)
        chunks.append(described)
        before += _count_files(chunk)
    return _join(chunks)


def _count_files(examples: Examples) -> int:
    return len({part.path for part in examples.parts})


def _list_chunks(examples: Examples) -> Iterator[NDArray[np.intp]]:
    """Yield positions of whole files; those of one file stand together."""
    places = enumerate(part.path for part in examples.parts)
    files = [[i for i, _ in group] for _, group in groupby(places, key=lambda pair: pair[1])]
    for start in range(0, len(files), _CHUNK):
        yield np.concatenate(files[start : start + _CHUNK]).astype(np.intp)


def _take_apart(
    described: Described, chunk: Examples
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    place = {part.image_id: i for i, part in enumerate(chunk.parts)}
    arrays: dict[str, NDArray[Any]] = {
        "rows": described.rows,
        "noises": described.noises,
        "is_noisy": described.is_noisy,
    }
    values = {
        "parts": [place[part.image_id] for part in described.parts],
        "deferred": [place[part.image_id] for part in described.deferred],
        "blocks": list(described.blocks),
        "orientations": described.n_orientations,
        "faults": [list(fault) for fault in described.faults],
    }
    return arrays, values


def _put_together(
    arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any], chunk: Examples
) -> Described:
    return Described(
        parts=tuple(chunk.parts[i] for i in values["parts"]),
        rows=arrays["rows"],
        blocks=tuple(values["blocks"]),
        n_orientations=values["orientations"],
        noises=arrays["noises"],
        is_noisy=arrays["is_noisy"],
        denoised=None,
        faults=tuple((path, reason) for path, reason in values["faults"]),
        deferred=tuple(chunk.parts[i] for i in values["deferred"]),
    )


def _join(chunks: Sequence[Described]) -> Described:
    """Put chunks together; one without an image does not know how wide a row is."""
    full = [one for one in chunks if len(one)] or [chunks[0]]
    return Described(
        parts=tuple(part for one in full for part in one.parts),
        rows=np.concatenate([one.rows for one in full]),
        blocks=full[0].blocks,
        n_orientations=full[0].n_orientations,
        noises=np.concatenate([one.noises for one in full]),
        is_noisy=np.concatenate([one.is_noisy for one in full]),
        denoised=None,
        faults=tuple(fault for one in chunks for fault in one.faults),
        deferred=tuple(part for one in chunks for part in one.deferred),
    )


def answer_fold(
    networks: FittedNetworks, rows: NDArray[np.float32]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Answer images (m, c, d): the numbers, and the names that go with them."""
    fused = networks.fuse(rows)
    said = [
        (node, name, values)
        for node, members in networks.answer_nodes(fused).items()
        for name, values in members.items()
    ]
    flat = answer_all(networks.flats, fused)
    arrays: dict[str, NDArray[Any]] = {
        "distances": networks.known.measure(fused.mean(axis=1)),
        **{f"logits.{position}": values for position, (_, _, values) in enumerate(said)},
        **{f"flat.{position}": values for position, values in enumerate(flat.values())},
    }
    return arrays, {"nodes": [[node, name] for node, name, _ in said], "flat": list(flat)}
