"""The command that assigns new images to a run's groups, with an alarm for a new type.

    python -m discovery.assign RUN SOURCE --out assigned.csv

assigned.csv is what `discovery.cluster --only` takes: its unknown and undecided rows go back to
discovery.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from discovery.flow.new_images import AssignOptions
from discovery.runs import open_run
from embeddings.alike_faults import tell_faults
from embeddings.console import get_logger, run_command, say
from embeddings.files import (
    FAULT_COLUMNS,
    check_out_file,
    format_csv,
    format_faults,
    match_header,
    write_bytes,
)
from embeddings.images import split_id
from embeddings.plurals import tell_count

if TYPE_CHECKING:
    from discovery.flow.assignment import Assigned
    from discovery.stages.place import Limits

_PROG = "python -m discovery.assign"
_COLUMNS = ("image_id", "path", "label", "cluster_id", "confidence", "novelty", "verdict")
_GROUP_COLUMNS = ("group", "image_id", "path", "size", "stability")
# Share of images that another cluster would take: of runs on sound images a fifth or less.
_MISTAKABLE = 0.5


@dataclass(frozen=True, kw_only=True)
class AssignCommand:
    """Say where new images belong among the clusters of a run; the run is left as it is.

    The table has the columns image_id, path, label, cluster_id, confidence, novelty, verdict, one
    row a path. The verdict is named (placed in cluster_id, whether or not anybody has named that
    cluster), unknown (far from every cluster) or undecided (between clusters, or in the noise
    between them): then cluster_id is -1. label is the one decided for the cluster, or that nearly
    all of its images bear; it stays empty where none is, whatever the verdict. novelty is 0.5 at
    the limit of the unknown. Images of the run itself bear the run's own answer.

    Where images without a cluster look alike, a line ALARM says so, and they are listed in a
    second table beside the first, with the ending .groups.csv: group, image_id, path, size,
    stability.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that discovery.cluster made."""
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder of images (searched recursively), CSV with a column path, one image, or a store that
    was made with the run's extractor."""
    out: Annotated[Path, tyro.conf.arg(metavar="CSV")]
    """File to write the answers into; what cannot be read is listed beside it, in a file with the
    ending .quarantine.csv."""
    assign: AssignOptions = field(default_factory=AssignOptions)


def main(command: AssignCommand) -> None:
    """Place, write and say what came of it; the last line says where it is."""
    from discovery.flow.assignment import assign_images

    # Refused before the work: placing a large lot takes minutes.
    groups_path = command.out.with_suffix(".groups.csv")
    faults_path = command.out.with_suffix(".quarantine.csv")
    written = {command.out: _COLUMNS, groups_path: _GROUP_COLUMNS, faults_path: FAULT_COLUMNS}
    for path, columns in written.items():
        check_out_file(path, command.source, begins=match_header(columns))
    run = open_run(command.run)
    assigned = assign_images(run, command.source, options=command.assign)
    write_bytes(command.out, format_csv([_COLUMNS, *_list_rows(assigned)]))
    if assigned.groups:
        write_bytes(groups_path, format_csv(_list_groups(assigned)))
    else:
        groups_path.unlink(missing_ok=True)  # of an earlier call
    _list_faults(assigned, faults_path)
    for line in _sum_up(assigned):
        say(line)
    _warn_of_blindness(assigned.limits)
    for group in assigned.groups:
        first = _name_image(assigned, int(group.positions[0]))
        say(f"ALARM: {len(group.positions)} unknown images look alike: a new type? first: {first}")
    say(str(command.out))


def _warn_of_blindness(limits: "Limits") -> None:
    """Tell of a run whose clusters would take images of any kind."""
    if limits.mistakable >= _MISTAKABLE:
        get_logger().warning(
            "WARNING: this run cannot tell what is unknown: if a cluster were not there, %.0f%% of "
            "its images would pass for another's; named says little here, look at the pictures, or "
            "make a run of more images",
            100 * limits.mistakable,
        )


def _list_rows(assigned: "Assigned") -> Iterator[list[str]]:
    placed = assigned.placement
    for i, image_id in enumerate(assigned.ids.tolist()):
        for path in assigned.paths[i]:
            yield [
                image_id, path, assigned.labels[i], str(int(placed.cluster_ids[i])),
                f"{placed.confidences[i]:.6g}", f"{placed.novelties[i]:.6g}",
                str(placed.verdicts[i]),
            ]  # fmt: skip


def _list_groups(assigned: "Assigned") -> Iterator[list[str]]:
    yield list(_GROUP_COLUMNS)
    for number, group in enumerate(assigned.groups, start=1):
        size, stability = str(len(group.positions)), f"{group.stability:.6g}"
        for i in group.positions.tolist():
            for path in assigned.paths[i]:
                yield [str(number), str(assigned.ids[i]), path, size, stability]


def _name_image(assigned: "Assigned", position: int) -> str:
    """Return the path of an image, and which page of the file it is where there are several."""
    path, page = assigned.paths[position][0], split_id(str(assigned.ids[position]))[0]
    return path if page is None else f"{path}, page {page} (counted from 0)"


def _sum_up(assigned: "Assigned") -> Iterable[str]:
    verdicts, limits = assigned.placement.verdicts.tolist(), assigned.limits
    rows = sum(len(paths) for paths in assigned.paths)
    copies = f" in {tell_count(rows, 'row')}, one a file" if rows != len(verdicts) else ""
    labelled = sum(bool(label) for label in assigned.labels)
    yield (
        f"{tell_count(len(verdicts), 'image')}{copies}: {verdicts.count('named')} placed in a "
        f"cluster, {verdicts.count('unknown')} unknown, {verdicts.count('undecided')} undecided; "
        f"{tell_count(labelled, 'has', 'have')} a label; "
        f"{tell_count(assigned.reused, 'is', 'are')} in the run itself, "
        f"{tell_count(len(assigned.quarantined), 'file')} not readable"
    )
    if "named" in verdicts and not labelled:
        yield (
            "the verdict named says that an image was placed; its type has no name yet: give the "
            "run's clusters theirs (column label of its handoff.csv, or discovery.review)"
        )
    # NaN where no image of the run was named: there is nothing to measure it by.
    if limits.purity == limits.purity:
        yield (
            f"on the run's own images, each placed as if it were new: {limits.purity:.1%} of the "
            f"placed come into the cluster they are in, {limits.rejection:.1%} of those in "
            "clusters are refused; whether a cluster's label is true of its images, this does not "
            "say: discovery.evaluate compares labels with a truth"
        )


def _list_faults(assigned: "Assigned", path: Path) -> None:
    """List what cannot be read in a file, and tell of it; none is left of an earlier call."""
    if not assigned.quarantined:
        path.unlink(missing_ok=True)
        return
    write_bytes(path, format_faults(assigned.quarantined))
    tell_faults(assigned.quarantined, what="not readable", where=path)


if __name__ == "__main__":
    sys.exit(run_command(main, AssignCommand, prog=_PROG))
