"""The run folder: each artefact with its provenance, whole or not there at all.

    run = create_run(Path("run"))
    run.save_clustering(clustering, layout, provenance, seconds=1.2)
    run.load_clustering()

A run is readable after a kill at any instant: artefacts are replaced atomically, and run.json
knows of a replacement before it happens.
"""

from discovery.runs.folder import (
    ASSOCIATIONS,
    COPIES,
    EMBEDDING,
    FACTS,
    HANDOFF_CSV,
    LEVELS,
    MAP,
    MATCHED,
    NEIGHBOURS,
    PICTURES,
    PROPOSALS,
    RARE,
    REPORT,
    STABILITY,
    SWEEP,
    TYPES_CSV,
    TYPES_XLSX,
    USAGE,
    VIEWS_CSV,
    VIEWS_FOLDER,
    Run,
    create_run,
    making_run,
    open_run,
)
from discovery.runs.provenance import Provenance, package_versions
from discovery.runs.state import CLUSTERING, HANDOFF_JSON, LEDGER, refuse_vanished

__all__ = [
    "ASSOCIATIONS",
    "CLUSTERING",
    "COPIES",
    "EMBEDDING",
    "FACTS",
    "HANDOFF_CSV",
    "HANDOFF_JSON",
    "LEDGER",
    "LEVELS",
    "MAP",
    "MATCHED",
    "NEIGHBOURS",
    "PICTURES",
    "PROPOSALS",
    "RARE",
    "REPORT",
    "STABILITY",
    "SWEEP",
    "TYPES_CSV",
    "TYPES_XLSX",
    "USAGE",
    "VIEWS_CSV",
    "VIEWS_FOLDER",
    "Provenance",
    "Run",
    "create_run",
    "making_run",
    "open_run",
    "package_versions",
    "refuse_vanished",
]
