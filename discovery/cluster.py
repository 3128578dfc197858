"""The main job: images, or a store, become proposed defect types with evidence and a report.

python -m discovery.cluster IMAGES --out RUN
python -m discovery.cluster IMAGES --out RUN hdbscan --min-cluster-size 20
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from discovery.flow import RoundOptions
from discovery.runs import REPORT
from embeddings.console import run_command, say


@dataclass(frozen=True, kw_only=True)
class Command:
    """Find the defect types in images nobody has labelled; nothing needs to be chosen.

    Look at RUN/report.html, write names into the column label of RUN/handoff.csv, and run the
    same command again, with other options if you like: decided labels are carried over, and only
    new images go through the network. Options are valid before and after the subcommand, those
    of a subcommand after it.
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder of images (searched recursively), CSV with a column path, one image, or a store."""
    out: Annotated[Path, tyro.conf.arg(metavar="RUN")]
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
    if not found.proposals:
        say("no group is dense enough: try a smaller hdbscan --min-cluster-size, or kmeans")
    say(f"report: {command.out / REPORT}")
    say(f"{command.out}: {found.counts}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Command, prog="python -m discovery.cluster"))
