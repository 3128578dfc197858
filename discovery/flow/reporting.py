"""From a run to its report: thumbnails are read, facts gathered, the page drawn."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pandas as pd

from discovery.flow.options import RoundOptions
from discovery.flow.sources import RoundSource
from discovery.ledger import read_decisions, replay_decisions
from discovery.runs import CLUSTERING, LEDGER, NEIGHBOURS, PROPOSALS, Run, package_versions
from discovery.stages.report import ReportData, ReportFacts, choose_thumbnails, render_report
from embeddings.errors import ImageError
from embeddings.images import Region, level_picture, make_thumbnail, read_pictures
from embeddings.records import Vectors
from embeddings.store import Store

LISTED = 200  # quarantined files named in the report; the rest are counted, all are in the CSV
THUMBNAIL_SIDE = 112  # pixels: sharp at the size the report shows, about 4 kB


def compose_report(
    run: Run, source: RoundSource, vectors: Vectors, given: Path, options: RoundOptions
) -> bytes:
    """Draw the report of a run as it stands.

    Parameters
    ----------
    vectors : Vectors
        Of the run's images; their rows say where each image's pixels are.
    given : Path
        The source as the user typed it.
    """
    clustering, layout = run.load_clustering(), run.load_layout()
    proposals = run.load_proposals()
    shown = choose_thumbnails(clustering, proposals, limit=options.thumbnails)
    decided = replay_decisions(read_decisions(run.path / LEDGER))
    data = ReportData(
        clustering=clustering,
        xy=layout.xy,
        paths=layout.paths,
        proposals=proposals,
        thumbnails=read_thumbnails(vectors, shown, source.store),
        labels={
            name: decision.label for name, decision in decided.proposals.items() if decision.label
        },
        facts=_gather_facts(run, source, given, options),
        title=f"Defect types proposed for {given.name or given}",
    )
    return render_report(data).encode()


def read_thumbnails(vectors: Vectors, ids: Sequence[str], store: Store) -> dict[str, bytes]:
    """Make small pictures of these images; one that has gone meanwhile is left out."""
    wanted = vectors.rows.assign(image_id=vectors.ids)
    wanted = wanted[wanted["image_id"].isin(list(ids))]
    with ThreadPoolExecutor(thread_name_prefix="thumbnail") as pool:
        jobs = [pool.submit(_read_file, group, store) for _, group in wanted.groupby("path")]
        return {image_id: data for job in jobs for image_id, data in job.result()}


def _read_file(rows: pd.DataFrame, store: Store) -> list[tuple[str, bytes]]:
    try:
        return list(_draw(rows, store))
    except ImageError:  # moved or changed since it was embedded: the report names its path
        return []


def _draw(rows: pd.DataFrame, store: Store) -> Iterator[tuple[str, bytes]]:
    pages = {page.page: page for page in read_pictures(Path(rows["path"].iloc[0]))}
    for row in rows.to_dict("records"):
        picture = level_picture(pages[row["page"]], store.spec.level)
        region = None
        if row["parent_id"]:
            region = Region(x0=row["x0"], y0=row["y0"], width=row["width"], height=row["height"])
        window = store.spec.window or store.windows[picture.kind]
        yield (
            row["image_id"],
            make_thumbnail(picture, window=window, side=THUMBNAIL_SIDE, region=region),
        )


def _gather_facts(run: Run, source: RoundSource, given: Path, options: RoundOptions) -> ReportFacts:
    spec = source.store.spec
    entries = {name: run.entry(name) or {} for name in (NEIGHBOURS, CLUSTERING, PROPOSALS)}
    layers = "+".join(spec.layers)
    return ReportFacts(
        source=str(given),
        run=str(run.path),
        extractor=f"{spec.name} ({spec.weights}), {layers} {spec.pooling}"
        if spec.weights
        else f"{spec.name}, {layers}",
        precision=f"{spec.precision} on {spec.backend}",
        parameters={
            "input size": spec.input_size,
            "fit": spec.fit,
            "resize": spec.resize,
            "neighbours": entries[NEIGHBOURS].get("spec", {}).get("k", ""),
            "known types": str(options.known or "none"),
        },
        seed=options.seed,
        versions=package_versions(),
        seconds={name: float(entry.get("seconds", 0.0)) for name, entry in entries.items()},
        quarantined=source.quarantined[:LISTED],
        quarantined_count=len(source.quarantined),
        ignored=source.ignored,
        warnings=source.warnings,
        made_at=datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
    )
