"""The main job: images, or a store, become proposed defect types with evidence and a report.

python -m discovery.cluster IMAGES --out RUN
python -m discovery.cluster IMAGES --out RUN hdbscan --min-cluster-size 20
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from discovery.flow import RoundOptions
from discovery.runs import REPORT
from embeddings.console import run_command, say


@dataclass(frozen=True, kw_only=True)
class Command:
    """Find the defect types in images nobody has labelled; nothing needs to be chosen.

    Writes into RUN: proposals.csv and report.html to look at, handoff.csv to fill in
    (clustering.parquet, neighbours.npz, handoff.json, run.json beside them). Only new images go
    through the network; run again into the same RUN, decided labels are carried over.
    """

    source: tyro.conf.Positional[Path]
    """A folder of images (searched recursively), a CSV with a column path, or a store."""
    out: Path
    """Folder of the run; made when absent."""
    round: RoundOptions = field(default_factory=RoundOptions)


def main(command: Command) -> int:
    """Run the command."""
    from discovery.flow import discover_types

    found = discover_types(command.source, command.out, options=command.round)
    say(
        f"{found.proposals} proposed types among {found.images} images, "
        f"{found.noise} in none of them"
    )
    say(f"report: {command.out / REPORT}")
    say(f"{command.out}: {found.counts}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Command, prog="python -m discovery.cluster"))
