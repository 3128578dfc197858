"""How a run was made, in words and figures: facts.json, which the report says also when redrawn."""

import json
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from discovery.flow.context import RoundContext
from discovery.flow.directions import read_directions
from discovery.flow.standing_out import read_standing_out
from discovery.runs import (
    CLUSTERING,
    COPIES,
    FACTS,
    MAP,
    MATCHED,
    NEIGHBOURS,
    PICTURES,
    PROPOSALS,
    RARE,
    STABILITY,
    VIEWS_CSV,
    Run,
    package_versions,
)
from discovery.stages.report import ReportFacts
from embeddings.bounded import parse_json
from embeddings.errors import RunError
from embeddings.extract.pixel_sizes import describe_sizes
from embeddings.files import parse_csv
from embeddings.records import ExtractorSpec

# Of each step one artefact, whose seconds the report names.
_TIMED = {
    VIEWS_CSV: "views compared",
    MATCHED: "known types matched",
    NEIGHBOURS: "neighbours",
    MAP: "map",
    COPIES: "copies",
    CLUSTERING: "clusters",
    RARE: "rare images",
    STABILITY: "stability",
    PROPOSALS: "proposals",
    PICTURES: "pictures",
}
_EXTRACTION = "extraction"
# Quarantined files named in the report; the rest are counted, all are in the CSV.
MOST_QUARANTINED = 200


def gather_facts(context: RoundContext) -> ReportFacts:
    """Gather what the report says of how the run was made."""
    run, source, options = context.run, context.source, context.options
    spec = source.store.spec
    before = _read_before(run, spec)
    return ReportFacts(
        title=f"Defect types proposed for {context.given.name or context.given}",
        source=str(context.given),
        run=str(run.path),
        extractor=", joined with ".join(_name_view(store.spec) for store in source.stores),
        precision=f"{spec.precision} on {spec.backend}",
        spec_hash=spec.hash,
        parameters={
            "input size": spec.input_size,
            "fit": spec.fit,
            "resize": spec.resize,
            "pixel size": describe_sizes(source.rows),
            "neighbours": (run.entry(NEIGHBOURS) or {}).get("spec", {}).get("k", ""),
            "known types": str(options.known or "none"),
            "data bar": "; ".join(source.data_bars) or _name_bar_use(spec),
            "adapted": "no"
            if source.adaptation is None
            else source.adaptation.describe([store.spec for store in source.stores]),
        },
        seed=options.seed,
        versions=package_versions(),
        seconds=_list_seconds(context, before),
        quarantined=source.quarantined[:MOST_QUARANTINED],
        quarantined_count=len(source.quarantined),
        ignored=source.ignored,
        matched=dict(sorted(Counter(context.matched.values()).items())),
        views=_read_views(context),
        copies=context.copies.describe(),
        # What was said when the vectors were made holds as long as they are the same.
        warnings=tuple(dict.fromkeys([*source.warnings, *(before.warnings if before else ())])),
        made_at=datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
    )


def format_facts(facts: ReportFacts) -> bytes:
    """Return facts.json."""
    return (json.dumps(asdict(facts), indent=2, ensure_ascii=False, default=str) + "\n").encode(
        errors="surrogateescape"
    )


def parse_facts(data: bytes, path: Path) -> ReportFacts:
    """Read facts.json.

    Raises
    ------
    RunError
        The file is damaged, or of another version.
    """
    try:
        values = parse_json(data.decode(errors="surrogateescape"))
        return ReportFacts(**values)
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}): run discovery.cluster again") from error


def has_moved(run: Run) -> bool:
    """Tell whether the run was moved or copied since its report was drawn."""
    try:
        facts = parse_facts(run.read_bytes(FACTS), run.path / FACTS)
    except RunError:
        return False  # told where they are needed
    return Path(facts.run).resolve() != run.path.resolve()


def _read_before(run: Run, spec: ExtractorSpec) -> ReportFacts | None:
    """Return the facts of the round before, where its vectors were made the same way."""
    if run.entry(FACTS) is None:
        return None
    try:
        before = parse_facts(run.read_bytes(FACTS), run.path / FACTS)
    except RunError:
        return None  # it is written anew
    return before if before.spec_hash == spec.hash else None


def _list_seconds(context: RoundContext, before: ReportFacts | None) -> dict[str, float]:
    """List the seconds of the steps; those of the extraction once it computed something."""
    seconds = {_EXTRACTION: round(context.extraction_seconds, 3)}
    if before is not None and not context.source.computed:
        seconds[_EXTRACTION] = before.seconds.get(_EXTRACTION, seconds[_EXTRACTION])
    for name, step in _TIMED.items():
        # Of an artefact that was damaged since, seconds are left out.
        entry: dict[str, Any] | None = context.run.entry(name)
        if entry is not None:
            seconds[step] = float(entry.get("seconds", 0.0))
    return seconds


def _read_views(context: RoundContext) -> list[dict[str, str]]:
    """Return the rows of views.csv, or what was found in samples of the pictures."""
    if len(context.candidates) == 1:
        if context.options.views:
            return []
        path = context.run.path
        found = (read_standing_out(path), read_directions(path))
        return [one.describe() for one in found if one is not None]
    return parse_csv(context.run.read_bytes(VIEWS_CSV))


def _name_bar_use(spec: ExtractorSpec) -> str:
    return "kept" if spec.data_bar == "keep" else "none found"


def _name_view(spec: ExtractorSpec) -> str:
    layers = "+".join(spec.layers)
    name = f"{spec.name} ({spec.weights}), {layers} {spec.pooling}"
    if not spec.weights:
        name = f"{spec.name}, {layers}"
    if spec.orientations > 1:
        name = f"{name}, mean of {spec.orientations} orientations"
    return name if spec.view == "picture" else f"{name}, seen as {spec.view}"
