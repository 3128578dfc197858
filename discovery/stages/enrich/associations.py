"""What each cluster's images have in common beside their look: found, attached, and as a table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.records import Clustering, Proposal
from discovery.stages.enrich.column_tests import (
    associate_bursts,
    associate_numbers,
    associate_values,
)
from discovery.stages.enrich.columns import Column, find_units, read_columns, spread_metadata
from discovery.stages.enrich.confounding import describe_candidates
from discovery.stages.enrich.hypothesis_tests import adjust_pvalues
from discovery.stages.enrich.positions import find_positions
from discovery.stages.enrich.records import Association, Candidate, Enrichment, EnrichOptions
from discovery.stages.enrich.signature import name_signatures, sample_map
from discovery.stages.enrich.tool_picture import warn_of_tool
from embeddings.files import format_csv


class _ColumnTest(Protocol):
    """A test of one column in every cluster."""

    def __call__(
        self, column: Column, labels: NDArray[np.int32], *, options: EnrichOptions
    ) -> tuple[list[Candidate], int]: ...


# Times the associations kept: as many are asked what explains them, so that those that follow
# from a stronger one do not crowd out a weaker one of its own.
_EXAMINED = 3
COLUMNS = (
    "proposal_id", "cluster_id", "column", "kind", "value", "count", "size", "share_in",
    "share_out", "effect", "p", "q", "missing", "wafers", "lots", "wafer_p", "explained_by",
    "same_as",
)  # fmt: skip
WAFER_MAP = "wafer map"  # stands for the column, in the row of a signature


_COLUMN_TESTS: dict[str, tuple[_ColumnTest, ...]] = {
    "value": (associate_values,),
    "number": (associate_numbers,),
    "time": (associate_numbers, associate_bursts),
}


def find_associations(
    metadata: Sequence[str],
    clustering: Clustering,
    *,
    options: EnrichOptions | None = None,
    seed: int = 0,
) -> Enrichment:
    """Find what is over-represented in each cluster's metadata, and name its wafer map.

    Every value of a column is tested against all images of the round by Fisher's exact test,
    numbers by their ranks, times by a scan for bursts as well; the false discovery rate is held
    over all these tests together. An image counts once, however many exact duplicates it has.

    Parameters
    ----------
    metadata : (n,) sequence of str
        A JSON object an image, or nothing: ``Vectors.rows["metadata"]``.
    clustering : Clustering of the same n images, k clusters
    options : EnrichOptions, optional
    seed : int
        Of the random wafer maps.

    Returns
    -------
    Enrichment
        Empty where there are no metadata.

    Raises
    ------
    ValueError
        Metadata and clustering are of different images.
    """
    if len(metadata) != len(clustering):
        raise ValueError(f"metadata of {len(metadata)} images, clusters of {len(clustering)}")
    options = options or EnrichOptions()
    # Columns are read from text, whatever wrote the metadata: one rule for CSV and KLARF.
    table = spread_metadata(metadata)
    if not len(table.columns):
        return Enrichment()
    positions, used = find_positions(table)
    columns, left_out = read_columns(table, skipped=used)
    found, tests = _test_columns(columns, clustering.labels, options)
    signatures, maps = {}, {}
    if positions is not None:
        wafers = find_units(table)[0]
        signatures = name_signatures(
            positions, clustering.labels, wafers, options=options, seed=seed
        )
        maps = {
            cluster: sample_map(positions, clustering.labels == cluster, seed=seed)
            for cluster in range(clustering.k)
        }
    return Enrichment(
        found=_select(found, clustering.labels, table, options=options),
        signatures=signatures,
        maps=maps,
        left_out=left_out,
        tests=tests,
    )


def attach_associations(
    proposals: Sequence[Proposal], enrichment: Enrichment
) -> tuple[Proposal, ...]:
    """Return the proposals with what was found of their clusters, as JSON-ready values.

    ``associations`` is a list of dict under ``found``, and ``signature`` and ``map`` where the
    places are known, ``warning`` where they may be one tool's picture; empty where nothing is.
    """
    return tuple(
        replace(proposal, associations=_describe(proposal.cluster_id, enrichment))
        for proposal in proposals
    )


def _describe(cluster: int, enrichment: Enrichment) -> dict[str, object]:
    described: dict[str, object] = {}
    found = enrichment.found.get(cluster, ())
    if found:
        described["found"] = [association.to_dict() for association in found]
    if warning := warn_of_tool(found):
        described["warning"] = warning
    if cluster in enrichment.signatures:
        described["signature"] = enrichment.signatures[cluster].to_dict()
        described["map"] = dict(enrichment.maps[cluster])
    return described


def _test_columns(
    columns: Sequence[Column], labels: NDArray[np.int32], options: EnrichOptions
) -> tuple[list[Candidate], int]:
    """Test every column in every cluster; candidates have their q, and tests are counted."""
    found: list[Candidate] = []
    tests = 0
    for column in columns:
        for test in _COLUMN_TESTS[column.kind]:
            more, made = test(column, labels, options=options)
            found += more
            tests += made
    # One list over all columns and clusters: a run of many columns is not let off more lightly.
    p = np.array([candidate.p for candidate in found])
    q = adjust_pvalues(p, tests=tests)
    held = zip(found, q.tolist(), strict=True)
    return [replace(candidate, q=value) for candidate, value in held if value <= options.q], tests


def _select(
    found: Sequence[Candidate],
    labels: NDArray[np.int32],
    table: pd.DataFrame,
    *,
    options: EnrichOptions,
) -> dict[int, tuple[Association, ...]]:
    """Keep the strongest of each cluster, what explains them and what is behind them."""
    wafers, lots = find_units(table)
    by_cluster: dict[int, list[Candidate]] = {}
    for candidate in found:
        by_cluster.setdefault(candidate.cluster_id, []).append(candidate)
    kept: dict[int, tuple[Association, ...]] = {}
    for cluster, candidates in sorted(by_cluster.items()):
        members = labels == cluster
        # Among equals by name: the same run gives the same table.
        strongest = sorted(candidates, key=_order)[: _EXAMINED * options.most]
        described = describe_candidates(
            strongest, members, wafers=wafers, lots=lots, alpha=options.q
        )
        # What follows from another goes last: the report folds it away.
        ordered = sorted(described, key=lambda association: association.explained_by != "")
        kept[cluster] = tuple(ordered[: options.most])
    return kept


def _order(candidate: Candidate) -> tuple[float, float, str, str]:
    """Strongest first: least p, then the larger effect; names keep the order the same."""
    return candidate.p, -abs(candidate.effect), candidate.column, candidate.value


def format_associations(proposals: Sequence[Proposal], enrichment: Enrichment) -> bytes:
    """Return associations.csv: the proposals in their order, strongest associations first.

    The signature on the wafer, where there is one, is a row of the column ``wafer map``.
    """
    rows: list[Sequence[str]] = [COLUMNS]
    for proposal in proposals:
        cluster = proposal.cluster_id
        for one in enrichment.found.get(cluster, ()):
            cells = {name: getattr(one, name, "") for name in COLUMNS}
            cells |= {"proposal_id": proposal.proposal_id, "same_as": ", ".join(one.same_as)}
            rows.append([_write(cells[name]) for name in COLUMNS])
        signature = enrichment.signatures.get(cluster)
        if signature is not None and signature.measures:
            row = {
                "proposal_id": proposal.proposal_id, "cluster_id": cluster, "column": WAFER_MAP,
                "kind": "place", "value": signature.name, "count": signature.count,
                "size": signature.size, "share_in": signature.count / signature.size,
                "share_out": signature.others / max(signature.rest, 1),
                "effect": signature.effect, "p": signature.p, "q": signature.q,
            }  # fmt: skip
            rows.append([_write(row.get(name)) for name in COLUMNS])
    return format_csv(rows)


def _write(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
