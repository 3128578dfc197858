"""The command of one round; python -m discovery.cluster is the same under its usual name."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from discovery.flow.options import RoundOptions
from discovery.runs import REPORT
from embeddings.console import run_command, say
from embeddings.plurals import tell_count
from embeddings.usage import metering, recording_usage, tabulate_usage


@dataclass(frozen=True, kw_only=True)
class ClusterCommand:
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
    profile: bool = False
    """Print what each stage took: seconds, processor seconds, peak memory, images a second."""
    round: RoundOptions = field(default_factory=RoundOptions)


def run_round(command: ClusterCommand) -> int:
    """Run one round and say what came of it."""
    with metering("in all", {}) as whole, recording_usage() as stages:
        from discovery.flow.pipeline import discover_types

        found = discover_types(command.source, command.out, options=command.round)
    if command.profile:
        say(tabulate_usage(stages, whole=whole.usage))
    say(
        f"{tell_count(found.proposals, 'proposed type')} among "
        f"{tell_count(found.images, 'image')}, {found.noise} in none of them"
    )
    if not found.proposals:
        say("no group is dense enough: try a smaller hdbscan --min-cluster-size, or kmeans")
    say(f"report: {command.out / REPORT}")
    say(f"{command.out}: {found.counts}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(run_round, ClusterCommand, prog="python -m discovery.flow"))
