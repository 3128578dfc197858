"""The step of a round that finds copies: duplicates.csv, made once and read back while current."""

import time

import numpy as np

from discovery.records import Duplicates, Neighbours
from discovery.runs import COPIES, Provenance, Run
from discovery.stages.duplicates import (
    find_duplicates,
    make_reader,
    read_duplicates,
    tabulate_duplicates,
)
from embeddings.console import get_logger, stage
from embeddings.records import Vectors


def find_copies(
    run: Run, vectors: Vectors, neighbours: Neighbours, *, made_by: Provenance
) -> Duplicates:
    """Find the copies among a round's images, and write them into the run.

    Parameters
    ----------
    vectors : Vectors of n images
        Their rows say where the pixels are.
    made_by : Provenance
        Where duplicates.csv was made just so, it is read and no picture is opened.
    """
    if run.is_current(COPIES, made_by):
        files = np.array([len(paths) for paths in vectors.rows["paths"]], np.int32)
        return read_duplicates(run.check(COPIES).read_bytes(), vectors.ids, files)
    start = time.monotonic()
    with stage("duplicates") as facts:
        found = find_duplicates(vectors, neighbours, make_reader(vectors))
        facts.update(exact=found.exact, near=found.near, groups=found.near_groups)
    if found.unread:
        get_logger().warning(
            "WARNING: %d images could not be read again, and were not looked at for copies",
            found.unread,
        )
    paths = [tuple(each) for each in vectors.rows["paths"]]
    data = tabulate_duplicates(found, paths)
    run.save_bytes(COPIES, data, made_by, seconds=time.monotonic() - start)
    return found
