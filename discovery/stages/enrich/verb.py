"""The verb `find_associations`: what each cluster's images have in common, beside their look."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.records import Clustering, Proposal
from discovery.stages.enrich.associate import Candidate
from discovery.stages.enrich.behind import count_units, explain_weaker
from discovery.stages.enrich.chance import adjust_pvalues
from discovery.stages.enrich.columns import Column, find_units, read_columns, spread_metadata
from discovery.stages.enrich.maps import name_signatures, sample_map
from discovery.stages.enrich.positions import find_positions
from discovery.stages.enrich.quantities import weigh_bursts, weigh_numbers
from discovery.stages.enrich.records import Association, Enrichment, EnrichOptions
from discovery.stages.enrich.values import weigh_values


class _Weigh(Protocol):
    """A test of one column in every cluster."""

    def __call__(
        self, column: Column, labels: NDArray[np.int32], *, options: EnrichOptions
    ) -> tuple[list[Candidate], int]: ...


_LOOKED_AT = 3  # times the associations kept: as many are asked what explains them


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
    table = spread_metadata(metadata)
    if not len(table.columns):
        return Enrichment()
    positions, used = find_positions(table)
    columns, left_out = read_columns(table, skipped=used)
    found, tests = _weigh_columns(columns, clustering.labels, options)
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
    places are known; empty where nothing is.
    """
    return tuple(
        replace(proposal, associations=_describe(proposal.cluster_id, enrichment))
        for proposal in proposals
    )


def _describe(cluster: int, enrichment: Enrichment) -> dict[str, object]:
    said: dict[str, object] = {}
    found = enrichment.found.get(cluster, ())
    if found:
        said["found"] = [association.to_dict() for association in found]
    if cluster in enrichment.signatures:
        said["signature"] = enrichment.signatures[cluster].to_dict()
        said["map"] = dict(enrichment.maps[cluster])
    return said


def _weigh_columns(
    columns: Sequence[Column], labels: NDArray[np.int32], options: EnrichOptions
) -> tuple[list[Candidate], int]:
    """Test every column in every cluster; candidates have their q, and tests are counted."""
    found: list[Candidate] = []
    tests = 0
    for column in columns:
        for weigh in _choose_tests(column):
            more, made = weigh(column, labels, options=options)
            found += more
            tests += made
    p = np.array([candidate.association.p for candidate in found])
    q = adjust_pvalues(p, tests=tests)
    held = [
        replace(candidate, association=replace(candidate.association, q=float(value)))
        for candidate, value in zip(found, q, strict=True)
        if value <= options.q
    ]
    return held, tests


def _choose_tests(column: Column) -> tuple[_Weigh, ...]:
    tests: dict[str, tuple[_Weigh, ...]] = {
        "value": (weigh_values,),
        "number": (weigh_numbers,),
        "time": (weigh_numbers, weigh_bursts),
    }
    return tests[column.kind]


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
        by_cluster.setdefault(candidate.association.cluster_id, []).append(candidate)
    kept: dict[int, tuple[Association, ...]] = {}
    for cluster, candidates in sorted(by_cluster.items()):
        members = labels == cluster
        strongest = sorted(candidates, key=_order)[: _LOOKED_AT * options.most]
        counted = [count_units(one, members, wafers=wafers, lots=lots) for one in strongest]
        told = explain_weaker(counted, members, alpha=options.q)
        ordered = sorted(told, key=lambda association: association.explained_by != "")
        kept[cluster] = tuple(ordered[: options.most])
    return kept


def _order(candidate: Candidate) -> tuple[float, float, str, str]:
    """Strongest first: least p, then the larger effect; names keep the order the same."""
    one = candidate.association
    return one.p, -abs(one.effect), one.column, one.value
